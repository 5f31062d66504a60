//! Power loss: everything that was never synced is thrown away, and what was acknowledged is
//! delivered all the same.
//!
//! The judge of `conservation.rs`, with the same faults of the upstream. The spool lies on a disk
//! whose power goes at a random moment under load. Then the gateway is killed, the disk comes back,
//! and the gateway starts on what is left. The control is the same gateway under `eatmydata`, which
//! makes every sync a lie: it must lose something, or this test could not see a loss.
//!
//! It needs root, XFS and a loop device, so it runs only when it is asked for:
//! `POSTGATE_POWER_LOSS=ROUNDS cargo test --test it power_loss`; without, it says so and passes.
//! `POSTGATE_SEED` replays a run.

use std::process::Command;

use fastrand::Rng;
use postgate::clock;

use crate::conservation::{judge, let_attempts_run_out_of_time, live, misbehave};
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
    let seed = number("POSTGATE_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("POSTGATE_SEED={seed} POSTGATE_POWER_LOSS={rounds}");
    let mut rng = Rng::with_seed(seed);

    let mut upstream = Upstream::away().await;
    let refused = misbehave(&upstream, rng.u64(..));
    let folder = Folder::with_route(upstream.address);
    let disk = Disk::xfs();
    let config = on(&disk, &folder);
    let mut gateway = live(&folder, &config, 0);
    let mut senders = Senders::start(gateway.address, &folder.certificate);
    let mut ends = Vec::new();
    for life in 1..=rounds {
        // In every second round, what was delivered and settled is at stake, too.
        if life % 2 == 0 {
            upstream.up();
        }
        senders.promised(rng.usize(1..1000)).await;
        // Without power nobody answers. Left running, it could answer after the disk's end: a sync
        // that XFS is shut down under may return as if it had succeeded.
        ends.push(clock::instant());
        gateway.signal("STOP");
        disk.lose_power();
        gateway.kill();
        upstream.down().await;
        disk.come_back();
        gateway = live(&folder, &config, life);
        senders.moved(gateway.address);
    }

    upstream.up();
    let_attempts_run_out_of_time(&upstream, &mut rng).await;
    let promised = senders.stop().await;
    judge(gateway, &folder, &upstream, &promised, &refused, &ends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_syncs_do_nothing_is_found_out() {
    if rounds().is_none() {
        return;
    }
    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let disk = Disk::xfs();
    folder.write(&on(&disk, &folder));
    let lies = || Process::run_by(Command::new("eatmydata"), &folder.config());
    let gateway = lies();
    let mut senders = Senders::start(gateway.address, &folder.certificate);
    senders.promised(100).await;
    disk.lose_power();
    gateway.kill();
    disk.come_back();
    let gateway = lies();
    let promised = senders.stop().await;
    upstream.up();
    metric(gateway.admin, "postgate_spool_events{state=\"pending\"} 0\n").await;
    let lost = lost(&promised, &upstream.so_far());
    assert!(!lost.is_empty(), "nothing was synced, and no loss was seen");
}

fn rounds() -> Option<usize> {
    let rounds = number("POSTGATE_POWER_LOSS");
    if rounds.is_none() {
        eprintln!("left out: POSTGATE_POWER_LOSS does not say how many rounds");
    }
    rounds.map(|rounds| usize::try_from(rounds).unwrap())
}

/// The folder's configuration with its spool on the disk, in a folder that is new as well.
fn on(disk: &Disk, folder: &Folder) -> String {
    let path = disk.path().join("new/spool.db");
    let config = std::fs::read_to_string(folder.config()).unwrap();
    config.replace("path = \"spool.db\"", &format!("path = {path:?}"))
}
