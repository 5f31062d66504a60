//! What the commands make of a slip of the user's, by the real binary.

use std::process::{Output, Stdio};

use crate::support::config::{Folder, ROUTE};
use crate::support::process::{output, postgate};

fn folder() -> Folder {
    Folder::new("127.0.0.1:9".parse().unwrap(), ROUTE)
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn wrong_usage_ends_with_2_and_the_usage_of_its_own_command() {
    let id = "0191e0a4-0000-7000-8000-000000000000";
    let send = ["send", "http://127.0.0.1:9/", "--method", "GET"];
    for (arguments, usage) in [
        (&send[..], "postgate send "),
        (&["spool", "replay"], "postgate spool replay "),
        (&["spool", "replay", id, "--dead"], "postgate spool replay "),
        (&["spool", "drop"], "postgate spool drop "),
        (&["spool", "show"], "postgate spool show "),
    ] {
        let wrong = output(arguments, b"");
        assert_eq!(wrong.status.code(), Some(2), "{arguments:?}: {}", said(&wrong));
        assert!(said(&wrong).contains(&format!("Usage: {usage}")), "{}", said(&wrong));
    }
}

#[test]
fn an_id_that_is_none_is_explained() {
    for arguments in [&["spool", "show", "123"], &["spool", "replay", "123"]] {
        let wrong = output(arguments, b"");
        assert_eq!(wrong.status.code(), Some(2));
        assert!(said(&wrong).contains("'123'"), "{}", said(&wrong));
        assert!(said(&wrong).contains("what `spool list` shows"), "{}", said(&wrong));
    }
}

#[test]
fn a_dash_is_stdin_and_a_file_that_is_not_there_is_named() {
    let folder = folder();
    let config = folder.config();
    let import =
        |file| output(&["spool", "import", "--config", config.to_str().unwrap(), file], b"\n");
    let nothing = import("-");
    assert!(nothing.status.success(), "{}", said(&nothing));
    assert!(String::from_utf8_lossy(&nothing.stdout).starts_with("0 imported"));
    for missing in [import("gone.ndjson"), output(&["spool", "salvage", "gone.ndjson"], b"")] {
        assert_eq!(missing.status.code(), Some(1));
        let expected =
            "postgate: cannot read gone.ndjson: No such file or directory (os error 2)\n";
        assert_eq!(said(&missing), expected);
    }
}

#[test]
fn an_address_that_is_taken_is_told_once() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let own = format!("[listen]\naddress = \"{address}\"");
    folder.write(&text.replace("[listen]\naddress = \"127.0.0.1:0\"", &own));
    let config = folder.config();
    let refused = output(&["run", "--config", config.to_str().unwrap()], b"");
    assert_eq!(refused.status.code(), Some(1));
    let last = said(&refused).lines().last().unwrap_or_default();
    let expected = format!("postgate: cannot listen on listen.address {address}: ");
    assert!(last.starts_with(&expected), "{last}");
}

/// `postgate … | head`: what is not read is no fault that anybody must be told of.
#[test]
fn a_reader_that_has_enough_is_not_complained_of() {
    let folder = folder();
    let config = folder.config();
    let config = ["--config", config.to_str().unwrap()];
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["allowlist", "check", "127.0.0.1"],
        &["allowlist", "check", "127.0.0.1", "--json"],
        &["template", "new", "action", "--format", "json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = postgate(&[arguments, &config].concat());
        let done = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((said(&done), done.status.code()), ("", Some(1)), "{arguments:?}");
    }
}
