//! Secrets: as typed, from the environment (`env:NAME`), or from a file (`file:PATH`).

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::file;
use super::key::Key;
use super::report::Report;

/// A secret is a line, not a document: a path that leads elsewhere must not fill the memory.
const MOST_BYTES: u64 = 64 * 1024;

/// The secret that `text` is or names. An empty `text` is an empty secret; a name that leads to
/// nothing, or to an empty value, is a problem. Problems never show the value.
pub(super) fn secret(report: &mut Report, key: &Key, text: &str) -> Option<SecretString> {
    if let Some(name) = text.strip_prefix("env:") {
        return variable(report, key, name);
    }
    if let Some(path) = text.strip_prefix("file:") {
        let path = report.path(path);
        report.watch(&path);
        return line_of(report, key, &path);
    }
    Some(SecretString::from(text))
}

/// A secret that may be left out: `None` when the text is empty, or after a problem.
pub(super) fn optional(report: &mut Report, key: &Key, text: &str) -> Option<SecretString> {
    secret(report, key, text).filter(|secret| !secret.expose_secret().is_empty())
}

fn variable(report: &mut Report, key: &Key, name: &str) -> Option<SecretString> {
    let state = match report.variable(name) {
        None => "not set",
        Some("") => "empty",
        Some(text) if text.contains(char::REPLACEMENT_CHARACTER) => "not UTF-8",
        Some(text) => return Some(SecretString::from(text)),
    };
    report.problem(
        key,
        format!("the environment variable {name} is {state}"),
        format!("set {name} where postgate is started, or use file:PATH"),
    );
    None
}

fn line_of(report: &mut Report, key: &Key, path: &Path) -> Option<SecretString> {
    let shown = path.display();
    let what = match file::text(path, MOST_BYTES) {
        Err(error) => format!("the file {shown} {error}"),
        Ok(text) => {
            // Editors and `echo` end a file with a line break that nobody means.
            let line = text.strip_suffix('\n').unwrap_or(&text);
            let line = line.strip_suffix('\r').unwrap_or(line);
            if !line.is_empty() {
                return Some(SecretString::from(line));
            }
            format!("the file {shown} is empty")
        }
    };
    let mend = "write the secret into that file, readable by the user who runs postgate";
    report.problem(key, what, mend);
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{report, report_in};
    use super::*;

    fn read(report: &mut Report, text: &str) -> Option<String> {
        let secret = secret(report, &Key::top("x"), text)?;
        Some(secret.expose_secret().to_owned())
    }

    #[test]
    fn a_variable_must_be_set_and_not_empty() {
        let mut report = report();
        assert_eq!(read(&mut report, "env:TOKEN").as_deref(), Some("t0ken"));
        assert_eq!(read(&mut report, "env:EMPTY"), None);
        assert_eq!(read(&mut report, "env:UNSET"), None);
        assert_eq!(read(&mut report, "env:BYTES"), None, "not UTF-8");
        assert_eq!(report.problems.len(), 3);
        assert_eq!(read(&mut report, "plain").as_deref(), Some("plain"));
    }

    #[test]
    fn a_file_is_read_beside_the_configuration_without_its_last_line_break() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a"), "one\ntwo\r\n").expect("written");
        std::fs::write(folder.path().join("b"), "\n").expect("written");
        let mut report = report_in(folder.path());
        assert_eq!(read(&mut report, "file:a").as_deref(), Some("one\ntwo"));
        assert_eq!(read(&mut report, "file:b"), None);
        assert_eq!(read(&mut report, "file:c"), None);
        assert_eq!(report.problems.len(), 2);
        assert!(report.watched.files().any(|file| file.ends_with("c")), "it may come");
    }

    #[test]
    fn a_file_may_have_64_kib_and_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let most = "s".repeat(64 * 1024);
        std::fs::write(folder.path().join("at"), &most).expect("written");
        std::fs::write(folder.path().join("past"), most + "s").expect("written");
        let mut report = report_in(folder.path());
        assert!(read(&mut report, "file:at").is_some());
        assert!(read(&mut report, "file:past").is_none());
    }
}
