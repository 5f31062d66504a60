//! Too much at once: refused or put off, and over when it is over.

use std::process::Command;

use tokio::net::TcpStream;

use crate::support::client::{Client, ask};
use crate::support::config::Folder;
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
