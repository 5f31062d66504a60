//! The judge: every success reply is an obligation, and each is checked after the faults have
//! stopped.
//!
//! Senders send numbered events over TLS and, as impact.com does, send an event again until it is
//! acknowledged. Meanwhile the gateway is killed with `kill -9` and started again, and the upstream
//! answers 500, 503, 429 with `Retry-After` and 404, is slow, is too late and has taken the event or
//! has not, answers nothing or breaks off in its answer, and is away. `POSTGATE_SEED` replays the
//! faults of a run; `POSTGATE_KILLS` makes it longer.
//!
//! What must hold at the end:
//! 1. What was acknowledged has the bytes that were promised, and was taken by the upstream, or is
//!    listed as a dead letter because the upstream refused it.
//! 2. The events of one action arrive in the order in which they were accepted: each for the first
//!    time in that order, and within one life of the gateway never an earlier one after a later.
//! 3. An event comes again only where delivery at least once must repeat it: after an answer that
//!    was not surely a success or a refusal, when the time-out has passed since the attempt before
//!    (a machine that stalls lets the gateway miss any answer), or in a later life, which may have
//!    lost the outcome of the one before. The gateway's life is a header of every delivery, as is the
//!    second in which the attempt began.
//! 4. What a later life may have lost is the last moment alone. When the next event of an action
//!    arrives, the gateway is done with the one before. An event that is sent after that and
//!    acknowledged was written after the outcome of that one, which therefore comes in no later
//!    life. This follows from the order of what is written and not from its time, so that no stall
//!    of the machine makes it wrong.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use http::Response;
use postgate::clock;

use crate::support::client::metric;
use crate::support::config::Folder;
use crate::support::number;
use crate::support::process::{Process, output};
use crate::support::senders::{Promises, Senders};
use crate::support::upstream::{Answer, Received, Upstream};

const KILLS: usize = 10;
/// Of an attempt. Long enough that a busy machine alone hardly ever makes an answer late; whole
/// seconds.
const TIMEOUT: Duration = Duration::from_secs(2);

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
    let senders = Senders::start(gateway.address, &folder.certificate);
    let mut ends = Vec::new();
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
        ends.push(clock::instant());
        gateway.kill();
        gateway = live(&folder, &config, life);
        senders.moved(gateway.address);
    }

    let_attempts_run_out_of_time(&upstream, &mut rng).await;
    assert_eq!(senders.refused(), 0, "nothing here may be refused");
    let promised = senders.stop().await;
    judge(gateway, &folder, &upstream, &promised, &refused, &ends).await;
}

/// Lets the upstream take what is left, stops the gateway, and holds it to all four rules. Its
/// earlier lives were unharmed until their `ends`.
pub(crate) async fn judge(
    gateway: Process,
    folder: &Folder,
    upstream: &Upstream,
    promised: &Promises,
    refused: &Mutex<HashSet<String>>,
    ends: &[Instant],
) {
    upstream.always(|_| Answer::Status(Response::builder().status(204)));
    metric(gateway.admin, "postgate_spool_events{state=\"pending\"} 0\n").await;
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let dead = dead_letters(folder);
    let received = upstream.so_far();
    check_promises(promised, &received, &dead);
    check_order(&received, &dead);
    let again = check_repeats(&received);
    let written = check_written(promised, &received, ends);
    assert!(dead.is_subset(&refused.lock().unwrap()), "a dead letter that was never refused");
    eprintln!(
        "{} promised, {} received, {again} of them again, {} dead letters, {written} outcomes \
         surely written before a kill",
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

/// What the upstream answers when nobody waits any more.
fn too_late(rng: &mut Rng) -> Answer {
    Answer::Late(TIMEOUT.mul_f64(1.0 + rng.f64() / 2.0), Response::builder().status(500))
}

/// Few lives are long enough for that: this is for the last one, which nothing cuts short.
pub(crate) async fn let_attempts_run_out_of_time(upstream: &Upstream, rng: &mut Rng) {
    let arrived = upstream.so_far().len();
    for _ in 0..10 {
        upstream.then_answer(too_late(rng));
    }
    upstream.received(arrived + 100).await;
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
            // Past the time-out, and not taken.
            17 => too_late(&mut rng),
            18..20 => {
                noted.lock().unwrap().insert(received.header("webhook-id").to_owned());
                status(404)
            }
            _ => status(204),
        }
    });
    refused
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
            assert_eq!(one.body, expected.body, "{id} is not what was promised");
        }
        if one.took() {
            settled.insert(id);
        }
    }
    for id in promised.keys() {
        assert!(settled.contains(id.as_str()), "{id} was acknowledged and is lost");
    }
}

/// The second rule. An event that is acknowledged too late, by its repeat, may be refused before: then
/// the repeat is a new one.
fn check_order(received: &[Received], dead: &HashSet<String>) {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut first: HashMap<String, (u64, &str)> = HashMap::new();
    let mut of_life: HashMap<(String, usize), u64> = HashMap::new();
    for one in received {
        let (action, number) = event(one);
        let id = one.header("webhook-id");
        if seen.insert(id) {
            let before = first.insert(action.clone(), (number, id));
            let in_order = |(before, id): (u64, &str)| {
                before < number || before == number && dead.contains(id)
            };
            assert!(before.is_none_or(in_order), "{action}: {before:?}, {number}");
        }
        let life = (action, life(one));
        let before = of_life.insert(life.clone(), number);
        assert!(before.is_none_or(|before| before <= number), "{life:?}: {before:?}, {number}");
    }
}

/// The third rule. Answers with how many came again.
fn check_repeats(received: &[Received]) -> usize {
    let mut over: HashMap<(&str, usize), u64> = HashMap::new();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut again = 0;
    for one in received {
        let (id, life) = (one.header("webhook-id"), life(one));
        let began_s: u64 = one.header("webhook-timestamp").parse().unwrap();
        if let Some(before_s) = over.get(&(id, life)) {
            let missed = began_s.abs_diff(*before_s) >= TIMEOUT.as_secs();
            assert!(missed, "{id} came again in life {life} after its end");
        }
        if matches!(one.surely_answered(), Some(200..=299 | 404)) {
            over.insert((id, life), began_s);
        }
        again += usize::from(!seen.insert(id));
    }
    again
}

/// The fourth rule. Answers with how many outcomes were surely written in a life that was killed.
fn check_written(promised: &Promises, received: &[Received], ends: &[Instant]) -> usize {
    // After what had arrived in a life by this moment, an event was sent that it acknowledged.
    let of_life = |end: &Instant| {
        promised
            .values()
            .filter(|promise| promise.answered < *end)
            .map(|promise| promise.sent)
            .max()
    };
    let by: Vec<Option<Instant>> = ends.iter().map(of_life).collect();
    let mut latest: HashMap<(String, usize), &str> = HashMap::new();
    let mut written: HashMap<&str, usize> = HashMap::new();
    for one in received {
        let (id, life) = (one.header("webhook-id"), life(one));
        let before = latest.insert((event(one).0, life), id).filter(|before| *before != id);
        if let (Some(before), Some(Some(by))) = (before, by.get(life))
            && one.at < *by
        {
            written.entry(before).or_insert(life);
        }
    }
    // In every second life all that is sent may wait for the upstream.
    let few = ends.len() / 2;
    assert!(written.len() >= few, "{} outcomes are too few to judge by", written.len());
    for one in received {
        let (id, life) = (one.header("webhook-id"), life(one));
        if let Some(end) = written.get(id) {
            assert!(
                life <= *end,
                "{id} came again in life {life}, written as settled in life {end}"
            );
        }
    }
    written.len()
}

/// The action, and the number of the event.
fn event(received: &Received) -> (String, u64) {
    let event: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
    let number = event["payout"].as_str().unwrap().trim_end_matches(".00").parse().unwrap();
    (event["action_id"].as_str().unwrap().to_owned(), number)
}

/// Which life of the gateway it came from.
fn life(received: &Received) -> usize {
    received.header("x-life").parse().unwrap()
}
