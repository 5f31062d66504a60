//! Power loss: everything that was never synced is thrown away, and what was acknowledged is
//! delivered all the same.
//!
//! The spool lies on a disk whose power goes at a random moment under load. Then the gateway is
//! killed, the disk comes back, and the gateway starts on what is left. The control is the same
//! gateway under `eatmydata`, which makes every sync a lie: it must lose something, or this test
//! could not see a loss.
//!
//! It needs root, XFS and a loop device, so it runs only when asked to:
//! `POSTGATE_POWER_LOSS=ROUNDS cargo test --test it power_loss`; without it says so and passes.
//! `POSTGATE_SEED` replays a run.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::process::Command;

use fastrand::Rng;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::client::{Client, id_in, metric, post};
use crate::support::config::Folder;
use crate::support::disk::Disk;
use crate::support::process::Process;
use crate::support::upstream::{Received, Upstream};
use crate::support::{number, within};

const SENDERS: usize = 6;
const ACTIONS_PER_SENDER: usize = 5;

/// Where the gateway is now; `None`: the senders shall stop.
type Place = watch::Receiver<Option<SocketAddr>>;

/// What was promised: the body, by the id of the answer.
type Promises = HashMap<String, String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_survives_the_loss_of_power() {
    let Some(rounds) = rounds() else { return };
    let lost = run(rounds, "env").await;
    assert!(lost.is_empty(), "acknowledged and never delivered: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_disk_lies_about_syncs_is_found_out() {
    let Some(_) = rounds() else { return };
    let lost = run(1, "eatmydata").await;
    assert!(!lost.is_empty(), "nothing was synced, and no loss was seen");
}

fn rounds() -> Option<u64> {
    let rounds = number("POSTGATE_POWER_LOSS");
    if rounds.is_none() {
        eprintln!("left out: POSTGATE_POWER_LOSS does not say how many rounds");
    }
    rounds
}

/// So many losses of power. The ids of what was acknowledged and never delivered.
async fn run(rounds: u64, program: &str) -> Vec<String> {
    let seed = number("POSTGATE_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("POSTGATE_SEED={seed} POSTGATE_POWER_LOSS={rounds}");
    let mut rng = Rng::with_seed(seed);

    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let disk = Disk::make();
    let start = || {
        let mut program = Command::new(program);
        // The folder of the spool is new as well: its entry must be synced, too.
        program.env("POSTGATE_SPOOL__PATH", disk.path().join("new/spool.db"));
        Process::run_by(program, &folder.config())
    };

    let mut gateway = start();
    let (moved, place) = watch::channel(Some(gateway.address));
    let (promise, mut promised) = watch::channel(Promises::new());
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (certificate, promise) = (folder.certificate.clone(), promise.clone());
        senders.spawn(send(sender, place.clone(), certificate, promise));
    }
    for _ in 0..rounds {
        // In every second round on average what was delivered and settled is at stake, too.
        let delivers = rng.bool();
        if delivers {
            upstream.up();
        }
        let enough = promised.borrow().len() + rng.usize(1..1000);
        let reached = promised.wait_for(|promised| promised.len() >= enough);
        within("promises", reached).await.unwrap();
        disk.lose_power();
        gateway.kill();
        upstream.down().await;
        disk.come_back();
        gateway = start();
        moved.send(Some(gateway.address)).unwrap();
    }

    moved.send(None).unwrap();
    within("the senders", senders.join_all()).await;
    upstream.up();
    metric(gateway.admin, "postgate_spool_events{state=\"pending\"} 0\n").await;
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    judge(&promised.borrow(), &upstream.so_far())
}

/// Sends numbered events of its own actions, each until it is acknowledged, wherever the gateway
/// is: what a disk without power cannot keep is refused with 503, and sent again.
async fn send(
    sender: usize,
    mut place: Place,
    trusted: CertificateDer<'static>,
    promise: watch::Sender<Promises>,
) {
    let mut client: Option<Client> = None;
    for number in 0.. {
        let action = format!("1000.{sender}.{}", number % ACTIONS_PER_SENDER);
        let event =
            |begin: &str| format!(r#"{{{begin}"action_id":"{action}","payout":"{number}.00"}}"#);
        let id = loop {
            let Some(address) = *place.borrow_and_update() else { return };
            let mut connected = if let Some(client) = client.take() {
                client
            } else if let Ok(client) = Client::try_connect(address, &trusted).await {
                client
            } else {
                // It is being started again.
                place.changed().await.unwrap();
                continue;
            };
            let request = post("/postback/actions", "application/json", event(""));
            match connected.try_send(request).await {
                Ok(answer) if answer.status() == 200 => {
                    client = Some(connected);
                    break id_in(&answer);
                }
                Ok(answer) => assert_eq!(answer.status(), 503, "{:?}", answer.body()),
                Err(_) => {}
            }
        };
        let canonical = event(r#""event":"action","#);
        promise.send_modify(|promises| {
            let known = promises.insert(id, canonical);
            assert!(known.is_none(), "an id was promised for two events");
        });
    }
}

/// What was never delivered. Checks the bytes and the order of what was.
fn judge(promised: &Promises, received: &[Received]) -> Vec<String> {
    let mut latest: BTreeMap<String, u64> = BTreeMap::new();
    let mut lost = promised.clone();
    let mut seen = std::collections::HashSet::new();
    for one in received {
        let id = one.header("webhook-id");
        if let Some(expected) = promised.get(id) {
            assert_eq!(one.body, expected.as_bytes(), "{id} is not what was promised");
        }
        lost.remove(id);
        if seen.insert(id) {
            let event: serde_json::Value = serde_json::from_slice(&one.body).unwrap();
            let action = event["action_id"].as_str().unwrap().to_owned();
            let number = event["payout"].as_str().unwrap().trim_end_matches(".00").parse().unwrap();
            let before = latest.insert(action.clone(), number);
            assert!(
                before.is_none_or(|before| before < number),
                "{action}: {before:?} before {number}"
            );
        }
    }
    eprintln!("{} promised, {} received, {} lost", promised.len(), received.len(), lost.len());
    lost.into_keys().collect()
}
