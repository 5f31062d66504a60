//! What is not understood: kept, bounded, and delivered once the template is mended.

use http::HeaderValue;

use crate::spool_command::{folder, spool};
use crate::support::client::{Client, id_in, metric, post};
use crate::support::config::{Folder, ROUTE};
use crate::support::gateway::TestGateway;
use crate::support::process::Process;
use crate::support::upstream::Upstream;

const PATH: &str = "/postback/actions";

/// What was pasted into impact.com.
const PASTED: &str = r#"{"nr": "{ActionId}", "shop": "{CampaignName}", "uns": {Payout},
  "artikel": [{"art": "{ItemSku1}"}]}"#;

/// What comes of it: a name with quotes, and a payout that is blank.
fn sent(number: usize) -> String {
    format!(
        "{{\"nr\": \"1.2.{number}\", \"shop\": \"Bob's \"Best\" Shoes\", \"uns\": ,\n  \
         \"artikel\": [{{\"art\": \"A-{number}\"}}]}}"
    )
}

fn delivered(number: usize) -> String {
    format!(
        "{{\"event\":\"action\",\"action_id\":\"1.2.{number}\",\
         \"campaign_name\":\"Bob's \\\"Best\\\" Shoes\",\"payout\":null,\
         \"items\":[{{\"sku\":\"A-{number}\"}}],\
         \"warnings\":[\"it could not be parsed; its values were taken out by the template\"]}}"
    )
}

#[tokio::test]
async fn a_mended_template_brings_everything_back() {
    let upstream = Upstream::start().await;
    let folder = folder(&upstream, &format!("{ROUTE}template_file = \"t.json\"\n"));
    // A comma is missing, so that it is neither JSON nor what comes.
    std::fs::write(folder.path("t.json"), PASTED.replace("\", \"shop", "\" \"shop")).unwrap();
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    for number in [1, 2, 3, 2] {
        let mut request = post(PATH, "application/json", sent(number));
        for (name, value) in [
            ("user-agent", "impact/1".to_owned()),
            ("x-request-id", format!("r-{number}")),
            ("authorization", "Bearer s3cret".to_owned()),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_str(&value).unwrap());
        }
        assert_eq!(client.send(request).await.status(), 422);
    }
    let (lines, _) = spool(&folder, &["list", "--quarantined", "--json"]);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| &line["repeats"]).collect::<Vec<_>>(), [0, 1, 0]);
    assert!(lines[0]["reason"].as_str().unwrap().starts_with("line 1, column 33: not valid JSON"));
    let ids: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    let (shown, _) = spool(&folder, &["show", ids[0]]);
    for part in ["127.0.0.1", "user-agent: impact/1", "x-request-id: r-1", &sent(1)] {
        assert!(shown.contains(part), "{part}");
    }
    assert!(!shown.contains("s3cret"));
    assert!(spool(&folder, &["replay", "--quarantined"]).0.contains("0 of 3 replayed"));

    std::fs::write(folder.path("t.json"), PASTED).unwrap();
    gateway.signal("HUP");
    metric(gateway.admin, "postgate_reloads_total{outcome=\"done\"} 1").await;
    assert!(spool(&folder, &["replay", "--quarantined"]).0.contains("3 of 3 replayed"));
    let mut received = upstream.received(3).await;
    // Events of different actions go side by side; ids sort by time.
    received.sort_by_key(|one| one.header("webhook-id").to_owned());
    for (number, (one, id)) in (1..).zip(received.iter().zip(ids)) {
        assert_eq!(one.header("webhook-id"), id);
        assert_eq!(String::from_utf8_lossy(&one.body), delivered(number));
    }
    metric(gateway.admin, "postgate_spool_quarantine_bytes 0").await;
    assert_eq!(client.post_json(sent(4)).await.status(), 200);
    assert_eq!(String::from_utf8_lossy(&upstream.received(4).await[3].body), delivered(4));
}

#[tokio::test]
async fn what_returned_to_an_earlier_state_does_so_once_the_template_is_mended() {
    let upstream = Upstream::start().await;
    let route = format!("{ROUTE}template_file = \"t.json\"\non_malformed = \"accept\"\n");
    let folder = folder(&upstream, &route);
    std::fs::write(folder.path("t.json"), PASTED.replace("\", \"shop", "\" \"shop")).unwrap();
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    let mut ids = Vec::new();
    for state in ["PENDING", "REVERSED", "PENDING", "PENDING"] {
        let answer = client.post_json(sent(7).replace("A-7", state)).await;
        assert_eq!(answer.status(), 200);
        ids.push(id_in(&answer));
    }
    let again = ids.pop();
    assert_eq!(ids.last(), again.as_ref(), "a repeat of the latest");

    std::fs::write(folder.path("t.json"), PASTED).unwrap();
    gateway.signal("HUP");
    metric(gateway.admin, "postgate_reloads_total{outcome=\"done\"} 1").await;
    assert!(spool(&folder, &["replay", "--quarantined"]).0.contains("3 of 3 replayed"));
    let received = upstream.received(3).await;
    let told = received.iter().map(|one| one.header("webhook-id").to_owned());
    assert_eq!(told.collect::<Vec<_>>(), ids);
    for (one, state) in received.iter().zip(["PENDING", "REVERSED", "PENDING"]) {
        let body = String::from_utf8_lossy(&one.body).into_owned();
        assert_eq!(body, delivered(7).replace("A-7", state));
    }
}

#[tokio::test]
async fn a_full_quarantine_refuses_what_it_cannot_keep_and_nothing_else() {
    let upstream = Upstream::start().await;
    let accepting = "[[routes]]\nname = \"kind\"\npath = \"/kind\"\nkind = \"action\"\n\
                     on_malformed = \"accept\"\n";
    let folder = Folder::new(upstream.address, &format!("{ROUTE}{accepting}"));
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let small = "path = \"spool.db\"\nmax_bytes = \"1MiB\"\nquarantine_share = 0.01";
    folder.write(&text.replace("path = \"spool.db\"", small));
    let gateway = TestGateway::start(folder).await;
    let mut client = gateway.client().await;
    let broken = |first: char| format!("{{{first}{}", "x".repeat(6000));
    assert_eq!(client.post_json(broken('a')).await.status(), 422);
    for path in [PATH, "/kind"] {
        let refused = client.send(post(path, "application/json", broken('b'))).await;
        assert_eq!(refused.status(), 503, "never success for what is not kept");
        assert!(refused.headers().contains_key("retry-after"));
    }
    assert_eq!(client.post_json(broken('a')).await.status(), 422, "it is kept already");
    let understood = client.post_json(r#"{"action_id":"7"}"#).await;
    assert_eq!(understood.status(), 200);
    assert_eq!(upstream.received(1).await[0].header("webhook-id"), id_in(&understood));
    metric(gateway.admin(), "postgate_spool_refusals_total{reason=\"quarantine_full\"} 2").await;
    gateway.stop().await;
}
