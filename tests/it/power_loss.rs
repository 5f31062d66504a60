//! Power loss: everything that was never synced is thrown away, and what was acknowledged is
//! delivered all the same.
//!
//! The spool lies on a disk whose power goes at a random moment under load. Then the gateway is
//! killed, the disk comes back, and the gateway starts on what is left. The control is the same
//! gateway under `eatmydata`, which makes every sync a lie: it must lose something, or this test
//! could not see a loss.
//!
//! It needs root, XFS and a loop device, so it runs only when it is asked for:
//! `POSTGATE_POWER_LOSS=ROUNDS cargo test --test it power_loss`; without, it says so and passes.
//! `POSTGATE_SEED` replays a run.

use std::process::Command;

use fastrand::Rng;

use crate::support::client::metric;
use crate::support::config::Folder;
use crate::support::disk::Disk;
use crate::support::number;
use crate::support::process::Process;
use crate::support::senders::{Senders, lost};
use crate::support::upstream::Upstream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_survives_the_loss_of_power() {
    let Some(rounds) = rounds() else { return };
    let lost = run(rounds, "env").await;
    assert!(lost.is_empty(), "acknowledged and never delivered: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_syncs_do_nothing_is_found_out() {
    if rounds().is_some() {
        let lost = run(1, "eatmydata").await;
        assert!(!lost.is_empty(), "nothing was synced, and no loss was seen");
    }
}

fn rounds() -> Option<u64> {
    let rounds = number("POSTGATE_POWER_LOSS");
    if rounds.is_none() {
        eprintln!("left out: POSTGATE_POWER_LOSS does not say how many rounds");
    }
    rounds
}

/// So many losses of power, with the gateway started by `program`. The ids of what was
/// acknowledged and never delivered.
async fn run(rounds: u64, program: &str) -> Vec<String> {
    let seed = number("POSTGATE_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("POSTGATE_SEED={seed} POSTGATE_POWER_LOSS={rounds}");
    let mut rng = Rng::with_seed(seed);

    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let disk = Disk::xfs();
    let start = || {
        let mut program = Command::new(program);
        // Its folder is new as well.
        program.env("POSTGATE_SPOOL__PATH", disk.path().join("new/spool.db"));
        Process::run_by(program, &folder.config())
    };

    let mut gateway = start();
    let mut senders = Senders::start(gateway.address, &folder.certificate);
    for round in 0..rounds {
        // In every second round, what was delivered and settled is at stake, too.
        if round % 2 == 1 {
            upstream.up();
        }
        senders.promised(rng.usize(1..1000)).await;
        disk.lose_power();
        gateway.kill();
        upstream.down().await;
        disk.come_back();
        gateway = start();
        senders.moved(gateway.address);
    }

    let promised = senders.stop().await;
    upstream.up();
    metric(gateway.admin, "postgate_spool_events{state=\"pending\"} 0\n").await;
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    lost(&promised, &upstream.so_far())
}
