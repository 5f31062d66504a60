//! Some sections alone, whatever is wrong with the others: an operator must get at the spool while a
//! certificate has expired, a secret is not set in his shell, or somebody edits the file.

use std::net::SocketAddr;
use std::path::Path;

use super::key::Key;
use super::problem::{Problem, Problems};
use super::report::Report;
use super::{ListedRange, allowlist, environment_variables, raw, server, store};
use crate::admin::AdminSettings;
use crate::clock;
use crate::ingress::AllowlistSettings;
use crate::spool::SpoolSettings;

/// Where the spool is, and whom to ask who has it.
#[derive(Clone, Debug)]
pub struct SpoolAccess {
    /// `[spool]` and `[dedup]`.
    pub spool: SpoolSettings,
    /// `[admin]`: what is wrong with it stands in nobody's way while no gateway runs.
    pub admin: Result<AdminSettings, Problems>,
}

/// Who may come in, as far as the list for all routes says so.
#[derive(Clone, Debug)]
pub struct Admission {
    /// `[allowlist]`, with the ranges of its files, and `listen.proxy_protocol`.
    pub allowlist: AllowlistSettings,
    /// The ranges again, each with the place that names it.
    pub listed: Vec<ListedRange>,
}

/// Where the admin listener is: a file that somebody is editing must not make a running gateway
/// look unwell.
///
/// # Errors
/// When the file cannot be read, or `admin.address` cannot be understood.
pub fn admin_address(path: &Path) -> Result<SocketAddr, Problems> {
    let mut report = report(path)?;
    let raw = raw(&mut report);
    let admin = raw.and_then(|raw| server::admin(&raw.admin, None, &mut report));
    admin.map(|admin| admin.address).ok_or_else(|| Problems::new(report.problems))
}

/// `[spool]`, `[dedup]` and `[admin]`.
///
/// # Errors
/// When the file cannot be read, one of the first two has a problem, or the file does not say for
/// sure where the spool is and whom to ask.
pub fn spool_access(path: &Path) -> Result<SpoolAccess, Problems> {
    spool_access_in(report(path)?)
}

fn spool_access_in(mut report: Report) -> Result<SpoolAccess, Problems> {
    // A gateway that has the file answers for it, even where it cannot be written any longer.
    report.spool_is_left_alone = true;
    let Some(raw) = raw(&mut report) else {
        return Err(Problems::new(report.problems));
    };
    let spool = store::spool(&raw.spool, &raw.dedup, None, &mut report);
    let admin = server::admin(&raw.admin, None, &mut report);
    // Where no `spool.path` is read, a slip may have hidden it, and the default is another file.
    let others = if report.is_set(&Key::top("spool").child("path"))
        && report.is_sure_of(&["spool", "dedup", "admin"])
    {
        Others::Ignored
    } else {
        Others::Understood
    };
    let of_admin: Vec<_> =
        report.problems.extract_if(.., |problem| section(problem) == "admin").collect();
    let admin = match admin {
        Some(admin) if of_admin.is_empty() => Ok(admin),
        _ => Err(Problems::new(of_admin)),
    };
    let access = spool.map(|spool| SpoolAccess { spool, admin });
    only(&["spool", "dedup"], others, access, report)
}

/// `[allowlist]`, and what `[listen]` says about it.
///
/// # Errors
/// When the file cannot be read, or the two sections are not understood for sure.
pub fn admission(path: &Path) -> Result<Admission, Problems> {
    admission_in(report(path)?)
}

fn admission_in(mut report: Report) -> Result<Admission, Problems> {
    let admission = raw(&mut report).map(|raw| {
        let allowlist = allowlist::allowlist(&raw.allowlist, &raw.listen, &mut report);
        server::proxy_protocol(&raw.listen, &raw.allowlist, &mut report);
        let listed = std::mem::take(&mut report.listed);
        Admission { allowlist, listed }
    });
    only(&["allowlist", "listen"], Others::Understood, admission, report)
}

fn report(path: &Path) -> Result<Report, Problems> {
    super::open(path, environment_variables(), clock::now())
}

/// What must be so of the rest of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    Ignored,
    /// It must be TOML, and its sections known: else one of them may be meant.
    Understood,
}

/// `part`, unless there is a problem in one of its `sections`.
fn only<T>(
    sections: &[&str],
    others: Others,
    part: Option<T>,
    mut report: Report,
) -> Result<T, Problems> {
    if others == Others::Understood {
        report.faults();
    }
    report.problems.retain(|problem| match section(problem) {
        // A fault of the text, or a section that is unknown or none.
        section if section == problem.key => {
            others == Others::Understood || sections.contains(&section)
        }
        section => sections.contains(&section),
    });
    match part {
        Some(part) if report.problems.is_empty() => Ok(part),
        _ => Err(Problems::new(report.problems)),
    }
}

fn section(problem: &Problem) -> &str {
    problem.key.split(['.', '[']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;
    use crate::clock::Timestamp;

    /// A report on `text`, where no environment variable is set but `POSTGATE_ROUTES__7__PATH`.
    fn report(text: &str) -> Report {
        let variables = [("POSTGATE_ROUTES__7__PATH".to_owned(), "/p".to_owned())];
        let document = Document::parse(text);
        Report::new(
            Path::new("config.toml"),
            document,
            variables.into_iter().collect(),
            Timestamp::default(),
        )
    }

    /// Much is wrong: a secret and files are missing, a key and a section are unknown.
    const WRONG: &str = "[tls]\ncertificate = \"gone.crt\"\n[limits]\ndeep = 1\n[upstreem]\n\
                         [upstream.headers]\nAuthorization = \"env:NOT_SET\"\n\
                         [[routes]]\nname = \"a\"\nsecret = { header = \"X\", value = \"env:NO\" }\n";

    fn keys<T>(read: Result<T, Problems>) -> Vec<String> {
        read.map_or_else(
            |problems| problems.iter().map(|problem| problem.key.clone()).collect(),
            |_| Vec::new(),
        )
    }

    #[test]
    fn the_spool_is_found_whatever_else_is_wrong() {
        let spool = "[spool]\npath = \"events.db\"\n[admin]\naddress = \"127.0.0.1:7\"\n";
        for wrong in [WRONG, "[log]\nlevel = info\n", "[tls.x]\n", "[[routes]\n"] {
            let text = format!("{spool}{wrong}");
            let access = spool_access_in(report(&text)).expect("an access");
            assert!(access.spool.path.ends_with("events.db"), "{wrong}");
            assert_eq!(access.admin.expect("an address").address.port(), 7, "{wrong}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_stands_in_nobodys_way() {
        let folder = tempfile::tempdir().expect("a folder");
        // Nothing can be written where a folder is: not even by root.
        let text = format!("[spool]\npath = {:?}\n", folder.path());
        assert!(spool_access_in(report(&text)).is_ok());
    }

    #[test]
    fn what_is_wrong_with_the_spool_itself_is_told_alone() {
        for (wrong, key) in [
            ("[spool]\npath = \"\"\n", "spool.path"),
            ("[spool]\npath = \"a.db\"\npth = 1\n", "spool.pth"),
            ("[spool]\npath = \"a.db\"\nmax_bytes = 1\n", "spool.max_bytes"),
            ("spool = 5\n", "spool"),
            ("[spool]\npath = \"a.db\"\n[dedup]\nwindow = \"x\"\n", "dedup.window"),
        ] {
            let wrong =
                if wrong.starts_with('[') { format!("{WRONG}{wrong}") } else { wrong.into() };
            assert_eq!(keys(spool_access_in(report(&wrong))), [key], "{wrong}");
        }
    }

    #[test]
    fn another_file_is_never_taken_for_the_spool() {
        // The default would be meant here, and a file of that name may be there.
        assert_eq!(keys(spool_access_in(report("[spol]\npath = \"a.db\"\n"))), ["spol"]);
        assert_eq!(keys(spool_access_in(report("[spool\npath = \"a.db\"\n"))), ["", "path"]);
        assert_eq!(keys(spool_access_in(report("[limits]\ndeep = 1\n"))), [""; 0]);
    }

    #[test]
    fn a_slip_in_the_sections_or_near_them_is_never_passed_over() {
        let good = "[spool]\npath = \"a.db\"\n[dedup]\nwindow = \"1h\"\n[admin]\naddress = \"[::1]:7\"\n\
                    [log]\n";
        assert_eq!(keys(spool_access_in(report(&format!("{good}level = info\n")))), [""; 0]);
        for (written, slip) in [
            ("path = \"a.db\"", "path = \"a.db"),
            ("path = \"a.db\"", "path = \"\"\"a.db\""),
            ("path = \"a.db\"", "path = \"a.db\" \"b.db\""),
            ("path = \"a.db\"", "path = \"a.db\"\npath = \"b.db\""),
            ("path = \"a.db\"", "path = \"a.db\"\nmax_bytes = \n"),
            ("[dedup]", "[dedup"),
            ("[dedup]", "dedup]"),
            ("window = \"1h\"", "window = 1h"),
            ("[admin]", "[admin"),
            ("address = ", "address "),
            ("[log]\n", "[spool]\npath = \"b.db\"\n[log]\n"),
            ("[log]\n", "[admin]\naddress = \"[::1]:8\"\n[log]\n"),
            // The lines of another section count for the one before.
            ("[log]\n", "{log}\naddress = \"[::1]:8\"\n"),
            ("[spool]\n", "admin.address = \"[::1]:8\n[spool]\n"),
            ("[spool]\n", "[tls]\nciphers = [\n\"a\",\n[spool]\n"),
        ] {
            let text = good.replace(written, slip);
            assert_ne!(text, good);
            assert!(spool_access_in(report(&text)).is_err(), "{text}");
        }
    }

    #[test]
    fn whom_to_ask_is_a_matter_of_its_own() {
        for (wrong, key) in
            [("token = \"env:NOT_SET\"", "admin.token"), ("address = \"here\"", "admin.address")]
        {
            let text = format!("[spool]\npath = \"a.db\"\n[admin]\n{wrong}\n");
            let access = spool_access_in(report(&text)).expect("the spool");
            assert_eq!(keys(access.admin), [key]);
        }
    }

    #[test]
    fn the_allowlist_is_read_alone_and_not_guessed_at() {
        let list = "[allowlist]\nranges = [\"192.0.2.0/24\"]\n";
        let wrong = WRONG.replace("[upstreem]\n", "");
        let admission = admission_in(report(&format!("{list}{wrong}"))).expect("an admission");
        assert_eq!((admission.allowlist.ranges.len(), admission.listed.len()), (1, 1));
        for (wrong, key) in [
            (WRONG, "upstreem"),
            ("[log]\nlevel = info\n", ""),
            ("[listen]\nproxy_protocol = true\n", "listen.proxy_protocol"),
            ("[listen]\nproxy_protocl = true\n", "listen.proxy_protocl"),
        ] {
            assert_eq!(keys(admission_in(report(&format!("{list}{wrong}")))), [key], "{wrong}");
        }
        assert_eq!(keys(admission_in(report("[allowlist]\nranges = [\"x\"]\n"))).len(), 1);
    }
}
