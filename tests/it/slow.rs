//! Slow clients by the hundred, of every kind, while real postbacks come in: every slow one is cut,
//! and every good one succeeds.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::support::client::{handshake_on, metric};
use crate::support::config::{Folder, ROUTE};
use crate::support::gateway::TestGateway;
use crate::support::upstream::Upstream;
use crate::support::within;

/// Of each kind.
const SLOW: usize = 40;
/// As on a line, and not as on loopback: what the kernel holds for a peer that does not read goes by it.
const SEGMENT: u32 = 1460;
const GOOD: usize = 100;
/// Between two bytes of a slow client: far less than any limit, so that each byte looks like life.
const PACE: Duration = Duration::from_millis(20);
const LIMITS: &str = r#"
[limits]
handshake_time = "1s"
header_time = "1s"
idle_time = "1s"
body_time = "2s"
body_grace = "1s"
body_rate = "1KiB"
"#;

/// What a slow client does.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Connects, and says nothing.
    Silent,
    /// Sends a `ClientHello` byte by byte.
    Hello,
    /// Shakes hands, and says nothing.
    Idle,
    /// Sends a head byte by byte.
    Head,
    /// Sends a body byte by byte.
    Body,
    /// Sends chunks of one byte.
    Chunks,
    /// Sends half a body, and closes its half.
    HalfClosed,
    /// Sends request upon request, and reads none of the long answers.
    Deaf,
}

const KINDS: [Kind; 8] = [
    Kind::Silent,
    Kind::Hello,
    Kind::Idle,
    Kind::Head,
    Kind::Body,
    Kind::Chunks,
    Kind::HalfClosed,
    Kind::Deaf,
];

/// Sends `first`, and then `more` again and again at its pace; returns when the connection ends.
async fn drip(stream: impl AsyncRead + AsyncWrite, first: &str, more: &[u8]) {
    let (mut read, mut write) = tokio::io::split(stream);
    let sending = async {
        drop(write.write_all(first.as_bytes()).await);
        let mut pace = tokio::time::interval(PACE);
        loop {
            pace.tick().await;
            if write.write_all(more).await.is_err() || write.flush().await.is_err() {
                break;
            }
        }
    };
    let mut said = Vec::new();
    // Whichever ends: a reader that is told of the end, or a writer that cannot go on.
    tokio::select! {
        _ = read.read_to_end(&mut said) => {}
        () = sending => {}
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains(" 200 "), "a slow one was taken for whole: {said}");
}

/// Ends when the gateway has ended the connection.
async fn slow(kind: Kind, gateway: &TestGateway) {
    let address = gateway.gateway.address();
    let socket = TcpSocket::new_v4().unwrap();
    if matches!(kind, Kind::Deaf) {
        // Full soon.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.set_send_buffer_size(4096).unwrap();
        socket2::SockRef::from(&socket).set_tcp_mss(SEGMENT).unwrap();
    }
    let tcp = socket.connect(address).await.unwrap();
    match kind {
        Kind::Silent => return drip(tcp, "", b"").await,
        Kind::Hello => return drip(tcp, "\x16\x03\x01\x02\x00", b"\x01").await,
        _ => {}
    }
    let trusted = &gateway.folder.certificate;
    let mut tls = handshake_on(tcp, trusted, b"http/1.1").await.unwrap();
    let post = "POST /postback/actions HTTP/1.1\r\nHost: a\r\n";
    let get = "GET /long?action_id=deaf HTTP/1.1\r\nHost: a\r\n\r\n";
    match kind {
        Kind::Silent | Kind::Hello => {}
        Kind::Idle => drip(tls, "", b"").await,
        Kind::Head => drip(tls, &format!("{post}A: "), b"b").await,
        Kind::Body => drip(tls, &format!("{post}Content-Length: 9999\r\n\r\n"), b"1").await,
        Kind::Chunks => {
            drip(tls, &format!("{post}Transfer-Encoding: chunked\r\n\r\n"), b"1\r\na\r\n").await;
        }
        Kind::HalfClosed => {
            let half = format!("{post}Content-Length: 9\r\n\r\n{{");
            tls.write_all(half.as_bytes()).await.unwrap();
            tls.shutdown().await.unwrap();
            let mut said = Vec::new();
            drop(tls.read_to_end(&mut said).await);
            assert!(said.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&said));
        }
        Kind::Deaf => while tls.write_all(get.as_bytes()).await.is_ok() {},
    }
}

#[tokio::test]
async fn every_slow_client_is_cut_and_every_good_one_succeeds() {
    let upstream = Upstream::start().await;
    let long = "x".repeat(64 << 10);
    let long = format!(
        "[[routes]]\nname = \"long\"\npath = \"/long\"\nkind = \"action\"\n\
         [routes.reply]\nsuccess_body = \"{long}\"\n"
    );
    let folder = Folder::new(upstream.address, &format!("{LIMITS}{ROUTE}{long}"));
    let gateway = std::sync::Arc::new(TestGateway::start(folder).await);
    let mut slow_ones = JoinSet::new();
    for kind in KINDS {
        for number in 0..SLOW {
            let gateway = std::sync::Arc::clone(&gateway);
            slow_ones.spawn(async move {
                within(&format!("the end of {kind:?} {number}"), slow(kind, &gateway)).await;
            });
        }
    }

    // As many as were sent are acknowledged, each on a connection of its own.
    for number in 0..GOOD {
        let mut client = gateway.client().await;
        let answer = client.post_json(format!(r#"{{"action_id":"good.{number}"}}"#)).await;
        assert_eq!(answer.status(), 200, "{number}");
    }
    within("the end of all slow clients", slow_ones.join_all()).await;
    metric(gateway.admin(), "postgate_connections_open 0").await;
}
