//! One postback through the whole gateway: formats, answers, what the upstream gets.

use http::StatusCode;

use crate::support::client::{get, id_in, metric, post};
use crate::support::config::Folder;
use crate::support::gateway::TestGateway;
use crate::support::upstream::Upstream;

/// The example of the documentation, as all four formats carry it.
const JSON: &str =
    r#"{"action_id":"1000.4636.158133","campaign_id":"1000","status":"REVERSED","payout":"0.10"}"#;
const XML: &str = "<p><ActionId>1000.4636.158133</ActionId><CampaignId>1000</CampaignId>\
                   <Status>reversed</Status><Payout>0.10</Payout></p>";
const PAIRS: &str = "ActionId=1000.4636.158133&CampaignId=1000&Status=REVERSED&Payout=0.10";
const CANONICAL: &str = r#"{"event":"action","action_id":"1000.4636.158133","campaign_id":"1000","status":"REVERSED","payout":"0.10"}"#;

/// Repeats are not recognised, so that the same event can be sent four times.
const NO_DEDUP: &str = "
[dedup]
window = \"0s\"
[[routes]]
name = \"actions\"
path = \"/postback/actions\"
kind = \"action\"
";

#[tokio::test]
async fn four_formats_over_both_protocols_arrive_as_one_body() {
    let upstream = Upstream::start().await;
    let gateway = TestGateway::start(Folder::new(upstream.address, NO_DEDUP)).await;
    for mut client in [gateway.client().await, gateway.http2_client().await] {
        let requests = [
            post("/postback/actions", "application/json", JSON),
            post("/postback/actions", "application/xml", XML),
            post("/postback/actions", "application/x-www-form-urlencoded", PAIRS),
            get(&format!("/postback/actions?{PAIRS}")),
        ];
        for request in requests {
            let answer = client.send(request).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(
                answer.body(),
                format!(r#"{{"status":"accepted","id":"{}"}}"#, id_in(&answer)).as_bytes()
            );
        }
    }
    for received in upstream.received(8).await {
        assert_eq!(received.body, CANONICAL);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_upstream_gets_the_documented_head() {
    let upstream = Upstream::start().await;
    let more = "signing_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
                headers = { authorization = \"Bearer legacy\" }\n";
    let route = format!("{}[routes.upstream]\n{more}", crate::support::config::ROUTE);
    let gateway = TestGateway::start(Folder::new(upstream.address, &route)).await;
    let id = id_in(&gateway.client().await.post_json(JSON).await);
    let received = upstream.received(1).await.remove(0);
    assert_eq!(received.head.method, "POST");
    assert_eq!(received.head.uri, "/postbacks");
    for (name, value) in [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", &id),
        ("ce-type", "com.impact.postback.action"),
        ("ce-source", "/postback/actions"),
        ("webhook-id", &id),
        ("idempotency-key", &id),
        ("postgate-attempt", "1"),
        ("authorization", "Bearer legacy"),
        ("content-length", &CANONICAL.len().to_string()),
    ] {
        assert_eq!(received.header(name), value, "{name}");
    }
    assert!(received.header("ce-time").ends_with('Z'), "{}", received.header("ce-time"));
    assert!(received.header("webhook-timestamp").parse::<u64>().is_ok());
    assert!(received.header("webhook-signature").starts_with("v1,"));
    gateway.stop().await;
}

#[tokio::test]
async fn every_refusal_has_its_status() {
    let upstream = Upstream::away().await;
    let more = r#"
[limits]
body_bytes = "1KiB"
body_time = "300ms"
[[routes]]
name = "actions"
path = "/postback/actions"
kind = "action"
methods = ["POST"]
[routes.secret]
header = "X-Postback-Token"
value = "s3cret"
"#;
    let gateway = TestGateway::start(Folder::new(upstream.address, more)).await;
    let mut client = gateway.client().await;
    let with = |request: http::Request<_>, name: &'static str, value: &'static str| {
        let mut request = request;
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
        request
    };
    let path = "/postback/actions";
    let token = |request| with(request, "x-postback-token", "s3cret");
    let exact = |bytes: usize| format!("{{\"action_id\":\"{}\"}}", "1".repeat(bytes - 16));
    let cases = [
        (post("/nowhere", "application/json", JSON), 404),
        (post("/postback/actions/", "application/json", JSON), 404),
        (token(get(path)), 405),
        (post(path, "application/json", JSON), 401),
        (with(post(path, "application/json", JSON), "x-postback-token", "s3cret2"), 401),
        (with(token(post(path, "application/json", JSON)), "content-encoding", "gzip"), 415),
        (token(post(path, "application/json", exact(1024))), 200),
        (token(post(path, "application/json", exact(1025))), 413),
        (token(post(path, "application/json", "{\"a\"")), 422),
    ];
    for (request, status) in cases {
        let what = format!("{request:?}");
        let answer = match client.try_send(request).await {
            Ok(answer) => answer,
            Err(error) => panic!("{error} at {what}"),
        };
        assert_eq!(answer.status().as_u16(), status, "{what}");
        if status != 200 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!(problem["status"], status);
            assert!(!problem.to_string().contains("s3cret"));
        }
        if status == 405 {
            assert_eq!(answer.headers()["allow"], "POST, OPTIONS");
        }
        // A refusal before the body was read ends the connection.
        client = gateway.client().await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_repeat_is_answered_with_the_first_id_and_not_delivered_again() {
    let upstream = Upstream::start().await;
    let gateway = TestGateway::start(Folder::with_route(upstream.address)).await;
    let mut client = gateway.client().await;
    let event = |status| format!(r#"{{"action_id":"1.2.3","status":"{status}"}}"#);
    let mut ids = Vec::new();
    for status in ["PENDING", "PENDING", "REVERSED", "PENDING", "PENDING"] {
        ids.push(id_in(&client.post_json(event(status)).await));
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[3], "a return to an earlier state is an event of its own");
    assert_eq!(ids[3], ids[4]);
    // Another event after them shows that nothing else was on its way.
    let last = id_in(&client.post_json(event("APPROVED")).await);
    let received = upstream.received(4).await;
    let delivered: Vec<&str> = received.iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!(delivered, [&ids[0], &ids[2], &ids[3], &last]);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_not_understood_is_kept_and_can_be_acknowledged() {
    let upstream = Upstream::away().await;
    let more = r#"
[[routes]]
name = "strict"
path = "/strict"
kind = "action"
[[routes]]
name = "lenient"
path = "/lenient"
kind = "action"
on_malformed = "accept"
"#;
    let gateway = TestGateway::start(Folder::new(upstream.address, more)).await;
    let mut client = gateway.client().await;
    let body = "{\n  \"action_id\": \"1\",\n  \"payout\": ,\n}";
    let answer = client.send(post("/strict", "application/json", body)).await;
    assert_eq!(answer.status(), 422);
    let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("line 3"), "{problem}");
    assert!(client.send(post("/lenient", "application/json", body)).await.status().is_success());
    metric(gateway.admin(), "postgate_spool_events{state=\"quarantined\"} 2").await;
    gateway.stop().await;
}
