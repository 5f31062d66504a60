//! How many events a second the spool takes and gives out again, fsync included, how many bytes it
//! writes for each, and how long a large backlog takes to open and what memory it takes. Run by hand, on the disk that matters:
//! `TMPDIR=/that/disk cargo bench --bench spool [-- BACKLOG]`.

#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use postgate::clock;
use postgate::spool::{
    Accepted, Attempt, EventId, Header, Lease, Received, RouteName, Spool, SpoolSettings, Verdict,
};
use postgate::telemetry::Telemetry;

/// A usual canonical body.
const BODY_BYTES: usize = 900;
/// What it was made of.
const RECEIVED_BYTES: usize = 800;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    if let (Some("open"), Some(folder)) = (arguments.next().as_deref(), arguments.next()) {
        return only_open(Path::new(&folder));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    for (concurrency, events) in [(1, 2_000), (32, 30_000), (256, 100_000), (1024, 150_000)] {
        for keep_received in [true, false] {
            let settings = |folder: &Path| SpoolSettings { keep_received, ..settings(folder) };
            runtime.block_on(through(settings, concurrency, events))?;
        }
    }
    let backlog = std::env::args().find_map(|argument| argument.parse().ok());
    runtime.block_on(reopened(backlog.unwrap_or(100_000)))
}

/// Appends and settles side by side.
async fn through(
    settings: impl Fn(&Path) -> SpoolSettings,
    concurrency: usize,
    events: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let settings = settings(folder.path());
    let spool = Spool::open(&settings, Arc::new(Telemetry::new()))?;
    let route = RouteName::from("actions");
    let began = Usage::now();
    let (spool_2, route_2) = (spool.clone(), RouteName::clone(&route));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        for _ in 0..events {
            if let Some(lease) = spool_2.lease(&route_2).await {
                done(&spool_2, lease);
            }
        }
    });
    append_all(&mut tasks, &spool, &route, concurrency, events);
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    spool.close().await;
    let requests = if settings.keep_received { "with" } else { "without" };
    let size = std::fs::metadata(&settings.path)?.len() / u64::try_from(events.max(1))?;
    report(&format!("{concurrency:>4} at once, {requests:>7} requests"), events, &began);
    println!("      {size} bytes of file for each");
    Ok(())
}

/// Fills a backlog, opens it again, and drains it.
async fn reopened(events: usize) -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let route = RouteName::from("actions");
    let spool = Spool::open(&settings(folder.path()), Arc::new(Telemetry::new()))?;
    let began = Usage::now();
    let mut tasks = tokio::task::JoinSet::new();
    append_all(&mut tasks, &spool, &route, 1024, events);
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    report("append alone", events, &began);
    spool.close().await;
    drop(spool);
    // In a process of its own, whose memory holds nothing else.
    let program = std::env::current_exe()?;
    let opened = std::process::Command::new(program).arg("open").arg(folder.path()).status()?;
    assert!(opened.success(), "the backlog opens");
    let spool = Spool::open(&settings(folder.path()), Arc::new(Telemetry::new()))?;
    let began = Usage::now();
    for _ in 0..events {
        if let Some(lease) = spool.lease(&route).await {
            done(&spool, lease);
        }
    }
    spool.close().await;
    report("drain", events, &began);
    Ok(())
}

/// Opens a spool and tells what that took.
fn only_open(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let began = clock::instant();
    let spool = Spool::open(&settings(folder), Arc::new(Telemetry::new()))?;
    let (took, pending) = (began.elapsed(), spool.status().pending);
    println!(
        "open with {pending} pending: {took:?}, {:?} of CPU, {} MiB resident, {} MiB at most",
        cpu(),
        memory_mib("VmRSS:"),
        memory_mib("VmHWM:"),
    );
    Ok(())
}

fn append_all(
    tasks: &mut tokio::task::JoinSet<()>,
    spool: &Spool,
    route: &RouteName,
    concurrency: usize,
    events: usize,
) {
    for task in 0..concurrency {
        let (spool, route) = (spool.clone(), RouteName::clone(route));
        let mine = events / concurrency + usize::from(task < events % concurrency);
        tasks.spawn(async move {
            for number in 0..mine {
                let appended = spool.append(event(&route, task, number)).await;
                assert!(appended.is_ok(), "the measurement needs a working disk");
            }
        });
    }
}

fn event(route: &RouteName, task: usize, number: usize) -> Accepted {
    let at = clock::now();
    let key = format!("1000.{task}.{number}");
    let mut body = format!("{{\"event\":\"action\",\"action_id\":\"{key}\"").into_bytes();
    body.resize(BODY_BYTES, b' ');
    Accepted {
        id: EventId::new(at),
        route: RouteName::clone(route),
        key: Some(key),
        at,
        body: Bytes::from(body),
        received: Some(received()),
    }
}

/// A usual request.
fn received() -> Received {
    let header = |name: &str, value: &'static [u8]| Header {
        name: name.to_owned(),
        value: Bytes::from_static(value),
    };
    Received {
        client: "192.0.2.17".to_owned(),
        method: "POST".to_owned(),
        content_type: Some(Bytes::from_static(b"application/json")),
        query: None,
        headers: vec![header("user-agent", b"Jakarta Commons-HttpClient/3.0.1")],
        format: Some("json".to_owned()),
        body: Bytes::from_static(&[b' '; RECEIVED_BYTES]),
    }
}

fn done(spool: &Spool, lease: Lease) {
    let attempt = Attempt {
        at: clock::now(),
        status: Some(200),
        outcome: String::new(),
        answer: Bytes::new(),
    };
    spool.settle(lease, attempt, Verdict::Done);
}

fn settings(folder: &Path) -> SpoolSettings {
    let day = Duration::from_hours(24);
    SpoolSettings {
        path: folder.join("spool.db"),
        max_bytes: 8 << 30,
        quarantine_percent: 25,
        keep_received: true,
        keep_delivered: day,
        dedup_window: day,
    }
}

/// What this process has used so far.
struct Usage {
    at: Instant,
    cpu: Duration,
    written_bytes: u64,
}

impl Usage {
    fn now() -> Self {
        Self { at: clock::instant(), cpu: cpu(), written_bytes: written_bytes() }
    }
}

fn report(what: &str, events: usize, began: &Usage) {
    let number = events.max(1);
    let events = f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let written = written_bytes().saturating_sub(began.written_bytes);
    println!(
        "{what}: {:>7.0} events/s, {:>5.1} µs of CPU and {:>6} bytes written for each",
        events / began.at.elapsed().as_secs_f64(),
        cpu().saturating_sub(began.cpu).as_secs_f64() * 1e6 / events,
        written / u64::try_from(number).unwrap_or(u64::MAX),
    );
}

/// Bytes that this process caused to be written to disk; zero where the system does not tell it
/// this way, and on a file system in memory.
fn written_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// CPU time of this process so far; zero where the system does not tell it this way.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.split_whitespace().collect();
    // proc(5): utime and stime, in ticks of 10 ms.
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(10 * (ticks(13).unwrap_or(0) + ticks(14).unwrap_or(0)))
}

/// Memory of this process in MiB, as proc(5) has it under this name; zero where there is none.
fn memory_mib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
