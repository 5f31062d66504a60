//! What a start makes of the file that it finds: one of an earlier version is served, anything else
//! is named, with the mend, and left as it is.

use std::path::Path;

use crate::support::client::Client;
use crate::support::config::Folder;
use crate::support::process::{Process, output};
use crate::support::upstream::Upstream;

const FORMAT_1: &str = include_str!("../../src/spool/tests/format-1.sql");

/// Puts a file there.
type Make = fn(&Path);

fn make(path: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// What a start that fails says.
fn refused(folder: &Folder) -> String {
    let config = folder.config();
    let output = output(&["run", "--config", config.to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_file_that_is_no_spool_of_ours_is_named_and_left_alone() {
    let upstream = Upstream::away().await;
    let theirs = |path: &Path| make(path, "CREATE TABLE theirs (id)");
    let text = |path: &Path| std::fs::write(path, "no database at all\n".repeat(99)).unwrap();
    let later = |path: &Path| make(path, &format!("{FORMAT_1}; PRAGMA user_version = 9999"));
    let damaged = |path: &Path| {
        make(path, FORMAT_1);
        make(path, "PRAGMA wal_checkpoint(TRUNCATE)");
        let mut bytes = std::fs::read(path).unwrap();
        // The list of tables, behind the header that says whose file it is.
        bytes[100..4096].fill(0xa5);
        std::fs::write(path, bytes).unwrap();
    };
    let cases: [(Make, &str); 4] = [
        (theirs, "is not a spool of postgate, or its first page is destroyed"),
        (text, "is not a spool of postgate, or its first page is destroyed"),
        (later, "has format 9999"),
        (damaged, "the file is damaged: `postgate spool verify` says how to mend it"),
    ];
    for (make, told) in cases {
        let folder = Folder::with_route(upstream.address);
        let path = folder.path("spool.db");
        make(&path);
        let before = std::fs::read(&path).unwrap();
        let said = refused(&folder);
        assert!(said.contains(told), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{told}");
    }
}

#[tokio::test]
async fn a_second_gateway_is_refused_and_the_first_goes_on() {
    let upstream = Upstream::start().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());
    let said = refused(&folder);
    assert!(said.contains("is in use by another postgate: stop that one"), "{said}");
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    assert_eq!(client.post_json(r#"{"ActionId":"7"}"#).await.status(), 200);
    upstream.received(1).await;
}

#[tokio::test]
async fn a_file_of_the_first_version_is_served() {
    let upstream = Upstream::start().await;
    let folder = Folder::with_route(upstream.address);
    make(&folder.path("spool.db"), FORMAT_1);
    let _gateway = Process::run(&folder.config());
    let received = upstream.received(1).await;
    assert_eq!(&received[0].body[..], br#"{"n":"3"}"#);
    assert_eq!(received[0].header("postgate-attempt"), "2");
}
