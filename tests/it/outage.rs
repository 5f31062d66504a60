//! An upstream that is away: few attempts, none of them counted, and everything delivered at once
//! when it is back.

use std::time::Duration;

use http::Response;

use crate::support::client::{ask, id_in, metric};
use crate::support::config::{Folder, ROUTE};
use crate::support::gateway::TestGateway;
use crate::support::upstream::{Answer, Received, Upstream};

const EVENTS: usize = 200;
/// More than twice of what the queue takes for a backlog.
const BACKLOG: usize = 600;

/// Nothing may be tried more than five times, and the breaker opens at the fifth failure.
fn folder(upstream: &Upstream) -> Folder {
    let route = format!("{ROUTE}[routes.upstream]\nmax_attempts = 5\n");
    Folder::new(upstream.address, &route)
}

async fn send(gateway: &TestGateway, events: usize) -> Vec<String> {
    let mut client = gateway.client().await;
    let mut ids = Vec::new();
    for number in 0..events {
        let event = format!(r#"{{"action_id":"1.2.{number}","payout":"{number}.00"}}"#);
        ids.push(id_in(&client.post_json(event).await));
    }
    ids.sort_unstable();
    ids
}

fn away(upstream: &Upstream, count: u8) -> String {
    format!("postgate_upstream_away{{upstream=\"{}\"}} {count}\n", upstream.address)
}

#[tokio::test]
async fn an_outage_makes_no_dead_letters_and_ends_with_a_delivery_of_everything() {
    let mut upstream = Upstream::away().await;
    let gateway = TestGateway::start(folder(&upstream)).await;
    let sent = send(&gateway, EVENTS).await;
    metric(gateway.admin(), &away(&upstream, 1)).await;
    let (status, readiness) = ask(gateway.admin(), "/readyz").await;
    assert_eq!((status, &*readiness), (200, r#"{"ready":true,"upstreams_away":1}"#));

    upstream.up();
    let received = upstream.received(EVENTS).await;
    let mut arrived: Vec<_> =
        received.iter().map(|one| one.header("webhook-id").to_owned()).collect();
    arrived.sort_unstable();
    assert_eq!(arrived, sent);
    metric(gateway.admin(), &away(&upstream, 0)).await;
    metric(gateway.admin(), "postgate_spool_events{state=\"dead\"} 0\n").await;
    assert_eq!(ask(gateway.admin(), "/readyz").await.1, r#"{"ready":true}"#);
    gateway.stop().await;
}

#[tokio::test]
async fn a_proxy_that_answers_for_a_system_that_is_down_is_tried_by_one_event_at_a_time() {
    let upstream = Upstream::start().await;
    upstream.always(|_| Answer::Status(Response::builder().status(502)));
    let gateway = TestGateway::start(folder(&upstream)).await;
    let sent = send(&gateway, EVENTS).await;
    metric(gateway.admin(), &away(&upstream, 1)).await;
    let probes = upstream.received(upstream.so_far().len() + 20).await;
    let number = |one: &Received| one.header("postgate-attempt").parse::<u32>().unwrap();
    assert!(probes.iter().all(|one| number(one) <= 5), "most of them are not counted");
    assert!(probes.len() < EVENTS, "{} attempts in a short outage", probes.len());

    upstream.always(|_| Answer::Status(Response::builder().status(204)));
    metric(gateway.admin(), "postgate_spool_events{state=\"pending\"} 0\n").await;
    metric(gateway.admin(), "postgate_spool_events{state=\"dead\"} 0\n").await;
    let mut arrived: Vec<_> =
        upstream.so_far().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    arrived.sort_unstable();
    arrived.dedup();
    assert_eq!(arrived, sent);
    gateway.stop().await;
}

#[tokio::test]
async fn a_new_event_does_not_wait_for_the_backlog_of_an_outage() {
    let mut upstream = Upstream::away().await;
    let narrow = format!("{ROUTE}[routes.upstream]\nmax_in_flight = 1\n");
    let gateway = TestGateway::start(Folder::new(upstream.address, &narrow)).await;
    send(&gateway, BACKLOG).await;
    let slow = || Answer::Late(Duration::from_millis(10), Response::builder().status(204));
    upstream.always(move |_| slow());
    upstream.up();
    upstream.received(1).await;

    let event = r#"{"action_id":"new","payout":"1.00"}"#;
    let id = id_in(&gateway.client().await.post_json(event).await);
    let mut arrived = upstream.so_far().len();
    while !upstream.so_far().iter().any(|one| one.header("webhook-id") == id) {
        arrived = upstream.received(arrived + 1).await.len();
    }
    assert!(arrived < BACKLOG / 2, "it came as number {arrived} of {BACKLOG}");
    gateway.stop().await;
}
