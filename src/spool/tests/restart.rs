//! What a restart finds.

use crate::clock;

use super::queue::LONGEST_PAUSE;
use super::store::{Arrival, History, NewEvent, Order, Share};
use super::*;

#[tokio::test]
async fn everything_is_where_it_was() {
    let rig = Rig::new();
    let spool = rig.open();
    for (key, body) in [("a", "1"), ("a", "2"), ("b", "3"), ("c", "4"), ("d", "5")] {
        spool.append(event(key, body)).await.unwrap();
    }
    spool.refuse(malformed("what?")).await.unwrap();
    let future = crate::clock::now().plus(HOUR);
    spool.settle(spool.next().await, attempt(500), Verdict::RetryAt(NOON));
    let [retried, late, dead] = [spool.next().await, spool.next().await, spool.next().await];
    assert_eq!(&retried.body[..], b"1");
    spool.settle(late, attempt(503), Verdict::RetryAt(future));
    spool.settle(dead, attempt(404), Verdict::Dead);
    let before = spool.status();
    spool.close().await;

    let spool = rig.open();
    let after = spool.status();
    let counts = |status: SpoolStatus| (status.pending, status.dead, status.quarantined);
    assert_eq!(counts(after), counts(before));
    assert_eq!(counts(after), (4, 1, 1));
    let mut leases = Vec::new();
    while leases.len() < 2 {
        leases.push(spool.next().await);
    }
    leases.sort_by_key(|lease| lease.hold.seq());
    let found: Vec<_> = leases.iter().map(|lease| (&lease.body[..], lease.attempt)).collect();
    assert_eq!(found, [(&b"1"[..], 2), (&b"5"[..], 1)], "attempts survive, a lease does not");
    assert!(spool.now().is_none(), "the order and the time of the next attempt survive");
    drop(retried);
}

#[tokio::test]
async fn a_time_from_a_clock_that_was_ahead_does_not_wait_behind_the_others() {
    let rig = Rig::new();
    let spool = rig.open();
    let limit = clock::now().plus(LONGEST_PAUSE);
    // Until the restart the limit moves on, and the first stays within.
    for (body, due) in [("1", limit), ("2", limit.plus(HOUR)), ("3", clock::now().plus(HOUR))] {
        spool.append(event(body, body)).await.unwrap();
        spool.settle(spool.next().await, attempt(503), Verdict::RetryAt(due));
    }
    spool.close().await;
    let spool = rig.open();
    let lease = spool.next().await;
    assert_eq!(&lease.body[..], b"2");
    assert!(spool.now().is_none());
    drop(lease);
}

#[tokio::test]
async fn a_failed_attempt_is_kept_and_a_delivery_is_in_its_event() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    for status in 500..520 {
        let mut attempt = attempt(status);
        attempt.outcome = "ä".repeat(Attempt::OUTCOME_BYTES);
        attempt.answer = vec![0xff; Attempt::ANSWER_BYTES + usize::from(status % 2)].into();
        spool.settle(spool.next().await, attempt, Verdict::RetryAt(NOON));
    }
    spool.done(spool.next().await);
    spool.close().await;
    assert_eq!(rig.ask("SELECT count(*) FROM attempts"), 16, "the last ones");
    assert_eq!(rig.ask("SELECT min(status) FROM attempts"), 504);
    assert_eq!(rig.ask("SELECT max(length(CAST(outcome AS BLOB))) FROM attempts"), 256);
    assert_eq!(rig.ask("SELECT min(length(answer)) FROM attempts"), 1024);
    assert_eq!(rig.ask("SELECT max(length(answer)) FROM attempts"), 1024);
    assert_eq!(rig.ask("SELECT status FROM events"), 200);
    assert_eq!(rig.ask("SELECT attempts FROM events"), 21);
    assert_eq!(rig.ask("SELECT state FROM events"), 1);
}

#[tokio::test]
async fn a_long_backlog_opens_fast_and_in_order() {
    const EVENTS: i64 = 100_000;
    let rig = Rig::new();
    fill(&rig, EVENTS);
    let began = clock::instant();
    let spool = rig.open();
    let took = began.elapsed();
    // Without optimisation and on a busy machine; a million takes a second with it.
    assert!(took < Duration::from_secs(10), "took {took:?}");
    assert_eq!(spool.status().pending, u64::try_from(EVENTS).unwrap());
    let (mut oldest, mut newest) = (1..=EVENTS, (1..=EVENTS).rev());
    for turn in 1..=100 {
        let expected = if turn % 4 == 0 { newest.next() } else { oldest.next() };
        let lease = spool.next().await;
        assert_eq!(Some(lease.hold.seq().0), expected);
        spool.done(lease);
    }
}

#[tokio::test]
async fn a_repeat_is_recognised_however_many_events_came_since() {
    let rig = Rig::new();
    // More than a group of the index.
    fill(&rig, 8200);
    let spool = rig.open();
    for number in [0, 8100, 8199] {
        let again = spool.append(event(&number.to_string(), "body")).await.unwrap();
        assert!(matches!(again, Receipt::Repeat(_)), "{number}");
        assert_eq!(rig.ask(&format!("SELECT repeats FROM events WHERE seq = {}", number + 1)), 1);
    }
    let other = spool.append(event("0", "another body")).await.unwrap();
    assert_eq!(spool.append(event("0", "another body")).await, Ok(Receipt::Repeat(other.id())));
    let back = spool.append(event("0", "body")).await.unwrap();
    assert!(matches!(back, Receipt::Stored(_)), "the latest is in another group");
}

/// Writes events past the writer thread.
fn fill(rig: &Rig, events: i64) {
    let (mut store, _, _) = sqlite::open(&rig.settings.path).unwrap();
    let arrivals: Vec<Arrival> = (0..events)
        .map(|number| {
            let event = event(&number.to_string(), "body");
            let (key, fingerprint) = digest::of_event(&event);
            Arrival::Event(NewEvent {
                id: event.id,
                route: event.route,
                key,
                order: Order::Keyed,
                fingerprint,
                at: event.at,
                window: HOUR,
                body: event.body,
                received: None,
            })
        })
        .collect();
    let batch = Batch {
        settlements: &[],
        arrivals: &arrivals,
        expiry: None,
        history: History::Whole,
        quarantine: Share::default(),
    };
    store.apply(&batch).unwrap();
}
