//! Disks that fail under the real binary: what was acknowledged is kept, what cannot be kept is
//! refused, and it recovers by itself when the disk does.
//!
//! They need root and `strace`, so they run only when they are asked for:
//! `POSTGATE_DISK_FAULTS=1 cargo test --test it disk_faults`; without, they say so and pass.

use std::process::Command;

use crate::support::client::{Client, ask, metric};
use crate::support::config::{Folder, ROUTE};
use crate::support::disk::Disk;
use crate::support::process::{Process, postgate};
use crate::support::senders::{Promises, Senders, lost};
use crate::support::upstream::Upstream;
use crate::support::{number, within};

/// Waits until the readiness probe answers so.
async fn readiness(gateway: &Process, status: u16) {
    let changed = async { while ask(gateway.admin, "/readyz").await.0 != status {} };
    within(&format!("readiness {status}"), changed).await;
}

fn asked_for() -> bool {
    let asked_for = number("POSTGATE_DISK_FAULTS").is_some();
    if !asked_for {
        eprintln!("left out: POSTGATE_DISK_FAULTS is not set");
    }
    asked_for
}

/// Everything that was promised is delivered, and the gateway ends in order.
async fn all_arrives(promised: &Promises, upstream: &mut Upstream, gateway: Process) {
    upstream.up();
    metric(gateway.admin, "postgate_spool_events{state=\"pending\"} 0\n").await;
    let lost = lost(promised, &upstream.so_far());
    assert!(lost.is_empty(), "acknowledged and never delivered: {lost:?}");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
}

/// Each of the syncs 20 to 60 fails with EIO: the write-ahead log, the file, or its folder,
/// whatever it is that is synced then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_promised_while_syncs_fail() {
    if !asked_for() {
        return;
    }
    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let mut failing = Command::new("strace");
    // The gateway is the child that we kill, the tracer its grandchild.
    failing.args(["--daemonize=grandchild", "-f", "-qqq", "-o", "/dev/null"]);
    failing.args(["-e", "trace=fsync,fdatasync"]);
    failing.args(["-e", "inject=fsync,fdatasync:error=EIO:when=20..60"]);
    let gateway = Process::run_by(failing, &folder.config());

    let mut senders = Senders::start(gateway.address, &folder.certificate);
    gateway.logged("the spool cannot write");
    gateway.logged("the spool can write again");
    readiness(&gateway, 200).await;
    senders.promised(100).await;
    gateway.kill();

    let gateway = Process::run(&folder.config());
    senders.moved(gateway.address);
    let promised = senders.stop().await;
    all_arrives(&promised, &mut upstream, gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_refused_and_served_again_when_it_has_room() {
    if !asked_for() {
        return;
    }
    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let disk = Disk::small(2);
    let gateway = gateway_on(&disk, &folder);

    let mut senders = Senders::start(gateway.address, &folder.certificate);
    gateway.logged("the spool cannot write");
    readiness(&gateway, 503).await;
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    let refused = client.post_json(r#"{"action_id":"1.2.3"}"#).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));

    disk.grow(64);
    gateway.logged("the spool can write again");
    readiness(&gateway, 200).await;
    senders.promised(100).await;
    let promised = senders.stop().await;
    all_arrives(&promised, &mut upstream, gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_at_the_start_is_told_and_all_is_there_when_it_has_room() {
    if !asked_for() {
        return;
    }
    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let disk = Disk::small(3);
    let gateway = gateway_on(&disk, &folder);
    let mut senders = Senders::start(gateway.address, &folder.certificate);
    senders.promised(10).await;
    let promised = senders.stop().await;
    gateway.signal("TERM");
    assert!(gateway.wait().success());

    disk.fill();
    let before = std::fs::read(disk.path().join("spool.db")).unwrap();
    let (code, said) = refused_on(&disk, &folder);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("spool.db") && said.contains("make room on the disk"), "{said}");
    assert!(std::fs::read(disk.path().join("spool.db")).unwrap() == before, "left as it is");

    disk.grow(64);
    let gateway = gateway_on(&disk, &folder);
    all_arrives(&promised, &mut upstream, gateway).await;
}

/// A file whose name was never synced is gone after a loss of power, with all that was synced into
/// it. The name is its folder's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_names_are_synced_before_anything_is_promised() {
    if !asked_for() {
        return;
    }
    let upstream = Upstream::away().await;
    let folder = Folder::new(upstream.address, &format!("{ROUTE}\n[tls]\nmode = \"off\""));
    let here = folder.path("config.toml").parent().unwrap().canonicalize().unwrap();
    let (outer, inner) = (here.join("outer"), here.join("outer/inner"));
    let (file, trace) = (inner.join("spool.db"), here.join("trace"));
    let mut traced = Command::new("strace");
    traced.args(["--daemonize=grandchild", "-f", "-qqq", "-o"]).arg(&trace);
    // Whole lines in the order in which the calls returned, with the names of what is open.
    traced.args(["--successful-only", "--decode-fds=path"]);
    traced.args(["-e", "trace=/mkdir,openat,fsync,write,writev,sendto"]);
    traced.env("POSTGATE_SPOOL__PATH", &file);
    let gateway = Process::run_by(traced, &folder.config());
    let (status, said) = ask(gateway.address, "/postback/actions?action_id=1.2.3").await;
    assert_eq!(status, 200, "{said}");
    let told = async {
        loop {
            let calls = std::fs::read_to_string(&trace).unwrap();
            if let Some((before, _)) = calls.split_once("\"HTTP/1.1 200") {
                return before.to_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    let calls = within("the answer in the trace", told).await;
    // SQLite syncs the folder for the files that it makes itself. Nothing shall depend on that.
    let (calls, _) = calls.split_once("spool.db-").unwrap();
    for (made, in_folder) in [(&outer, &here), (&inner, &outer), (&file, &inner)] {
        let (_, since) = calls.split_once(&format!("{made:?}, ")).unwrap();
        let synced = since.lines().any(|call| {
            call.contains("fsync(") && call.contains(&format!("<{}>)", in_folder.display()))
        });
        assert!(synced, "{made:?} was not durable:\n{since}");
    }
}

/// The real binary with its spool on this disk.
fn gateway_on(disk: &Disk, folder: &Folder) -> Process {
    let mut program = Command::new("env");
    program.env("POSTGATE_SPOOL__PATH", disk.path().join("spool.db"));
    Process::run_by(program, &folder.config())
}

/// Tries to start where that is impossible; the exit code, and what it said.
fn refused_on(disk: &Disk, folder: &Folder) -> (Option<i32>, String) {
    let config = folder.config();
    let mut run = postgate(&["run", "--config", config.to_str().unwrap()]);
    let output = run.env("POSTGATE_SPOOL__PATH", disk.path().join("spool.db")).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_becomes_read_only_is_refused_and_served_again_when_it_is_writable() {
    if !asked_for() {
        return;
    }
    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let disk = Disk::ext4();
    let gateway = gateway_on(&disk, &folder);
    let mut senders = Senders::start(gateway.address, &folder.certificate);
    senders.promised(100).await;
    for file in ["spool.db", "spool.db-wal"] {
        disk.freeze("+i", file);
    }
    let told = gateway.logged("the spool cannot write");
    assert_eq!(told["mend"], "make the file and its folder writable for this user");
    readiness(&gateway, 503).await;
    for file in ["spool.db", "spool.db-wal"] {
        disk.freeze("-i", file);
    }
    gateway.logged("the spool can write again");
    readiness(&gateway, 200).await;
    senders.promised(200).await;
    let promised = senders.stop().await;
    all_arrives(&promised, &mut upstream, gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_starts_on_what_is_read_only_and_all_is_there_when_it_is_writable() {
    if !asked_for() {
        return;
    }
    let mut upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let disk = Disk::ext4();
    let gateway = gateway_on(&disk, &folder);
    let mut senders = Senders::start(gateway.address, &folder.certificate);
    senders.promised(50).await;
    let promised = senders.stop().await;
    gateway.signal("TERM");
    assert!(gateway.wait().success());

    disk.remount("ro");
    let file = disk.path().join("spool.db");
    for attempt in ["the file system", "the file"] {
        let (code, said) = refused_on(&disk, &folder);
        assert_eq!(code, Some(78), "{said}");
        let where_it_is = if attempt == "the file" { &file } else { &disk.path() };
        assert!(said.contains("spool.path"), "{said}");
        assert!(said.contains(where_it_is.to_str().unwrap()), "{said}");
        disk.remount("rw");
        disk.freeze("+i", "spool.db");
    }
    disk.freeze("-i", "spool.db");
    let gateway = gateway_on(&disk, &folder);
    all_arrives(&promised, &mut upstream, gateway).await;
}
