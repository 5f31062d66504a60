//! Lists that let in more than was meant, or fewer. All of them work, so these are warnings.

use ipnet::IpNet;

use super::allowlist::{ListedRange, RangePlace};
use super::key::Key;
use super::report::Report;
use crate::ingress::Ranges;

/// No sender has more of the internet; a slip of the pen soon has.
const WIDEST: (u8, u8) = (8, 16);
/// Warnings of one kind about one list: the first tell what is wrong.
const MOST: usize = 10;

/// Warns of what is odd about the list for all, and about the proxies who may speak for others.
pub(super) fn look(key: &Key, proxies: &[IpNet], report: &mut Report) {
    let listed = std::mem::take(&mut report.listed);
    let mend = "list the ranges of the sender as they are published; one digit may be missing";
    for listed in listed.iter().filter(|listed| is_wide(&listed.range)).take(MOST) {
        let what = format!("{} is more of the internet than any sender has", listed.range);
        warn(key, listed, what, mend, report);
    }
    let proxies_key = key.child("trusted_proxies");
    for (index, proxy) in proxies.iter().enumerate().filter(|(_, proxy)| is_wide(proxy)).take(MOST)
    {
        let what = format!(
            "{proxy} is more than any balancer has: whoever is in it is believed who its client is"
        );
        report.warn(&proxies_key.at(index), what, "list the addresses of the balancer alone");
    }
    let spoken_for = Ranges::new(proxies);
    let mend =
        "take it out of the list, so that nobody but the clients that the proxy names comes in";
    for listed in listed.iter().filter(|listed| spoken_for.touches(&listed.range)).take(MOST) {
        let what = format!(
            "{} has addresses of trusted_proxies: the proxy itself may send, and so may whoever it passes on \
             without a header",
            listed.range
        );
        warn(key, listed, what, mend, report);
    }
    report.listed = listed;
}

/// Warns of ranges of a route's own list, which `key` names, that the list for all keeps out.
pub(super) fn narrowed(key: &Key, listed: &[ListedRange], all: &Ranges, report: &mut Report) {
    let mend = "add it to [allowlist] as well, or take it out: a route's own list lets nobody in whom that \
                keeps out";
    for listed in listed.iter().filter(|listed| !all.touches(&listed.range)).take(MOST) {
        let what = format!("{} matches nobody: it is not on the list for all", listed.range);
        warn(key, listed, what, mend, report);
    }
}

fn warn(key: &Key, listed: &ListedRange, what: String, mend: &str, report: &mut Report) {
    match &listed.place {
        RangePlace::Key(index) => report.warn(&key.child("ranges").at(*index), what, mend),
        RangePlace::Line(file, line) => {
            let (file, mend) = (std::sync::Arc::clone(file), mend.to_owned());
            report.warn_in(&file, Some((*line, 1)), &key.child("files"), what, mend);
        }
    }
}

fn is_wide(range: &IpNet) -> bool {
    let (v4, v6) = WIDEST;
    range.prefix_len() < if range.addr().is_ipv4() { v4 } else { v6 }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;

    /// The keys of the warnings about lists, and what each begins with.
    fn warned(changes: &[(&str, &str)]) -> Vec<String> {
        let warnings = settings(changes).warnings;
        let of_lists = warnings.into_iter().filter(|warning| warning.key.contains("allowlist"));
        of_lists.map(|warning| format!("{}: {}", warning.key, warning.what)).collect()
    }

    #[test]
    fn a_list_that_is_wider_or_narrower_than_meant_is_told() {
        const RANGES: &str = "allowlist.ranges";
        const PROXIES: &str = "allowlist.trusted_proxies";
        const OWN: &str = "routes[0].allowlist";
        let any = ("allowlist.allow_any", "true");
        for (changes, expected) in [
            (&[(RANGES, "[\"11.0.0.0/8\", \"2600::/16\"]")][..], &[][..]),
            (
                &[(RANGES, "[\"192.0.2.0/24\", \"12.0.0.0/7\", \"2600::/15\"]")],
                &[
                    "allowlist.ranges[1]: 12.0.0.0/7 is more",
                    "allowlist.ranges[2]: 2600::/15 is more",
                ],
            ),
            (&[(PROXIES, "[\"10.0.0.0/8\"]")], &[]),
            (
                &[(PROXIES, "[\"10.0.0.1\", \"8.0.0.0/6\"]")],
                &["allowlist.trusted_proxies[1]: 8.0.0.0/6"],
            ),
            (&[(PROXIES, "[\"192.0.3.0/24\"]")], &[]),
            (
                &[(PROXIES, "[\"192.0.2.7\"]")],
                &["allowlist.ranges[0]: 192.0.2.0/24 has addresses of"],
            ),
            (
                &[(RANGES, "[\"10.0.0.1\"]"), (PROXIES, "[\"10.0.0.0/8\"]")],
                &["allowlist.ranges[0]: 10.0.0.1/32 has addresses of"],
            ),
            (&[(OWN, "{ ranges = [\"192.0.2.7\"] }")], &[]),
            (&[(OWN, "{ ranges = [\"192.0.0.0/16\"] }")], &[]),
            (
                &[(OWN, "{ ranges = [\"192.0.2.7\", \"192.0.3.0/24\", \"2600::1\"] }")],
                &[
                    "routes[0].allowlist.ranges[1]: 192.0.3.0/24 matches nobody",
                    "routes[0].allowlist.ranges[2]: 2600::1/128 matches nobody",
                ],
            ),
            (&[any, (OWN, "{ ranges = [\"198.51.100.7\"] }")], &["allowlist.allow_any: everybody"]),
        ] {
            let found = warned(changes);
            assert_eq!(found.len(), expected.len(), "{changes:?}: {found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{found}");
            }
        }
    }

    #[test]
    fn a_file_is_told_by_its_line_and_no_list_fills_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ranges");
        std::fs::write(&file, format!("# wide\n{}", "12.0.0.0/7\n".repeat(super::MOST + 1)))
            .unwrap();
        let files = format!("[{:?}]", file.display().to_string());
        let warnings = settings(&[("allowlist.files", &files)]).warnings;
        let wide: Vec<_> = warnings.iter().filter(|one| one.key == "allowlist.files").collect();
        assert_eq!(wide.len(), super::MOST);
        assert_eq!((wide[0].line, &*wide[0].file), (Some(2), file.to_str().unwrap()));
    }
}
