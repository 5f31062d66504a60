//! What RFC 9110 and RFC 9112 say a recipient must refuse, must take, and may answer: a table of raw
//! bytes and answers, sent to a real listener with and without TLS. After every request that is
//! taken a second one follows on the same connection, and must be understood: no byte of the first
//! was left over, and none was missing.

mod answers;
mod chunks;
mod hosts;
mod lengths;
mod lines;
mod semantics;
mod targets;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::{ask, handshake};
use crate::support::config::Folder;
use crate::support::gateway::TestGateway;
use crate::support::upstream::Upstream;
use crate::support::within;

/// One line of the table.
pub(super) struct Case {
    /// What it is about.
    name: &'static str,
    /// What is sent.
    bytes: Vec<u8>,
    /// What must come of it.
    expected: Expected,
}

/// What must come of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// 400, nothing else, and the end of the connection.
    Refused,
    /// This status, and then the second request's 200.
    Answered(u16),
    /// This status, and the end of the connection.
    Last(u16),
    /// 200, then 400 for what follows, and the end.
    AnsweredThenRefused,
    /// It is too large: 400, 414, 431, or the connection is cut while it is still sent.
    Cut,
    /// It is not whole: nothing, or 400 after the sender has closed its half.
    Unfinished,
}

use Expected::{Answered, AnsweredThenRefused, Cut, Last, Refused, Unfinished};

/// A request that follows another.
const SECOND: &[u8] = b"GET /?action_id=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn case(name: &'static str, bytes: impl AsRef<[u8]>, expected: Expected) -> Case {
    Case { name, bytes: bytes.as_ref().to_vec(), expected }
}

/// A GET with these lines behind its `Host`.
fn get(name: &'static str, lines: impl AsRef<[u8]>, expected: Expected) -> Case {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n";
    case(name, [&head[..], lines.as_ref(), b"\r\n"].concat(), expected)
}

/// A POST with these lines and this body.
fn post(name: &'static str, lines: &str, body: impl AsRef<[u8]>, expected: Expected) -> Case {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    case(name, [head.as_bytes(), body.as_ref()].concat(), expected)
}

fn table() -> Vec<Case> {
    [
        lines::cases(),
        targets::cases(),
        hosts::cases(),
        lengths::cases(),
        chunks::cases(),
        semantics::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A gateway whose one route is `/` and takes whatever it does not understand.
async fn gateway(tls: &str) -> TestGateway {
    let upstream = Upstream::away().await;
    let folder = Folder::new(
        upstream.address,
        &format!(
            r#"
[tls]
mode = "{tls}"
[[routes]]
name = "root"
path = "/"
kind = "action"
on_malformed = "accept"
[routes.reply]
success_body = "OK"
"#
        ),
    );
    TestGateway::start(folder).await
}

/// Sends the case, and says what came back until the end of the connection.
async fn said(case: &Case, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let second = if matches!(case.expected, Answered(_)) { SECOND } else { b"" };
    // Whoever is refused early cannot send all.
    drop(stream.write_all(&[&case.bytes, second].concat()).await);
    drop(stream.flush().await);
    if matches!(case.expected, Unfinished) {
        drop(stream.shutdown().await);
    }
    let mut said = Vec::new();
    // A reset is an end as well.
    drop(within(case.name, stream.read_to_end(&mut said)).await);
    String::from_utf8(said).unwrap()
}

/// The statuses in what was said.
fn statuses(said: &str) -> Vec<u16> {
    let lines = said.split("HTTP/1.").skip(1);
    lines.map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

fn judge(case: &Case, said: &str) -> bool {
    let statuses = statuses(said);
    match case.expected {
        Refused => statuses == [400],
        AnsweredThenRefused => statuses == [200, 400],
        Last(status) => statuses == [status],
        Answered(status) => statuses == [status, 200],
        Cut => matches!(statuses[..], [] | [400 | 414 | 431]),
        Unfinished => matches!(statuses[..], [] | [400]),
    }
}

#[tokio::test]
async fn every_line_of_the_table_holds() {
    let table = table();
    let mut failed = Vec::new();
    for tls in ["off", "files"] {
        let gateway = gateway(tls).await;
        let address = gateway.gateway.address();
        for case in &table {
            let said = if tls == "off" {
                said(case, &mut TcpStream::connect(address).await.unwrap()).await
            } else {
                let trusted = &gateway.folder.certificate;
                said(case, &mut handshake(address, trusted, b"http/1.1").await.unwrap()).await
            };
            if !judge(case, &said) {
                let bytes = case.bytes.escape_ascii().to_string();
                let shown: String = bytes.chars().take(300).collect();
                failed.push(format!(
                    "{} (tls {tls}): {shown}\n  {:?} expected, found {said:?}",
                    case.name, case.expected
                ));
            }
        }
        // Nothing of this made the gateway unwell.
        assert_eq!(ask(gateway.admin(), "/livez").await.0, 200);
        gateway.stop().await;
    }
    let lines = table.len();
    println!("{} of {lines} lines hold, with TLS and without", lines - failed.len().min(lines));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_line_is_judged_by_all_that_was_said() {
    let line = |expected| case("", "", expected);
    let ok = "HTTP/1.1 200 OK\r\n\r\n";
    let bad = "HTTP/1.1 400 Bad Request\r\n\r\n";
    for (expected, said, holds) in [
        (Refused, bad.to_owned(), true),
        (Refused, ok.to_owned(), false),
        (Refused, String::new(), false),
        (Refused, format!("{bad}{ok}"), false),
        (Answered(200), format!("{ok}{ok}"), true),
        (Answered(200), ok.to_owned(), false),
        (Answered(200), format!("{ok}{bad}"), false),
        (Unfinished, String::new(), true),
        (Unfinished, ok.to_owned(), false),
        (Cut, bad.to_owned(), true),
        (Cut, ok.to_owned(), false),
    ] {
        assert_eq!(judge(&line(expected), &said), holds, "{expected:?} {said:?}");
    }
}
