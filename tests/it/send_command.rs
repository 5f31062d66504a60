//! `postgate send`, by the real binary: against a bare listener, and through the whole gateway.

use std::collections::HashSet;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::client::metric;
use crate::support::config::Folder;
use crate::support::gateway::TestGateway;
use crate::support::process::postgate;
use crate::support::upstream::{Received, Upstream};

/// Runs `send` to its end, while the gateway and the upstream of the test go on.
async fn send(arguments: &[&str]) -> Output {
    let mut command = postgate(&[&["send"], arguments].concat());
    command.env("TEST_POSTBACK_TOKEN", "s3cret");
    finished(command).await
}

async fn finished(mut command: Command) -> Output {
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(!text(&done.stderr).contains('\u{1b}'), "the bar is for terminals only");
    done
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What stands in a request, the address aside.
fn sent(received: &Received) -> (String, String, String) {
    let query = received.head.uri.query().unwrap_or_default();
    (received.head.method.to_string(), query.to_owned(), text(&received.body).to_owned())
}

#[tokio::test]
async fn a_seeded_run_is_the_same_byte_for_byte() {
    let upstream = Upstream::start().await;
    let url = format!("http://{}/p", upstream.address);
    let run =
        ["--kind", "all", "--format", "all", "--nasty", "--count", "56", "--concurrency", "1"];
    let mut runs = Vec::new();
    for seed in ["7", "7", "8"] {
        let before = upstream.so_far().len();
        let done = send(&[&[url.as_str(), "--seed", seed], &run[..]].concat()).await;
        assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
        assert!(text(&done.stdout).contains(&format!("seed {seed}")), "{}", text(&done.stdout));
        runs.push(upstream.so_far()[before..].iter().map(sent).collect::<Vec<_>>());
    }
    assert_eq!(runs[0].len(), 56);
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    let shown = send(&[&[url.as_str(), "--seed", "7", "--dry-run"], &run[..]].concat()).await;
    let bodies = lines(&shown).into_iter().filter(|line| line["method"] == "POST");
    let bodies: Vec<String> =
        bodies.map(|line| line["text"].as_str().unwrap().to_owned()).collect();
    let posted = runs[0].iter().filter(|(method, ..)| method == "POST");
    assert_eq!(bodies, posted.map(|(_, _, body)| body.clone()).collect::<Vec<_>>());
    assert_eq!(upstream.so_far().len(), 3 * 56, "a dry run sends nothing");
}

#[tokio::test]
async fn what_is_acknowledged_is_delivered_once() {
    let upstream = Upstream::start().await;
    let more = r#"
[[routes]]
name = "actions"
path = "/postback/actions"
kind = "action"
[routes.secret]
header = "X-Postback-Token"
value = "s3cret"
"#;
    let gateway = TestGateway::start(Folder::new(upstream.address, more)).await;
    let url = format!("https://{}/postback/actions", gateway.gateway.address());
    let ca = gateway.folder.path("tls.crt");
    let ca = ca.to_str().unwrap();
    let run = [&url, "--format", "all", "--count", "40", "--rate", "400", "--json", "--ca", ca];

    let done =
        send(&[&run[..], &["--header", "X-Postback-Token: env:TEST_POSTBACK_TOKEN"]].concat())
            .await;
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    let sum = lines(&done).remove(0);
    assert_eq!((&sum["sent"], &sum["acknowledged"]), (&40.into(), &40.into()), "{sum}");
    assert!(sum["answer_ms"]["p50"].as_f64() <= sum["answer_ms"]["max"].as_f64(), "{sum}");
    let received = upstream.received(40).await;
    let bodies: HashSet<_> = received.iter().map(|one| one.body.clone()).collect();
    assert_eq!((received.len(), bodies.len()), (40, 40));

    let refused = send(&run).await;
    assert_eq!(refused.status.code(), Some(1));
    let sum = lines(&refused).remove(0);
    assert_eq!(sum["acknowledged"], 0);
    assert_eq!(sum["failures"][0]["reason"], "401 Unauthorized");
    assert_eq!(sum["failures"][0]["count"], 40);
    assert_eq!(sum["failures"][0]["examples"].as_array().unwrap().len(), 3);

    let untrusted = send(&[&url]).await;
    assert_eq!(untrusted.status.code(), Some(1));
    assert!(text(&untrusted.stdout).contains("no TLS"), "{}", text(&untrusted.stdout));
    gateway.stop().await;
}

/// Every way to paste a value: in JSON, XML and a URL.
const TEMPLATES: [(&str, &str); 3] = [
    (
        "actions.json",
        "{\n  \"id\": \"{ActionId}\",\n  \"pay\": {Payout},\n  \"note\": \"{Note}\",\n  \
         \"state\": \"{Status}\",\n  \"u\": \"{SubId1}\",\n  \"shop\": \"{CampaignName}\"\n}",
    ),
    (
        "actions.xml",
        "<p id=\"{ActionId}\"><pay>{Payout}</pay><note><![CDATA[{Note}]]></note>\
         <state>{Status}</state><u>{SubId1}</u><shop>{CampaignName}</shop></p>",
    ),
    (
        "actions.url",
        "https://shop.example/p?id={ActionId}&pay={Payout}&note={Note}&state={Status}\
         &shop={CampaignName}&u={SubId1}",
    ),
];

#[tokio::test]
async fn nasty_values_in_a_template_arrive_exactly_or_are_in_quarantine() {
    for (name, template) in TEMPLATES {
        let upstream = Upstream::start().await;
        let more = format!("{}template_file = \"{name}\"\n", crate::support::config::ROUTE);
        let folder = Folder::new(upstream.address, &more);
        std::fs::write(folder.path(name), template).unwrap();
        let gateway = TestGateway::start(folder).await;
        let url = format!("https://{}/postback/actions", gateway.gateway.address());
        let file = gateway.folder.path(name);
        let file = file.to_str().unwrap();
        let run = [&url, "--template", file, "--nasty", "--seed", "11", "--count", "300"];

        let put_in = lines(&send(&[&run[..], &["--dry-run"]].concat()).await);
        let sum = lines(&send(&[&run[..], &["--insecure", "--json"]].concat()).await).remove(0);
        let acknowledged = usize::try_from(sum["acknowledged"].as_u64().unwrap()).unwrap();
        let kept = 300 - acknowledged;
        assert!(acknowledged >= 100, "too few to show anything: {sum}");
        if kept > 0 {
            let failures = sum["failures"].as_array().unwrap();
            assert_eq!(failures.len(), 1, "{sum}");
            assert_eq!(failures[0]["reason"], "422 Unprocessable Entity");
            let line = format!("postgate_spool_events{{state=\"quarantined\"}} {kept}");
            metric(gateway.admin(), &line).await;
        }
        let received = upstream.received(acknowledged).await;
        assert_eq!(received.len(), acknowledged);
        for one in received {
            let body: Value = serde_json::from_slice(&one.body).unwrap();
            let is_it = |event: &&Value| event["values"]["ActionId"] == body["action_id"];
            let event = put_in.iter().find(is_it).unwrap_or_else(|| panic!("not sent: {body}"));
            exact(&event["values"], &body);
        }
        gateway.stop().await;
    }
}

/// Panics unless every value came out as it was put in; what says nothing is null. A value with a `&`
/// is taken out of a query as it stands there, with what the sender had to encode.
fn exact(values: &Value, body: &Value) {
    for (name, field) in [
        ("ActionId", "action_id"),
        ("Payout", "payout"),
        ("Note", "note"),
        ("Status", "status"),
        ("SubId1", "sub_id1"),
        ("CampaignName", "campaign_name"),
    ] {
        let value = values[name].as_str().filter(|value| !value.is_empty());
        let came_out = body[field].as_str().map(|text| match value {
            Some(value) if value.contains('&') && text != value => decoded(text),
            _ => text.to_owned(),
        });
        assert_eq!(came_out.as_deref(), value, "{field} of {values}: {body}");
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

#[tokio::test]
async fn ctrl_c_ends_it_with_the_sum_of_what_was_done() {
    let upstream = Upstream::start().await;
    let url = format!("http://{}/p", upstream.address);
    let mut command = postgate(&["send", &url, "--count", "100000", "--rate", "20"]);
    let sending = command.stdout(Stdio::piped()).spawn().unwrap();
    upstream.received(3).await;
    let pid = sending.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let done = tokio::task::spawn_blocking(|| sending.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(done.status.code(), Some(1));
    let arrived = upstream.so_far().len();
    let first = format!("{arrived} of 100000 acknowledged");
    assert!(text(&done.stdout).starts_with(&first), "{first}: {}", text(&done.stdout));
    assert!(text(&done.stdout).contains("not sent"), "{}", text(&done.stdout));
}

#[tokio::test]
async fn nobody_there_and_wrong_usage_are_told() {
    let away = Upstream::away().await;
    // One after the other, so that the first to fail is the first.
    let url = format!("http://{}/p", away.address);
    let nobody = send(&[&url, "--count", "5", "--concurrency", "1"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    let out = text(&nobody.stdout);
    assert!(out.contains("5 × no connection"), "{out}");
    assert!(out.contains("event 1: Connection refused"), "{out}");
    for wrong in [&["ftp://h/p"][..], &["https://shop.example/p", "--insecure"]] {
        let done = send(wrong).await;
        assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
        assert!(done.stdout.is_empty());
    }
}
