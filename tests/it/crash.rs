//! The promise: what was acknowledged survives `kill -9`.

use std::collections::HashMap;

use crate::support::client::{Client, id_in};
use crate::support::config::Folder;
use crate::support::process::Process;
use crate::support::upstream::Upstream;
use crate::support::within;

const EVENTS: usize = 1_000;
const CONNECTIONS: usize = 8;

/// Upstream stopped, 1,000 postbacks acknowledged, the gateway killed, restarted, the upstream
/// started: 1,000 delivered, each with the bytes and the id that were promised.
#[tokio::test]
async fn a_killed_gateway_delivers_everything_it_acknowledged() {
    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());

    let mut senders = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let client = Client::connect(gateway.address, &folder.certificate).await;
        let numbers = (connection..EVENTS).step_by(CONNECTIONS);
        senders.spawn(send(client, numbers.collect()));
    }
    let promised: HashMap<String, String> =
        within("the answers", senders.join_all()).await.into_iter().flatten().collect();
    assert_eq!(promised.len(), EVENTS, "every event has an id of its own");

    gateway.kill();
    let gateway = Process::run(&folder.config());
    upstream.up();

    let received = upstream.received(EVENTS).await;
    let delivered: HashMap<String, String> =
        received.iter().map(|one| (one.header("webhook-id").to_owned(), text(&one.body))).collect();
    assert_eq!(delivered, promised);
    assert_eq!(received.len(), EVENTS, "no repeat: the upstream took each one the first time");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
}

/// Sends one event for each number; answers with the id and the canonical body that each was
/// promised.
async fn send(mut client: Client, numbers: Vec<usize>) -> Vec<(String, String)> {
    let mut promised = Vec::new();
    for number in numbers {
        let (id, payout) = (format!("1000.4636.{number}"), format!("{number}.50"));
        let answer = client
            .post_json(format!(
                r#"{{"Payout": {payout}, "ActionId": "{id}", "note": "é\n{number}"}}"#
            ))
            .await;
        assert_eq!(answer.status(), 200);
        let body = format!(
            r#"{{"event":"action","action_id":"{id}","payout":"{payout}","note":"é\n{number}"}}"#
        );
        promised.push((id_in(&answer), body));
    }
    promised
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}
