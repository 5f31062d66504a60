//! The judge: every success reply is an obligation, and each is checked after the faults have
//! stopped.
//!
//! Senders send numbered events over TLS and, as impact.com does, send an event again until it is
//! acknowledged. Meanwhile the gateway is killed with `kill -9` and started again, and the upstream
//! answers 500, 429 and 404, takes an event and drops the connection, and is away. `POSTGATE_SEED`
//! replays a run; `POSTGATE_KILLS` makes it longer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use http::Response;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::client::{Client, ask, id_in, metric, post};
use crate::support::config::Folder;
use crate::support::process::Process;
use crate::support::upstream::{Answer, Received, Upstream};
use crate::support::within;

const SENDERS: usize = 6;
const ACTIONS_PER_SENDER: usize = 5;
const KILLS: usize = 10;

/// Where the gateway is now; `None`: the senders shall stop.
type Place = watch::Receiver<Option<SocketAddr>>;

/// What was promised: the body, by the id of the answer.
type Promises = HashMap<String, String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_arrives_in_order_through_kills_and_faults() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("POSTGATE_SEED").unwrap_or_else(|| fastrand::u64(..));
    let kills = number("POSTGATE_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    eprintln!("POSTGATE_SEED={seed} POSTGATE_KILLS={kills}");
    let mut rng = Rng::with_seed(seed);

    let mut upstream = Upstream::start().await;
    let refused = misbehave(&upstream, rng.u64(..));
    let folder = Folder::with_route(upstream.address);
    let mut gateway = Process::run(&folder.config());
    let (moved, place) = watch::channel(Some(gateway.address));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send(sender, place.clone(), folder.certificate.clone()));
    }

    for _ in 0..kills {
        // The next fault comes after some more deliveries, wherever in its work the gateway is
        // then.
        let arrived = upstream.so_far().len();
        upstream.received(arrived + rng.usize(1..200)).await;
        if rng.u8(..) < 64 {
            upstream.down().await;
            tokio::time::sleep(Duration::from_millis(rng.u64(1..100))).await;
            upstream.up();
        }
        gateway.kill();
        gateway = Process::run(&folder.config());
        moved.send(Some(gateway.address)).unwrap();
    }

    moved.send(None).unwrap();
    let promised: Promises =
        within("the senders", senders.join_all()).await.into_iter().flatten().collect();
    upstream.always(|_| Answer::Status(Response::builder().status(204)));
    metric(gateway.admin, "postgate_spool_events{state=\"pending\"} 0\n").await;
    let (_, metrics) = ask(gateway.admin, "/metrics").await;
    let dead = dead_letters(&metrics);
    judge(&promised, &upstream.so_far(), &refused.lock().unwrap(), dead);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
}

/// Lets the upstream fail in every way that is not its absence. The ids that it has refused for
/// good.
fn misbehave(upstream: &Upstream, seed: u64) -> Arc<Mutex<HashSet<String>>> {
    let refused: Arc<Mutex<HashSet<String>>> = Arc::default();
    let noted = Arc::clone(&refused);
    let mut rng = Rng::with_seed(seed);
    upstream.always(move |received: &Received| {
        let status = |status: u16| Answer::Status(Response::builder().status(status));
        match rng.u8(0..100) {
            0..6 => status(500),
            6..9 => Answer::Status(Response::builder().status(429).header("retry-after", "0")),
            9..12 => Answer::Nothing,
            12..14 => {
                noted.lock().unwrap().insert(received.header("webhook-id").to_owned());
                status(404)
            }
            _ => status(204),
        }
    });
    refused
}

/// Sends numbered events of its own actions, each until it is acknowledged, wherever the gateway
/// is. What was promised.
async fn send(
    sender: usize,
    mut place: Place,
    trusted: rustls::pki_types::CertificateDer<'static>,
) -> Promises {
    let mut promises = Promises::new();
    let mut client: Option<Client> = None;
    for number in 0.. {
        let action = format!("1000.{sender}.{}", number % ACTIONS_PER_SENDER);
        let body = format!(r#"{{"action_id":"{action}","payout":"{number}.00"}}"#);
        let id = loop {
            let Some(address) = *place.borrow_and_update() else { return promises };
            let mut connected = if let Some(client) = client.take() {
                client
            } else if let Ok(client) = Client::try_connect(address, &trusted).await {
                client
            } else {
                // It is being started again.
                place.changed().await.unwrap();
                continue;
            };
            let request = post("/postback/actions", "application/json", body.clone());
            if let Ok(answer) = connected.try_send(request).await {
                client = Some(connected);
                assert_eq!(answer.status(), 200, "nothing here may be refused");
                break id_in(&answer);
            }
        };
        let canonical =
            format!(r#"{{"event":"action","action_id":"{action}","payout":"{number}.00"}}"#);
        let known = promises.insert(id, canonical);
        assert!(known.is_none(), "an id was promised for two events");
    }
    promises
}

fn dead_letters(metrics: &str) -> usize {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("postgate_spool_events{state=\"dead\"} "));
    line.expect("the metric is there").parse().unwrap()
}

/// Every obligation was delivered with the right bytes or is a dead letter, and no action was
/// overtaken.
fn judge(promised: &Promises, received: &[Received], refused: &HashSet<String>, dead: usize) {
    assert!(promised.len() > 100, "{} promises are too few to judge by", promised.len());
    let mut latest: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for one in received {
        let id = one.header("webhook-id");
        let event: serde_json::Value = serde_json::from_slice(&one.body).unwrap();
        if let Some(expected) = promised.get(id) {
            assert_eq!(one.body, expected.as_bytes(), "{id} is not what was promised");
        }
        if seen.insert(id) {
            let action = event["action_id"].as_str().unwrap().to_owned();
            let number = event["payout"].as_str().unwrap().trim_end_matches(".00").parse().unwrap();
            let before = latest.insert(action.clone(), number);
            assert!(
                before.is_none_or(|before| before < number),
                "{action}: {before:?} before {number}"
            );
        }
    }
    for id in promised.keys() {
        assert!(seen.contains(id.as_str()), "{id} was acknowledged and never delivered");
    }
    // A refusal that a kill made us forget is tried again, and taken then.
    assert!(dead <= refused.len(), "{dead} dead letters, and only {} refusals", refused.len());
    eprintln!("{} promised, {} received, {dead} dead letters", promised.len(), received.len());
}
