//! Too much at once: refused or put off, and over when it is over.

use std::net::SocketAddr;
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

/// Fewer than a gateway and all of its connections would take.
const OPEN_FILES: &str = "64";

/// The count behind a metric's name.
fn count(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).trim().parse().unwrap()
}

/// A gateway that may open so many files.
fn limited(folder: &Folder, how: &str) -> Process {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit {how} {OPEN_FILES} && exec \"$0\" \"$@\"")]);
    Process::run_by(limited, &folder.config())
}

async fn crowd(address: SocketAddr) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..80 {
        crowd.push(TcpStream::connect(address).await.unwrap());
    }
    crowd
}

#[tokio::test]
async fn a_crowd_leaves_file_descriptors_for_operator_spool_and_upstream() {
    let upstream = Upstream::start().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = limited(&folder, "-n");
    // It came before the crowd, and goes on behind it.
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    let crowd = crowd(gateway.address).await;
    for path in ["/livez", "/readyz", "/metrics"].repeat(3) {
        let answer = within(path, ask(gateway.admin, path)).await;
        assert_eq!(answer.0, 200, "{path}");
    }
    assert_eq!(client.post_json(r#"{"action_id":"1.2.3"}"#).await.status(), 200);
    upstream.received(1).await;
    let (_, metrics) = ask(gateway.admin, "/metrics").await;
    assert_eq!(count(&metrics, "postgate_accept_failures_total"), 0);
    drop(crowd);
}

#[test]
fn the_soft_limit_of_open_files_is_raised_and_a_low_hard_one_is_told() {
    let upstream = "127.0.0.1:9".parse().unwrap();
    let folder = Folder::with_route(upstream);
    let soft = limited(&folder, "-S -n");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", soft.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
    drop(soft);

    let config = folder.config();
    let check = [env!("CARGO_BIN_EXE_postgate"), "check", "--config", config.to_str().unwrap()];
    let script = format!("ulimit -n {OPEN_FILES} && exec \"$0\" \"$@\"");
    let found = Command::new("sh").arg("-c").arg(script).args(check).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(found.contains("may open 64") && found.contains("`ulimit -n "), "{found}");
}

#[tokio::test]
async fn running_out_of_file_descriptors_is_waited_out() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());
    // The gateway does not know of this one.
    let pid = rustix::process::Pid::from_raw(i32::try_from(gateway.pid()).unwrap());
    let few = rustix::process::Rlimit { current: Some(40), maximum: Some(40) };
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, few).unwrap();

    // More than fit; the kernel holds those that are not accepted.
    let crowd = crowd(gateway.address).await;
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
