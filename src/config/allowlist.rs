//! `[allowlist]`: who may come in.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};

use super::breadth;
use super::file;
use super::key::Key;
use super::raw::{RawAllowlist, RawRouteAllowlist};
use super::report::Report;
use crate::ingress::{AllowlistSettings, Ranges};

/// Some 100,000 ranges; impact.com has a few dozen.
const MOST_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Mistakes listed of one file; a file with more is of another kind altogether.
const MOST_FILE_PROBLEMS: usize = 50;

/// One range of the allowlist, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRange {
    /// As it was understood.
    pub range: IpNet,
    /// Where it stands.
    pub place: RangePlace,
}

/// Where a range stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangePlace {
    /// In the `allowlist.ranges` for all or of a route, at this position from 0.
    Key(usize),
    /// In a file of `allowlist.files`, on this line from 1.
    Line(Arc<Path>, usize),
}

impl fmt::Display for RangePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(index) => write!(f, "allowlist.ranges[{index}]"),
            Self::Line(file, line) => write!(f, "{}:{line}", file.display()),
        }
    }
}

/// Why a text is not a range, and what was probably meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Neither an address nor a CIDR range.
    #[error("{0:?} is neither an address nor a range in CIDR notation")]
    Unreadable(String),
    /// The address has bits beyond the prefix, so that the range is not the one it looks like.
    #[error("{text} has address bits behind its prefix; the range would be {meant}")]
    HostBits {
        /// As typed.
        text: String,
        /// The range of that prefix around the address.
        meant: IpNet,
    },
    /// IPv4 addresses in IPv6 clothes: clients are compared as IPv4.
    #[error("{0} holds IPv4 addresses written as IPv6")]
    Mapped(String),
    /// The whole internet.
    #[error("{0} is every address there is")]
    Everybody(String),
}

/// IPv4 as IPv6 (RFC 4291, 2.5.5.2).
const MAPPED: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 96));

/// Reads one range or single address, strictly: a list that decides who comes in is not guessed at.
///
/// # Errors
/// [`RangeError`] says what is wrong with the text.
pub fn parse_range(text: &str) -> Result<IpNet, RangeError> {
    let range = read(text).ok_or_else(|| RangeError::Unreadable(text.to_owned()))?;
    if range.prefix_len() == 0 {
        return Err(RangeError::Everybody(text.to_owned()));
    }
    if range.trunc() != range {
        return Err(RangeError::HostBits { text: text.to_owned(), meant: range.trunc() });
    }
    if MAPPED.contains(&range) || range.contains(&MAPPED) {
        return Err(RangeError::Mapped(text.to_owned()));
    }
    Ok(range)
}

/// The address is read by the standard library: the parser of `ipnet` takes `192.0.02.0`, which is
/// octal to some and decimal to others.
fn read(text: &str) -> Option<IpNet> {
    let Some((address, prefix)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    if !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    IpNet::new(address.parse().ok()?, prefix.parse().ok()?).ok()
}

pub(super) fn allowlist(raw: &RawAllowlist, report: &mut Report) -> AllowlistSettings {
    let key = Key::top("allowlist");
    let problems = report.problems.len();
    let mut ranges = list(&raw.ranges, &key.child("ranges"), report);
    report.listed = placed(&ranges);
    for listed in files(&raw.files, &key.child("files"), report) {
        ranges.push(listed.range);
        report.listed.push(listed);
    }
    let trusted_proxies = list(&raw.trusted_proxies, &key.child("trusted_proxies"), report);

    breadth::look(&key, &trusted_proxies, report);

    let any = key.child("allow_any");
    if raw.allow_any {
        let mend = "set it to false and list the ranges of impact.com";
        report.warn(&any, "everybody may send postbacks, from any address", mend);
    } else if ranges.is_empty() && report.problems.len() == problems {
        report.problem(
            &key.child("ranges"),
            "is empty, and no file has a range: nobody could send anything",
            "copy the ranges from https://integrations.impact.com/public-ip-addresses, or name a \
             file of them in allowlist.files; allow_any = true switches the allowlist off",
        );
    }
    let ranges = sorted(ranges);
    report.let_in = (!raw.allow_any).then(|| Ranges::new(&ranges));
    AllowlistSettings { ranges, trusted_proxies, allow_any: raw.allow_any }
}

/// `[routes.allowlist]`: of those who may come in, who may send to the route. `None`: all of them. The
/// same ranges with their places, as well.
pub(super) fn narrowed(
    raw: &RawRouteAllowlist,
    key: &Key,
    report: &mut Report,
) -> (Option<Vec<IpNet>>, Vec<ListedRange>) {
    let ranges = list(&raw.ranges, &key.child("ranges"), report);
    let mut listed = placed(&ranges);
    listed.extend(files(&raw.files, &key.child("files"), report));
    if let Some(all) = report.let_in.take() {
        breadth::narrowed(key, &listed, &all, report);
        report.let_in = Some(all);
    }
    let is_there = !raw.ranges.is_empty() || !raw.files.is_empty();
    let ranges = is_there.then(|| sorted(listed.iter().map(|listed| listed.range).collect()));
    (ranges, listed)
}

/// A position is that of the text only while every text is a range; else the list is not used.
fn placed(ranges: &[IpNet]) -> Vec<ListedRange> {
    let ranges = ranges.iter().zip(0..);
    ranges.map(|(&range, at)| ListedRange { range, place: RangePlace::Key(at) }).collect()
}

fn sorted(mut ranges: Vec<IpNet>) -> Vec<IpNet> {
    ranges.sort_unstable();
    ranges.dedup();
    ranges
}

fn list(texts: &[String], key: &Key, report: &mut Report) -> Vec<IpNet> {
    let mut ranges = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match parse_range(text) {
            Ok(range) => ranges.push(range),
            Err(error) => report.problem(&key.at(index), error.to_string(), mend(&error)),
        }
    }
    ranges
}

fn files(names: &[String], key: &Key, report: &mut Report) -> Vec<ListedRange> {
    let mut ranges = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let path = report.path(name);
        report.watch(&path);
        ranges.extend(ranges_in(&path, &key.at(index), report));
    }
    ranges
}

fn ranges_in(path: &Path, key: &Key, report: &mut Report) -> Vec<ListedRange> {
    let text = match file::text(path, MOST_FILE_BYTES) {
        Ok(text) => text,
        Err(error) => {
            let mend = "name a readable text file with one range a line; # starts a comment";
            report.problem(key, format!("{} {error}", path.display()), mend);
            return Vec::new();
        }
    };

    let problems = report.problems.len();
    let mut ranges = Vec::new();
    let name: Arc<Path> = Arc::from(path);
    let mut refused = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let range = line.split('#').next().unwrap_or_default().trim();
        if range.is_empty() {
            continue;
        }
        match parse_range(range) {
            Ok(range) => {
                let place = RangePlace::Line(Arc::clone(&name), number);
                ranges.push(ListedRange { range, place });
            }
            Err(error) if refused < MOST_FILE_PROBLEMS => {
                refused += 1;
                let what = format!("{error}; {}", mend(&error));
                report.problem_in(path, number, key, what);
            }
            Err(_) => break,
        }
    }
    if ranges.is_empty() && report.problems.len() == problems {
        // A file that somebody is writing, or a download that failed, must not shut anybody out in
        // silence.
        let what = format!("{} holds no range", path.display());
        report.problem(key, what, "fill it, or take it out of allowlist.files");
    }
    ranges
}

fn mend(error: &RangeError) -> String {
    match error {
        RangeError::Unreadable(_) => {
            "write a range such as 192.0.2.0/24 or 2001:db8::/32, or one address".to_owned()
        }
        RangeError::HostBits { meant, .. } => {
            format!("write {meant} for the whole range, or the address alone for just that one")
        }
        RangeError::Mapped(_) => "write it as IPv4; such clients are compared as IPv4".to_owned(),
        RangeError::Everybody(_) => {
            "name real ranges; to let everybody in, say so with allow_any = true".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{report, report_in};
    use super::*;

    fn raw(ranges: &[&str], files: &[&str]) -> RawAllowlist {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        RawAllowlist {
            ranges: owned(ranges),
            files: owned(files),
            trusted_proxies: Vec::new(),
            allow_any: false,
        }
    }

    #[test]
    fn reads_ranges_and_addresses() {
        for (text, range) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("128.0.0.0/1", "128.0.0.0/1"),
        ] {
            assert_eq!(parse_range(text).map(|range| range.to_string()), Ok(range.to_owned()));
        }
    }

    #[test]
    fn refuses_what_is_not_what_it_looks_like() {
        for text in [
            "",
            "192.0.2",
            "192.0.2.0/33",
            "192.0.02.0/24",
            "192.0.2.0/+24",
            "192.0.2.0/",
            "192.0.2.0/24/1",
            "impact.com",
            "192.0.2.0 /24",
        ] {
            let unreadable = Err(RangeError::Unreadable(text.to_owned()));
            assert_eq!(parse_range(text), unreadable, "{text}");
        }
        let error = parse_range("192.0.2.7/24").expect_err("host bits");
        assert!(mend(&error).contains("192.0.2.0/24"), "{error}");
        assert!(matches!(parse_range("0.0.0.0/0"), Err(RangeError::Everybody(_))));
        assert!(matches!(parse_range("::/0"), Err(RangeError::Everybody(_))));
        for mapped in ["::ffff:192.0.2.1", "::ffff:0:0/96", "::fffe:0:0/95", "::/1"] {
            assert!(matches!(parse_range(mapped), Err(RangeError::Mapped(_))), "{mapped}");
        }
        for beside in ["::fffe:0:0/96", "::1:0:0:0/80", "8000::/1"] {
            assert!(parse_range(beside).is_ok(), "{beside}");
        }
    }

    #[test]
    fn fails_closed() {
        let mut report = report();
        allowlist(&raw(&[], &[]), &mut report);
        assert_eq!(report.problems.len(), 1);
        assert_eq!(report.problems[0].key, "allowlist.ranges");
    }

    #[test]
    fn allow_any_is_never_silent() {
        let mut report = report();
        let open = RawAllowlist { allow_any: true, ..raw(&[], &[]) };
        let settings = allowlist(&open, &mut report);
        assert!(settings.allow_any);
        assert_eq!((report.problems.len(), report.warnings.len()), (0, 1));
    }

    #[test]
    fn a_file_without_a_range_is_a_mistake() {
        let folder = tempfile::tempdir().expect("a folder");
        for text in ["", "# nothing yet\n\n"] {
            std::fs::write(folder.path().join("ranges"), text).expect("written");
            let mut report = report_in(folder.path());
            allowlist(&raw(&["192.0.2.0/24"], &["ranges"]), &mut report);
            let keys: Vec<_> = report.problems.iter().map(|problem| &problem.key).collect();
            assert_eq!(keys, ["allowlist.files[0]"], "{text:?}");
        }
    }

    #[test]
    fn names_the_line_of_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "# impact.com\n192.0.2.0/24 # one\n\n198.51.100.7/24\n192.0.2.0/24\n";
        std::fs::write(folder.path().join("ranges"), text).expect("written");
        let mut report = report_in(folder.path());
        let settings = allowlist(&raw(&[], &["ranges", "gone"]), &mut report);
        assert_eq!(settings.ranges.len(), 1, "equal ones are one");
        assert_eq!(report.problems.len(), 2);
        assert_eq!(report.problems[0].line, Some(4));
        assert!(report.problems[0].file.ends_with("ranges"));
        assert_eq!(report.problems[1].key, "allowlist.files[1]");
    }

    #[test]
    fn a_route_has_no_list_of_its_own_or_one_with_ranges() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ranges"), "192.0.2.7\n").expect("written");
        std::fs::write(folder.path().join("empty"), "# nothing yet\n").expect("written");
        let read = |ranges: &[&str], files: &[&str]| {
            let RawAllowlist { ranges, files, .. } = raw(ranges, files);
            let mut report = report_in(folder.path());
            let raw = RawRouteAllowlist { ranges, files };
            let (list, _) =
                narrowed(&raw, &Key::top("routes").at(0).child("allowlist"), &mut report);
            assert!(report.listed.is_empty(), "it is not the list for all");
            let keys: Vec<_> = report.problems.iter().map(|problem| problem.key.clone()).collect();
            (list.map(|list| list.len()), keys)
        };
        assert_eq!(read(&[], &[]), (None, vec![]));
        assert_eq!(read(&["198.51.100.7", "192.0.2.7"], &["ranges"]), (Some(2), vec![]));
        // Never "everybody" by a mistake.
        let (list, keys) = read(&["nobody"], &["empty", "gone"]);
        assert_eq!(list, Some(0));
        let expected = ["ranges[0]", "files[0]", "files[1]"];
        assert_eq!(keys, expected.map(|key| format!("routes[0].allowlist.{key}")));
    }
}
