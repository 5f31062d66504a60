//! Every limit at it and one past it.

use super::*;

/// One that holds its body and nothing else that counts.
fn event(key: &str, body: &str) -> Accepted {
    Accepted { received: None, ..super::event(key, body) }
}

/// Holds a body of `bytes` and nothing else that counts.
fn bare(bytes: usize) -> Malformed {
    Malformed {
        reason: String::new(),
        received: Received {
            query: None,
            client: String::new(),
            headers: Vec::new(),
            ..received(&" ".repeat(bytes))
        },
        ..malformed("")
    }
}

/// What the spool reckons for one event with a body of `bytes`.
fn cost(bytes: usize) -> u64 {
    arriving(bare(bytes)).bytes()
}

/// One for which the spool reckons so many bytes.
fn weighing(bytes: u64) -> Malformed {
    bare(usize::try_from(bytes - cost(0)).unwrap())
}

#[tokio::test]
async fn the_queue_to_the_disk_is_bounded_by_events() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    faults.hold();
    let mut waiting = Vec::new();
    for number in 0..PLACES {
        let mut append = Box::pin(spool.append(event(&number.to_string(), "body")));
        assert!(poll_once(append.as_mut()).is_none());
        waiting.push(append);
    }
    assert_eq!(spool.append(event("more", "body")).await, Err(AppendError::Busy));
    assert!(spool.shows("postgate_spool_refusals_total{reason=\"busy\"} 1"));
    faults.let_go();
    for append in waiting {
        append.await.unwrap();
    }
    spool.append(event("more", "body")).await.unwrap();
}

#[tokio::test]
async fn the_queue_to_the_disk_is_bounded_by_bytes() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    faults.hold();
    let places = usize::try_from(PLACES).unwrap();
    // More than there is room for at any time: it passes alone.
    let huge = event("huge", &" ".repeat(places * PLACE_BYTES + 1));
    let mut huge = Box::pin(spool.append(huge));
    assert!(poll_once(huge.as_mut()).is_none());
    assert_eq!(spool.append(event("small", "")).await, Err(AppendError::Busy));
    faults.let_go();
    huge.await.unwrap();
    spool.append(event("small", "")).await.unwrap();
}

#[test]
fn places_are_counted_by_the_started_16_kib() {
    let of = |bytes: u64| places(arriving(weighing(bytes)).bytes());
    let place = u64::try_from(PLACE_BYTES).unwrap();
    assert_eq!((of(cost(0)), of(place), of(place + 1)), (1, 1, 2));
}

#[tokio::test]
async fn the_file_may_reach_max_bytes_and_not_pass_it() {
    let mut rig = Rig::new();
    rig.settings.max_bytes = 1_000_000;
    let (spool, faults) = rig.open_faulty();
    let claim = |bytes| faults.bytes.store(bytes, Ordering::SeqCst);
    claim(1_000_000 - cost(4) + 1);
    assert_eq!(spool.append(event("a", "body")).await, Err(AppendError::Full));
    assert!(spool.status().full);
    claim(1_000_000 - cost(4));
    spool.append(event("a", "body")).await.unwrap();
    assert!(!spool.status().full);
}

#[tokio::test]
async fn quarantine_may_take_its_share_and_not_pass_it() {
    let mut rig = Rig::new();
    (rig.settings.max_bytes, rig.settings.quarantine_percent) = (1_000_000, 1);
    let spool = rig.open();
    let first = spool.refuse(weighing(4000)).await.unwrap();
    assert_eq!(spool.refuse(weighing(6001)).await, Err(AppendError::QuarantineFull));
    assert!(spool.status().quarantine_full && !spool.status().full);
    let second = spool.refuse(weighing(6000)).await.unwrap();
    assert_eq!(spool.refuse(weighing(300)).await, Err(AppendError::QuarantineFull));
    assert!(spool.shows("postgate_spool_refusals_total{reason=\"quarantine_full\"} 2"));
    assert_eq!(spool.refuse(weighing(4000)).await, Ok(first), "what is kept is counted");
    spool.append(event("understood", &" ".repeat(20_000))).await.unwrap();
    spool.close().await;

    let spool = rig.open();
    let status = spool.status();
    assert_eq!((status.quarantined, status.quarantine_bytes), (2, 10_000), "after a restart too");
    assert_eq!(spool.refuse(weighing(300)).await, Err(AppendError::QuarantineFull));
    assert_eq!(spool.discard(vec![second]).await.unwrap(), [Operated::Dropped]);
    assert!(!spool.status().quarantine_full);
    spool.refuse(weighing(6000)).await.unwrap();
    assert_eq!(spool.status().quarantine_bytes, 10_000);
}

#[tokio::test]
async fn the_first_in_quarantine_may_be_larger_than_its_share() {
    let mut rig = Rig::new();
    (rig.settings.max_bytes, rig.settings.quarantine_percent) = (1_000_000, 1);
    let (spool, faults) = rig.open_faulty();
    faults.hold();
    let mut event = Box::pin(spool.append(event("first", "body")));
    assert!(poll_once(event.as_mut()).is_none());
    // Both in one batch.
    let mut large = Box::pin(spool.refuse(weighing(10_001)));
    let mut next = Box::pin(spool.refuse(weighing(300)));
    assert!(poll_once(large.as_mut()).is_none() && poll_once(next.as_mut()).is_none());
    faults.let_go();
    event.await.unwrap();
    large.await.unwrap();
    assert_eq!(next.await, Err(AppendError::QuarantineFull));
}

#[tokio::test]
async fn of_a_batch_that_part_is_taken_that_fits() {
    let mut rig = Rig::new();
    rig.settings.max_bytes = 1_000_000;
    let (spool, faults) = rig.open_faulty();
    faults.hold();
    let first = spool.append(event("first", "body"));
    let mut first = Box::pin(first);
    assert!(poll_once(first.as_mut()).is_none());
    until(|| faults.batches() > 0).await;
    let mut one = Box::pin(spool.append(event("one", "body")));
    let mut two = Box::pin(spool.append(event("two", "body")));
    assert!(poll_once(one.as_mut()).is_none() && poll_once(two.as_mut()).is_none());
    faults.bytes.store(1_000_000 - 2 * cost(4) + 1, Ordering::SeqCst);
    faults.let_go();
    // The thread may have taken the first alone or with the others.
    let came = [first.await.is_ok(), one.await.is_ok(), two.await.is_ok()];
    assert!(came == [true, true, false] || came == [true, false, false], "{came:?}");
}

#[tokio::test]
async fn delivered_events_make_room_and_undelivered_ones_do_not() {
    let mut rig = Rig::new();
    rig.settings.max_bytes = 400_000;
    let spool = rig.open();
    let body = " ".repeat(2000);
    for number in 0..500 {
        let appended = spool.append(event(&format!("delivered {number}"), &body)).await;
        appended.expect("the delivered ones go");
        spool.done(spool.next().await);
    }
    let mut accepted = 0;
    while spool.append(event(&format!("pending {accepted}"), &body)).await.is_ok() {
        accepted += 1;
    }
    let status = spool.status();
    assert_eq!((status.full, status.pending), (true, accepted));
    assert!((100..200).contains(&accepted), "{accepted}");
    assert!(status.bytes <= 400_000 + 4096, "{}", status.bytes);
    for _ in 0..20 {
        spool.done(spool.next().await);
    }
    let appended = spool.append(event("after", &body)).await;
    appended.expect("what was delivered a moment ago goes");
    assert!(!spool.status().full);
}

#[tokio::test]
async fn past_half_of_max_bytes_history_yields_to_events() {
    let mut rig = Rig::new();
    rig.settings.max_bytes = 1_000_000;
    let (spool, faults) = rig.open_faulty();
    for (bytes, rows) in [(499_999, 2), (500_000, 3)] {
        faults.bytes.store(bytes, Ordering::SeqCst);
        spool.append(event(&bytes.to_string(), "body")).await.unwrap();
        spool.settle(spool.next().await, attempt(503), Verdict::RetryAt(NOON));
        spool.settle(spool.next().await, attempt(404), Verdict::Dead);
        spool.append(event(&format!("{bytes} next"), "body")).await.unwrap();
        spool.done(spool.next().await);
        assert_eq!(rig.ask("SELECT count(*) FROM attempts"), rows);
    }
    assert_eq!(rig.ask("SELECT count(*) FROM attempts WHERE status = 404"), 2);
}

#[tokio::test]
async fn delivered_events_expire_by_themselves() {
    let mut rig = Rig::new();
    rig.settings.keep_delivered = HOUR;
    let spool = rig.open();
    for key in ["old", "new", "a little ahead", "too far ahead", "pending"] {
        spool.append(event(key, "body")).await.unwrap();
    }
    let now = crate::clock::now();
    let little = Duration::from_mins(5);
    for at in [NOON, now, now.plus(HOUR), now.plus(HOUR).plus(little)] {
        spool.settle(spool.next().await, Attempt { at, ..attempt(200) }, Verdict::Done);
    }
    until(|| rig.ask("SELECT count(*) FROM events") == 3).await;
    assert_eq!(rig.ask("SELECT count(*) FROM bodies"), 3);
    assert_eq!(rig.ask("SELECT count(*) FROM events WHERE state = 1 AND seq IN (2, 3)"), 2);
}

#[tokio::test]
async fn delivered_events_stay_for_the_longer_window() {
    let mut rig = Rig::new();
    rig.settings.keep_delivered = Duration::ZERO;
    rig.settings.dedup_window = HOUR * 24 * 36_500;
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    spool.done(spool.next().await);
    spool.close().await;
    assert_eq!(rig.ask("SELECT count(*) FROM events WHERE state = 1"), 1);
    let (spool, faults) = rig.open_faulty();
    until(|| faults.batches() > 0).await;
    spool.close().await;
    assert_eq!(rig.ask("SELECT count(*) FROM events"), 1);
}
