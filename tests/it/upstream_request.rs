//! What the upstream is sent beside the body, and what the sender is not told of it.

use http::{Request, Response};
use http_body_util::Full;

use crate::support::client::id_in;
use crate::support::config::{Folder, ROUTE};
use crate::support::gateway::TestGateway;
use crate::support::upstream::{Answer, Received, Upstream};

const EVENT: &str = r#"{"action_id":"1.2.3","payout":"0.10"}"#;

/// A postback with everything in its head that must go no further.
fn postback() -> Request<Full<bytes::Bytes>> {
    let mut request = Request::post("/postback/actions");
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("connection", "x-of-the-hop"),
        ("x-of-the-hop", "1"),
        ("te", "trailers"),
        ("keep-alive", "timeout=5"),
        ("cookie", "session=1"),
        ("authorization", "Basic dGhlaXJz"),
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("via", "1.1 proxy"),
        ("user-agent", "impact"),
        ("accept", "*/*"),
        ("x-postback-token", "s3cret"),
        ("idempotency-key", "theirs"),
        ("webhook-id", "theirs"),
        ("webhook-signature", "theirs"),
        ("ce-id", "theirs"),
        ("ce-source", "theirs"),
        ("postgate-attempt", "99"),
    ] {
        request = request.header(name, value);
    }
    request.body(Full::from(EVENT)).unwrap()
}

fn names(received: &Received) -> Vec<&str> {
    let mut names: Vec<_> = received.head.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn folder(upstream: &Upstream, envelope: &str) -> Folder {
    let more = format!(
        "{ROUTE}[routes.secret]\nheader = \"X-Postback-Token\"\nvalue = \"s3cret\"\n\
         [routes.upstream]\nheaders = {{ Authorization = \"Bearer ours\" }}\n\
         signing_secret = \"ours\"\nenvelope = \"{envelope}\"\n"
    );
    Folder::new(upstream.address, &more)
}

#[tokio::test]
async fn the_upstream_gets_our_headers_and_none_of_the_senders() {
    let upstream = Upstream::start().await;
    let gateway = TestGateway::start(folder(&upstream, "none")).await;
    let id = id_in(&gateway.client().await.send(postback()).await);
    let received = upstream.received(1).await.remove(0);
    assert_eq!(
        names(&received),
        [
            "authorization",
            "ce-id",
            "ce-source",
            "ce-specversion",
            "ce-time",
            "ce-type",
            "content-length",
            "content-type",
            "host",
            "idempotency-key",
            "postgate-attempt",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
        ]
    );
    for (name, value) in [
        ("authorization", "Bearer ours"),
        ("ce-id", &id),
        ("ce-source", "/postback/actions"),
        ("ce-specversion", "1.0"),
        ("ce-type", "com.impact.postback.action"),
        ("content-type", "application/json"),
        ("host", &upstream.address.to_string()),
        ("idempotency-key", &id),
        ("postgate-attempt", "1"),
        ("webhook-id", &id),
    ] {
        assert_eq!(received.header(name), value, "{name}");
    }
    assert!(received.header("webhook-signature").starts_with("v1,"));
    gateway.stop().await;
}

#[tokio::test]
async fn structured_mode_puts_the_attributes_into_the_body() {
    let upstream = Upstream::start().await;
    let gateway = TestGateway::start(folder(&upstream, "cloudevents")).await;
    let id = id_in(&gateway.client().await.send(postback()).await);
    let received = upstream.received(1).await.remove(0);
    assert!(!names(&received).iter().any(|name| name.starts_with("ce-")));
    assert_eq!(received.header("content-type"), "application/cloudevents+json");
    let body: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(body["id"], *id);
    assert_eq!(body["data"]["payout"], "0.10");
    gateway.stop().await;
}

#[tokio::test]
async fn what_the_upstream_says_is_not_shown_to_the_sender() {
    let upstream = Upstream::start().await;
    let answer = |status: u16| {
        let head = Response::builder().status(status).header("x-internal", "10.0.0.7");
        Answer::Text(head.header("set-cookie", "a=b"), "stack trace of the shop")
    };
    for (delivery, status, told) in
        [("queued", 201, 200), ("queued", 404, 200), ("direct", 201, 200), ("direct", 404, 502)]
    {
        let route = format!("{ROUTE}delivery = \"{delivery}\"\n");
        let gateway = TestGateway::start(Folder::new(upstream.address, &route)).await;
        let before = upstream.so_far().len();
        upstream.then_answer(answer(status));
        let answered = gateway.client().await.post_json(EVENT).await;
        upstream.received(before + 1).await;
        assert_eq!(answered.status(), told, "{delivery} {status}");
        assert!(!answered.headers().contains_key("x-internal"));
        assert!(!answered.headers().contains_key("set-cookie"));
        assert!(!String::from_utf8_lossy(answered.body()).contains("shop"));
        gateway.stop().await;
    }
}
