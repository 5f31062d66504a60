//! The judge: every success reply is an obligation, and each is checked after the faults have
//! stopped.
//!
//! Senders send numbered events over TLS and, as impact.com does, send an event again until it is
//! acknowledged. Meanwhile the gateway is killed with `kill -9` and started again, and the upstream
//! answers 500, 503, 429 with `Retry-After` and 404, is slow, takes an event and answers nothing or
//! breaks off in its answer, and is away. `POSTGATE_SEED` replays the faults of a run;
//! `POSTGATE_KILLS` makes it longer.
//!
//! What must hold at the end:
//! 1. What was acknowledged has the bytes that were promised, and was taken by the upstream, or is
//!    listed as a dead letter because the upstream refused it.
//! 2. The events of one action arrive in the order in which they were accepted: each for the first
//!    time in that order, and within one life of the gateway never an earlier one after a later.
//! 3. An event comes again only where delivery at least once must repeat it: after an answer that
//!    was not surely a success or a refusal, or in a later life, which may have lost the outcome of
//!    the one before. The gateway's life is a header of every delivery.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use http::Response;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::client::{Client, id_in, metric, post};
use crate::support::config::Folder;
use crate::support::process::{Process, output};
use crate::support::senders::Promises;
use crate::support::upstream::{Answer, Received, Upstream};
use crate::support::{number, within};

const SENDERS: usize = 6;
const ACTIONS_PER_SENDER: usize = 5;
const KILLS: usize = 10;
/// Of an attempt. Long enough that a busy machine alone never makes an answer late.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Where the gateway is now; `None`: the senders shall stop.
type Place = watch::Receiver<Option<SocketAddr>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_arrives_in_order_through_kills_and_faults() {
    let seed = number("POSTGATE_SEED").unwrap_or_else(|| fastrand::u64(..));
    let kills = number("POSTGATE_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    eprintln!("POSTGATE_SEED={seed} POSTGATE_KILLS={kills}");
    let mut rng = Rng::with_seed(seed);

    let mut upstream = Upstream::start().await;
    let refused = misbehave(&upstream, rng.u64(..));
    let folder = Folder::with_route(upstream.address);
    let config = std::fs::read_to_string(folder.config()).unwrap();
    let mut gateway = live(&folder, &config, 0);
    let (moved, place) = watch::channel(Some(gateway.address));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send(sender, place.clone(), folder.certificate.clone()));
    }

    for life in 1..=kills {
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
        gateway = live(&folder, &config, life);
        moved.send(Some(gateway.address)).unwrap();
    }

    moved.send(None).unwrap();
    let promised: Promises =
        within("the senders", senders.join_all()).await.into_iter().flatten().collect();
    judge(gateway, &folder, &upstream, &promised, &refused).await;
}

/// Lets the upstream take what is left, stops the gateway, and holds it to all three rules.
pub(crate) async fn judge(
    gateway: Process,
    folder: &Folder,
    upstream: &Upstream,
    promised: &Promises,
    refused: &Mutex<HashSet<String>>,
) {
    upstream.always(|_| Answer::Status(Response::builder().status(204)));
    metric(gateway.admin, "postgate_spool_events{state=\"pending\"} 0\n").await;
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let dead = dead_letters(folder);
    let received = upstream.so_far();
    check_promises(promised, &received, &dead);
    check_order(&received);
    let again = check_repeats(&received);
    assert!(dead.is_subset(&refused.lock().unwrap()), "a dead letter that was never refused");
    eprintln!(
        "{} promised, {} received, {again} of them again, {} dead letters",
        promised.len(),
        received.len(),
        dead.len()
    );
}

/// Starts the gateway for its next life, which every delivery names.
pub(crate) fn live(folder: &Folder, config: &str, life: usize) -> Process {
    let upstream = format!(
        "[upstream]\nheaders = {{ x-life = \"{life}\" }}\ntimeout = \"{}ms\"",
        TIMEOUT.as_millis()
    );
    folder.write(&config.replace("[upstream]", &upstream).replace("timeout = \"5s\"\n", ""));
    Process::run(&folder.config())
}

/// Lets the upstream fail in every way that is not its absence. The ids that it has refused for
/// good.
pub(crate) fn misbehave(upstream: &Upstream, seed: u64) -> Arc<Mutex<HashSet<String>>> {
    let refused: Arc<Mutex<HashSet<String>>> = Arc::default();
    let noted = Arc::clone(&refused);
    let mut rng = Rng::with_seed(seed);
    upstream.always(move |received: &Received| {
        let status = |status: u16| Answer::Status(Response::builder().status(status));
        match rng.u8(0..100) {
            0..5 => status(500),
            5..7 => status(503),
            7 => Answer::Status(Response::builder().status(429).header("retry-after", "1")),
            8..11 => Answer::Nothing,
            11..13 => Answer::Torn(Response::builder().status(200)),
            13..15 => Answer::Torn(Response::builder().status(500)),
            15..17 => {
                // Within the time-out or past it.
                let time = TIMEOUT.mul_f64(rng.f64() * 1.5);
                Answer::Late(time, Response::builder().status(204))
            }
            17..19 => {
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

/// The ids of the dead letters, as an operator lists them.
fn dead_letters(folder: &Folder) -> HashSet<String> {
    let config = folder.config();
    let listed = output(&["spool", "export", "--dead", "--config", config.to_str().unwrap()], b"");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let lines = String::from_utf8(listed.stdout).unwrap();
    let id = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    lines.lines().map(id).collect()
}

/// The first rule.
fn check_promises(promised: &Promises, received: &[Received], dead: &HashSet<String>) {
    assert!(promised.len() > 100, "{} promises are too few to judge by", promised.len());
    let mut settled: HashSet<&str> = dead.iter().map(String::as_str).collect();
    for one in received {
        let id = one.header("webhook-id");
        if let Some(expected) = promised.get(id) {
            assert_eq!(one.body, expected.as_bytes(), "{id} is not what was promised");
        }
        if one.took() {
            settled.insert(id);
        }
    }
    for id in promised.keys() {
        assert!(settled.contains(id.as_str()), "{id} was acknowledged and is lost");
    }
}

/// The second rule.
fn check_order(received: &[Received]) {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut first: HashMap<String, u64> = HashMap::new();
    let mut of_life: HashMap<(String, &str), u64> = HashMap::new();
    for one in received {
        let event: serde_json::Value = serde_json::from_slice(&one.body).unwrap();
        let action = event["action_id"].as_str().unwrap().to_owned();
        let number = event["payout"].as_str().unwrap().trim_end_matches(".00").parse().unwrap();
        if seen.insert(one.header("webhook-id")) {
            let before = first.insert(action.clone(), number);
            assert!(before.is_none_or(|before| before < number), "{action}: {before:?}, {number}");
        }
        let life = (action, one.header("x-life"));
        let before = of_life.insert(life.clone(), number);
        assert!(before.is_none_or(|before| before <= number), "{life:?}: {before:?}, {number}");
    }
}

/// The third rule. Answers with how many came again.
fn check_repeats(received: &[Received]) -> usize {
    let mut over: HashSet<(&str, &str)> = HashSet::new();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut again = 0;
    for one in received {
        let (id, life) = (one.header("webhook-id"), one.header("x-life"));
        assert!(!over.contains(&(id, life)), "{id} came again in life {life} after its end");
        if matches!(one.surely_answered(), Some(200..=299 | 404)) {
            over.insert((id, life));
        }
        again += usize::from(!seen.insert(id));
    }
    again
}
