//! Too much at once: refused or put off, and over when it is over.

use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::client::{Client, ask, handshake};
use crate::support::config::{Folder, ROUTE};
use crate::support::gateway::TestGateway;
use crate::support::process::Process;
use crate::support::upstream::Upstream;
use crate::support::within;

/// Enough for the gateway itself and a few connections.
const OPEN_FILES: &str = "40";

/// The count behind a metric's name.
fn count(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).trim().parse().unwrap()
}

#[tokio::test]
async fn running_out_of_file_descriptors_is_waited_out() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", OPEN_FILES]);
    let gateway = Process::run_by(limited, &folder.config());

    // More than fit; the kernel holds those that are not accepted.
    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(TcpStream::connect(gateway.address).await.unwrap());
    }
    gateway.logged("cannot accept connections");
    drop(crowd);

    let answer = within("an answer after the crowd has left", async {
        let mut client = Client::connect(gateway.address, &folder.certificate).await;
        client.post_json(r#"{"action_id":"1.2.3"}"#).await
    });
    assert_eq!(answer.await.status(), 200);
    let (_, metrics) = ask(gateway.admin, "/metrics").await;
    let failures = count(&metrics, "postgate_accept_failures_total");
    assert!(failures > 0, "the limit was not reached");
    // Ten milliseconds, doubled each time: a spinning loop would have thousands.
    assert!(failures < 50, "{failures}");
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_early_and_the_admin_listener_answers() {
    let upstream = Upstream::away().await;
    let limits = "[limits]\nbody_bytes = \"64KiB\"\nbodies_bytes = \"128KiB\"\n";
    let folder = Folder::new(upstream.address, &format!("{limits}{ROUTE}"));
    let gateway = TestGateway::start(folder).await;

    // One address gets half: two bodies of 30 KiB fit, and a third does not.
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = begin(&gateway, 30 << 10).await;
        stream.write_all(&vec![b' '; 30 << 10]).await.unwrap();
        held.push(stream);
    }
    let mut refused = within("a refusal", async {
        loop {
            let mut stream = begin(&gateway, 30 << 10).await;
            // Whoever is refused early cannot send all.
            drop(stream.write_all(&vec![b' '; 30 << 10]).await);
            let mut said = [0; 12];
            // Until the first two have been read, it may fit.
            let soon = tokio::time::timeout(SOON, stream.read_exact(&mut said)).await;
            if soon.is_ok_and(|read| read.is_ok()) {
                assert_eq!(&said, b"HTTP/1.1 503");
                break stream;
            }
        }
    })
    .await;
    let mut rest = String::new();
    drop(refused.read_to_string(&mut rest).await);
    assert!(rest.contains("retry-after: 30") && rest.contains("connection: close"), "{rest}");
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(gateway.admin(), path).await.0, 200, "{path}");
    }

    // When they are gone there is room again.
    drop(held);
    within("room", async {
        while gateway.client().await.post_json(large()).await.status() != 200 {}
    })
    .await;
    gateway.stop().await;
}

/// For an answer that may not come.
const SOON: Duration = Duration::from_millis(200);

/// A request whose body of so many bytes and one more is still to come.
async fn begin(gateway: &TestGateway, bytes: usize) -> TlsStream<TcpStream> {
    let trusted = &gateway.folder.certificate;
    let mut stream = handshake(gateway.gateway.address(), trusted, b"http/1.1").await.unwrap();
    let length = bytes + 1;
    let head =
        format!("POST /postback/actions HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// An event that takes up most of an address's share.
fn large() -> String {
    format!(r#"{{"action_id":"1","note":"{}"}}"#, "x".repeat(60 << 10))
}
