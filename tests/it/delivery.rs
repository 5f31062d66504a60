//! The way to the upstream: retries, order, dead letters, routes of their own, `direct`.

use http::Response;

use crate::support::client::{ask, id_in, metric, post};
use crate::support::config::{Folder, ROUTE};
use crate::support::gateway::TestGateway;
use crate::support::upstream::{Answer, Upstream};
use crate::support::within;

fn event(action: &str, number: usize) -> String {
    format!(r#"{{"action_id":"{action}","payout":"{number}.00"}}"#)
}

#[tokio::test]
async fn a_failed_delivery_is_tried_again_with_the_same_id_and_the_next_number() {
    let upstream = Upstream::start().await;
    for status in [500, 429, 503] {
        upstream.then(Response::builder().status(status));
    }
    let gateway = TestGateway::start(Folder::with_route(upstream.address)).await;
    let id = id_in(&gateway.client().await.post_json(event("1.2.3", 1)).await);
    for (number, received) in (1..).zip(upstream.received(4).await) {
        assert_eq!(received.header("webhook-id"), id);
        assert_eq!(received.header("postgate-attempt"), format!("{number}"));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn events_of_one_action_arrive_in_order_although_the_first_ones_fail() {
    let upstream = Upstream::start().await;
    for _ in 0..3 {
        upstream.then(Response::builder().status(500));
    }
    let gateway = TestGateway::start(Folder::with_route(upstream.address)).await;
    let mut client = gateway.client().await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(id_in(&client.post_json(event("1.2.3", number)).await));
    }
    let received = upstream.received(23).await;
    let mut delivered: Vec<&str> = received.iter().map(|one| one.header("webhook-id")).collect();
    delivered.dedup();
    assert_eq!(delivered, ids);
    gateway.stop().await;
}

#[tokio::test]
async fn a_refused_event_is_a_dead_letter_and_lets_the_next_pass() {
    let upstream = Upstream::start().await;
    upstream.then(Response::builder().status(404));
    let gateway = TestGateway::start(Folder::with_route(upstream.address)).await;
    let mut client = gateway.client().await;
    let mut ids = Vec::new();
    for number in 0..2 {
        ids.push(id_in(&client.post_json(event("1.2.3", number)).await));
    }
    let received = upstream.received(2).await;
    let delivered: Vec<&str> = received.iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!(delivered, ids);
    metric(gateway.admin(), "postgate_spool_events{state=\"dead\"} 1").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_route_may_have_an_upstream_of_its_own() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let more = format!(
        "{ROUTE}
[[routes]]
name = \"other\"
path = \"/other\"
kind = \"inquiry\"
[routes.upstream]
url = \"http://{}/elsewhere\"
",
        second.address
    );
    let gateway = TestGateway::start(Folder::new(first.address, &more)).await;
    let mut client = gateway.client().await;
    client.post_json(event("1.2.3", 1)).await;
    client.send(post("/other", "application/json", r#"{"inquiry_id":"9"}"#)).await;
    assert_eq!(first.received(1).await[0].head.uri, "/postbacks");
    let other = second.received(1).await.remove(0);
    assert_eq!(other.head.uri, "/elsewhere");
    assert_eq!(other.header("ce-type"), "com.impact.postback.inquiry");
    assert_eq!(other.body, r#"{"event":"inquiry","inquiry_id":"9"}"#);
    gateway.stop().await;
}

#[tokio::test]
async fn direct_delivery_answers_with_the_outcome_and_keeps_nothing() {
    let mut upstream = Upstream::start().await;
    upstream.then(Response::builder().status(201));
    upstream.then(Response::builder().status(500));
    upstream.then(Response::builder().status(404));
    let route =
        format!("{ROUTE}delivery = \"direct\"\n[routes.upstream]\ndirect_time = \"500ms\"\n");
    let gateway = TestGateway::start(Folder::new(upstream.address, &route)).await;
    let mut client = gateway.client().await;
    assert_eq!(client.post_json(event("1.2.3", 1)).await.status(), 200);
    assert_eq!(client.post_json(event("1.2.3", 2)).await.status(), 502, "after a retry");
    assert_eq!(upstream.so_far().len(), 3);
    upstream.always(|_| Answer::Status(Response::builder().status(500)));
    let failed = client.post_json(event("1.2.3", 3)).await;
    assert_eq!(failed.status(), 503);
    assert!(failed.headers().contains_key("retry-after"));
    upstream.down().await;
    assert_eq!(client.post_json(event("1.2.3", 4)).await.status(), 503);
    let malformed = client.post_json("{").await;
    assert_eq!(malformed.status(), 422, "kept, whatever the route does with the rest");
    metric(gateway.admin(), "postgate_spool_events{state=\"quarantined\"} 1").await;
    let (_, metrics) = ask(gateway.admin(), "/metrics").await;
    assert!(metrics.contains("postgate_spool_events{state=\"pending\"} 0"), "{metrics}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_backlog_is_delivered_when_the_upstream_comes_back() {
    let mut upstream = Upstream::away().await;
    let gateway = TestGateway::start(Folder::with_route(upstream.address)).await;
    let mut client = gateway.client().await;
    for number in 0..50 {
        assert_eq!(client.post_json(event(&format!("1.2.{number}"), number)).await.status(), 200);
    }
    upstream.up();
    assert_eq!(upstream.received(50).await.len(), 50);
    gateway.stop().await;
}

#[tokio::test]
async fn a_full_spool_refuses_and_loses_nothing() {
    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let small = "path = \"spool.db\"\nmax_bytes = \"1MiB\"";
    folder.write(&text.replace("path = \"spool.db\"", small));
    let gateway = TestGateway::start(folder).await;
    let mut client = gateway.client().await;
    let mut accepted = Vec::new();
    let refused = within("a full spool", async {
        loop {
            let note = "x".repeat(10_000);
            let number = accepted.len();
            let body = format!(r#"{{"action_id":"1.2.{number}","note":"{note}"}}"#);
            let answer = client.post_json(body).await;
            if answer.status() != 200 {
                return answer;
            }
            accepted.push(id_in(&answer));
        }
    })
    .await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(accepted.len() > 40, "{}", accepted.len());
    assert_eq!(ask(gateway.admin(), "/livez").await.0, 200);
    assert_eq!(ask(gateway.admin(), "/readyz").await.0, 503);

    upstream.up();
    let received = upstream.received(accepted.len()).await;
    let mut delivered: Vec<&str> = received.iter().map(|one| one.header("webhook-id")).collect();
    let mut promised: Vec<&str> = accepted.iter().map(String::as_str).collect();
    delivered.sort_unstable();
    promised.sort_unstable();
    assert_eq!(delivered, promised);
    gateway.stop().await;
}
