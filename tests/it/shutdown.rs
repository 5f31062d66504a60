//! The end: in order on a signal, at once on a second one.

use crate::support::client::{Client, id_in};
use crate::support::config::Folder;
use crate::support::gateway::TestGateway;
use crate::support::process::Process;
use crate::support::upstream::Upstream;

const BODY: &str = r#"{"action_id":"1.2.3"}"#;

#[tokio::test]
async fn signals_end_the_process_in_order() {
    let upstream = Upstream::start().await;
    let folder = Folder::with_route(upstream.address);
    for signal in ["TERM", "INT"] {
        let gateway = Process::run(&folder.config());
        let client = Client::connect(gateway.address, &folder.certificate).await;
        gateway.signal(signal);
        // An idle connection does not hold the process.
        assert!(gateway.wait().success(), "{signal}");
        drop(client);
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    // An upstream that takes the connection and never answers holds the delivery under way.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let folder = Folder::with_route(silent.local_addr().unwrap());
    let text = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&text.replace("timeout = \"5s\"", "timeout = \"10m\""));
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    let id = id_in(&client.post_json(BODY).await);
    let (_held, _) = silent.accept().await.unwrap();
    gateway.signal("TERM");
    // The first signal was heard when the front door is closed.
    while tokio::net::TcpStream::connect(gateway.address).await.is_ok() {}
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(1));

    // The event is still there.
    drop(silent);
    let upstream = Upstream::start().await;
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let url = text.lines().find(|line| line.starts_with("url")).unwrap().to_owned();
    folder.write(&text.replace(&url, &format!("url = \"http://{}/\"", upstream.address)));
    let gateway = TestGateway::start(folder).await;
    assert_eq!(upstream.received(1).await[0].header("webhook-id"), id);
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_accepted_before_the_end_is_delivered_after_the_next_start() {
    let mut upstream = Upstream::away().await;
    let gateway = TestGateway::start(Folder::with_route(upstream.address)).await;
    let id = id_in(&gateway.client().await.post_json(BODY).await);
    let folder = gateway.stop().await;
    upstream.up();
    let gateway = TestGateway::start(folder).await;
    assert_eq!(upstream.received(1).await[0].header("webhook-id"), id);
    gateway.stop().await;
}
