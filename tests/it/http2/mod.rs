//! What RFC 9113 and RFC 7541 say a server must refuse in HTTP/2, how, and what it must take: a
//! table of raw frames and what comes of them.

mod connection;
mod fields;
mod limits;
mod streams;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::client::{ask, handshake};
use crate::support::config::Folder;
use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM, frame, next, open,
    request,
};
use crate::support::gateway::TestGateway;
use crate::support::upstream::Upstream;
use crate::support::within;

/// One line of the table.
pub(super) struct Case {
    /// What it is about.
    name: &'static str,
    /// What is sent behind the preface and empty settings.
    bytes: Vec<u8>,
    /// What must come of it.
    expected: Expected,
}

/// What must come of frames.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// Nothing: a ping is answered afterwards.
    Taken,
    /// A reply on stream 1.
    Answered,
    /// The reply 400 on stream 1.
    BadRequest,
    /// An error of the stream, or of the connection (RFC 9113, 5.4.2). Which one it is, is not looked
    /// at: the code is a hint for people.
    StreamError,
    /// An error of the connection, and its end.
    ConnectionError,
}

use Expected::{Answered, BadRequest, ConnectionError, StreamError, Taken};

/// What a reply begins with whose status is 400 (RFC 7541, A).
const STATUS_400: u8 = 0x8c;

/// What a ping carries that is sent behind a case.
const AFTERWARDS: &[u8] = b"after it";

fn case<B: AsRef<[u8]>>(
    name: &'static str,
    frames: impl IntoIterator<Item = B>,
    expected: Expected,
) -> Case {
    let bytes = frames.into_iter().flat_map(|frame| frame.as_ref().to_vec()).collect();
    Case { name, bytes, expected }
}

/// A GET on this stream, whole.
fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/?action_id=1", &[]))
}

/// The head of a POST on stream 1.
fn post(more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &request("POST", "/", more))
}

/// The one route of a gateway here: `/`.
const ROUTE: &str = "[[routes]]\nname = \"root\"\npath = \"/\"\nkind = \"action\"\n";

async fn gateway() -> TestGateway {
    gateway_with("").await
}

async fn gateway_with(limits: &str) -> TestGateway {
    let upstream = Upstream::away().await;
    TestGateway::start(Folder::new(upstream.address, &format!("{limits}{ROUTE}"))).await
}

/// Sends a case, and says what came back until it is decided.
async fn said(case: &Case, gateway: &TestGateway) -> Vec<Frame> {
    let mut stream = open(gateway, b"").await;
    let ping = frame(PING, 0, 0, AFTERWARDS);
    let last: &[u8] = if matches!(case.expected, Taken) { &ping } else { b"" };
    // Whoever is refused early cannot send all.
    drop(stream.write_all(&[&case.bytes, last].concat()).await);
    let mut said = Vec::new();
    while let Some(frame) = within(case.name, next(&mut stream)).await {
        let decided = match frame.kind {
            HEADERS => matches!(case.expected, Answered | BadRequest),
            PING => frame.payload == AFTERWARDS,
            RST_STREAM => true,
            _ => false,
        };
        said.push(frame);
        if decided {
            break;
        }
    }
    said
}

fn judge(case: &Case, said: &[Frame]) -> bool {
    let ends = |frame: &&Frame| matches!(frame.kind, GOAWAY | RST_STREAM) && frame.error() != 0;
    let end = said.iter().find(ends);
    let last = said.last();
    match case.expected {
        Taken => end.is_none() && said.iter().any(|frame| frame.payload == AFTERWARDS),
        Answered => end.is_none() && said.iter().any(|f| f.kind == HEADERS && f.stream == 1),
        BadRequest => {
            let refused = |f: &&Frame| f.stream == 1 && f.payload.first() == Some(&STATUS_400);
            end.is_none() && said.iter().filter(|f| f.kind == HEADERS).any(|f| refused(&f))
        }
        StreamError => end.is_some(),
        ConnectionError => end.is_some_and(|end| end.kind == GOAWAY && last == Some(end)),
    }
}

#[tokio::test]
async fn every_line_of_the_table_holds() {
    let gateway = gateway().await;
    let table = [connection::cases(), streams::cases(), fields::cases()];
    let mut failed = Vec::new();
    let mut lines = 0;
    for case in table.iter().flatten() {
        lines += 1;
        let said = said(case, &gateway).await;
        if !judge(case, &said) {
            let shown = case.bytes.get(..case.bytes.len().min(100)).unwrap().escape_ascii();
            let expected = case.expected;
            failed.push(format!("{}: {shown}\n  {expected:?} expected, found {said:?}", case.name));
        }
    }
    println!("{} of {lines} lines hold", lines - failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // Nothing of this made the gateway unwell.
    assert_eq!(ask(gateway.admin(), "/livez").await.0, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn whoever_agreed_to_http2_and_speaks_something_else_is_let_go() {
    let gateway = gateway().await;
    let trusted = &gateway.folder.certificate;
    let mut stream = handshake(gateway.gateway.address(), trusted, b"h2").await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    drop(within("the end of the connection", stream.read_to_end(&mut said)).await);
    assert!(!said.starts_with(b"HTTP/"), "{}", said.escape_ascii());
    gateway.stop().await;
}

/// An answer breaks a stream off, and what is wrong with the rest of it is never seen.
#[tokio::test]
async fn what_goes_nowhere_is_heard_out_before_it_is_answered() {
    let gateway = gateway().await;
    let mut stream = open(&gateway, b"").await;
    let lost = request("POST", "/nowhere", &[("content-length", "5")]);
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, &lost)).await.unwrap();
    stream.write_all(&get(3)).await.unwrap();
    let mut first = None;
    while first.is_none() {
        let said = within("an answer", next(&mut stream)).await.unwrap();
        first = (said.kind == HEADERS).then_some(said.stream);
    }
    assert_eq!(first, Some(3), "stream 1 has not said everything");
    stream.write_all(&frame(DATA, END_STREAM, 1, b"test")).await.unwrap();
    let mut told = None;
    while told.is_none() {
        let said = within("a reset", next(&mut stream)).await.unwrap();
        told = (said.stream == 1).then_some(said);
    }
    let told = told.unwrap();
    assert!(told.kind == RST_STREAM && told.error() != 0, "{told:?}");
    drop(stream);
    gateway.stop().await;
}

/// Some of an event is another event. hyper takes a stream that is given up without an error for one that
/// has ended.
#[tokio::test]
async fn a_body_that_is_given_up_is_not_taken_for_a_whole_one() {
    let gateway = gateway().await;
    let mut stream = open(&gateway, b"").await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut id = 1;
    for begun in [&b""[..], b"action_id=1&payout=10"] {
        for reason in [0_u32, 8] {
            let head = frame(HEADERS, END_HEADERS, id, &request("POST", "/?action_id=1", &form));
            let data = frame(DATA, 0, id, begun);
            let reset = frame(RST_STREAM, 0, id, &reason.to_be_bytes());
            stream.write_all(&[head, data].concat()).await.unwrap();
            stream.write_all(&frame(PING, 0, 0, AFTERWARDS)).await.unwrap();
            while within("a pong", next(&mut stream)).await.unwrap().payload != AFTERWARDS {}
            stream.write_all(&reset).await.unwrap();
            id += 2;
        }
    }
    stream.write_all(&get(id)).await.unwrap();
    while within("an answer", next(&mut stream)).await.unwrap().kind != HEADERS {}
    let (_, metrics) = ask(gateway.admin(), "/metrics").await;
    let count = |line: &&str| {
        line.starts_with("postgate_events_accepted_total{") || line.starts_with("postgate_events_q")
    };
    let counts = metrics.lines().filter(count).map(|line| line.rsplit(' ').next().unwrap());
    let all: u64 = counts.map(|count| count.parse::<u64>().unwrap()).sum();
    assert_eq!(all, 1, "what was asked last, and nothing else: {metrics}");
    gateway.stop().await;
}

/// A client breaks off a stream with a body in the answer to HEAD.
#[tokio::test]
async fn the_refusal_of_a_head_request_has_no_body() {
    let gateway = gateway().await;
    let mut client = gateway.http2_client().await;
    for (path, expected) in [("/nowhere", 404), ("/", 200)] {
        let head = http::Request::head(path).body(http_body_util::Full::default()).unwrap();
        let answer = client.send(head).await;
        assert_eq!((answer.status().as_u16(), answer.body().len()), (expected, 0));
    }
    gateway.stop().await;
}

/// It should be refused, as in HTTP/1.1. The library drops a fragment before anybody sees the target, so
/// all we can do is to know what comes of it: what stood behind the `#` is missing.
#[tokio::test]
async fn what_stands_behind_a_fragment_is_lost() {
    let upstream = Upstream::start().await;
    let gateway = TestGateway::start(Folder::new(upstream.address, ROUTE)).await;
    let mut stream = open(&gateway, b"").await;
    let target = "/?action_id=1.2.3&note=one#two&payout=7";
    let head = request("GET", target, &[]);
    stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).await.unwrap();
    let event = r#"{"event":"action","action_id":"1.2.3","note":"one"}"#;
    assert_eq!(upstream.received(1).await[0].body, event);
    gateway.stop().await;
}

#[test]
fn a_line_is_judged_by_all_that_was_said() {
    let line = |expected| Case { name: "", bytes: Vec::new(), expected };
    let found = |kind, stream, payload: &[u8]| Frame { kind, stream, payload: payload.to_vec() };
    let goaway = || found(GOAWAY, 0, &[0, 0, 0, 0, 0, 0, 0, 1]);
    let reset = || found(RST_STREAM, 1, &[0, 0, 0, 1]);
    let pong = || found(PING, 0, AFTERWARDS);
    let reply = || found(HEADERS, 1, b"");
    for (expected, said, holds) in [
        (Taken, vec![pong()], true),
        (Taken, vec![], false),
        (Taken, vec![reset(), pong()], false),
        (Answered, vec![reply()], true),
        (Answered, vec![found(HEADERS, 3, b"")], false),
        (BadRequest, vec![found(HEADERS, 1, &[STATUS_400])], true),
        (BadRequest, vec![found(HEADERS, 1, &[0x88])], false),
        (StreamError, vec![reset()], true),
        (StreamError, vec![goaway()], true),
        (StreamError, vec![reply()], false),
        (ConnectionError, vec![reply(), goaway()], true),
        (ConnectionError, vec![reset()], false),
        (ConnectionError, vec![goaway(), reply()], false),
        (ConnectionError, vec![], false),
    ] {
        assert_eq!(judge(&line(expected), &said), holds, "{expected:?} {said:?}");
    }
}
