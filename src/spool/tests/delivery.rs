//! Leases and what becomes of them.

use super::*;

#[tokio::test]
async fn what_is_appended_comes_out_as_it_went_in() {
    let rig = Rig::new();
    let spool = rig.open();
    let event = event("a", "body");
    let receipt = spool.append(event.clone()).await.unwrap();
    assert_eq!(receipt, Receipt::Stored(event.id));
    assert_eq!(rig.ask("SELECT count(*) FROM bodies"), 1, "on disk before the answer");
    let lease = spool.next().await;
    assert_eq!((lease.id, lease.accepted, lease.attempt), (event.id, NOON, 1));
    assert_eq!((lease.body.clone(), lease.route.clone()), (event.body, route()));
    assert_eq!(spool.status().pending, 1);
    spool.done(lease);
    assert_eq!(spool.status().pending, 0);
}

#[tokio::test]
async fn a_lease_that_waits_is_woken() {
    let rig = Rig::new();
    let spool = rig.open();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let spool = spool.clone();
        waiting.spawn(async move { spool.next().await });
    }
    tokio::task::yield_now().await;
    let mut sent = Vec::new();
    for body in ["1", "2", "3"] {
        sent.push(spool.append(event(body, body)).await.unwrap().id());
    }
    let leases = waiting.join_all().await;
    let mut came: Vec<EventId> = leases.iter().map(|lease| lease.id).collect();
    came.sort();
    sent.sort();
    assert_eq!(came, sent);
}

#[tokio::test]
async fn one_commit_wakes_as_many_as_it_has_events() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let spool = spool.clone();
        waiting.spawn(async move { spool.next().await });
    }
    tokio::task::yield_now().await;
    faults.hold();
    let (first, second) = (spool.append(event("1", "1")), spool.append(event("2", "2")));
    let third = async {
        faults.let_go();
        spool.append(event("3", "3")).await
    };
    let (first, second, third) = tokio::join!(first, second, third);
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(waiting.join_all().await.len(), 3);
}

#[tokio::test]
async fn events_of_one_key_go_one_after_the_other() {
    let rig = Rig::new();
    let spool = rig.open();
    for body in ["first", "second", "third"] {
        spool.append(event("a", body)).await.unwrap();
    }
    spool.append(event("b", "other")).await.unwrap();
    let first = spool.next().await;
    let other = spool.next().await;
    assert_eq!((&first.body[..], &other.body[..]), (&b"first"[..], &b"other"[..]));
    assert!(spool.now().is_none());
    spool.done(other);
    assert!(spool.now().is_none());
    spool.done(first);
    let second = spool.next().await;
    assert_eq!(&second.body[..], b"second");
    assert!(spool.now().is_none());
    spool.settle(second, attempt(400), Verdict::Dead);
    assert_eq!(&spool.next().await.body[..], b"third", "a dead letter lets the next pass");
    assert_eq!(spool.status().dead, 1);
}

#[tokio::test]
async fn routes_do_not_wait_for_each_other() {
    let rig = Rig::new();
    let spool = rig.open();
    let other = RouteName::from("clearing");
    spool.append(event("a", "one")).await.unwrap();
    let elsewhere = Accepted { route: RouteName::clone(&other), ..event("a", "two") };
    spool.append(elsewhere).await.unwrap();
    assert_eq!(spool.backlog(), [(route(), 1), (RouteName::clone(&other), 1)]);
    assert_eq!(&spool.lease(&other).await.unwrap().body[..], b"two");
    spool.done(spool.next().await);
    assert_eq!(spool.backlog(), [(other, 1)]);
}

#[tokio::test]
async fn a_dropped_lease_is_due_again_and_not_counted() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    drop(spool.next().await);
    let again = spool.next().await;
    assert_eq!((again.attempt, &again.body[..]), (1, &b"body"[..]));
}

#[tokio::test]
async fn a_retry_waits_for_its_time_and_counts() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    let past = Verdict::RetryAt(NOON);
    spool.settle(spool.next().await, attempt(500), Verdict::RetryAt(Timestamp::default()));
    spool.settle(spool.next().await, attempt(500), past);
    let future = crate::clock::now().plus(HOUR);
    let third = spool.next().await;
    assert_eq!(third.attempt, 3);
    spool.settle(third, attempt(500), Verdict::RetryAt(future));
    assert!(spool.now().is_none());
    assert_eq!(spool.status().pending, 1);
}

#[tokio::test]
async fn stopping_ends_every_wait() {
    let rig = Rig::new();
    let spool = rig.open();
    let waiting = {
        let spool = spool.clone();
        async move { spool.lease(&route()).await }
    };
    let stopping = async { spool.stop_leasing() };
    let (waited, ()) = tokio::join!(waiting, stopping);
    assert!(waited.is_none());
    spool.append(event("a", "body")).await.unwrap();
    assert!(spool.lease(&route()).await.is_none());
}

#[tokio::test]
async fn an_event_without_body_becomes_a_dead_letter() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "lost")).await.unwrap();
    spool.append(event("a", "found")).await.unwrap();
    spool.close().await;
    rig.tamper("DELETE FROM bodies WHERE seq = 1");
    let spool = rig.open();
    let lease = spool.next().await;
    assert_eq!(&lease.body[..], b"found");
    assert_eq!(spool.status().dead, 1);
    spool.close().await;
    assert_eq!(rig.ask("SELECT count(*) FROM events WHERE state = 2"), 1);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_put_off() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    spool.close().await;
    let (spool, faults) = rig.open_faulty();
    faults.reads_fail.store(true, Ordering::SeqCst);
    let mut waiting = tokio::task::JoinSet::new();
    let waits = spool.clone();
    waiting.spawn(async move { waits.next().await });
    until(|| spool.shows("postgate_spool_read_failures_total 1")).await;
    let status = spool.status();
    assert_eq!((status.pending, status.dead), (1, 0));
    assert!(spool.now().is_none() && waiting.try_join_next().is_none());
}

#[tokio::test]
async fn a_lease_abandoned_while_it_reads_gives_the_event_back() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    spool.close().await;
    let (spool, faults) = rig.open_faulty();
    faults.hold();
    assert!(spool.now().is_none(), "the body is still being read");
    faults.let_go();
    assert_eq!(spool.next().await.attempt, 1);
}

#[tokio::test]
async fn bodies_are_read_ahead() {
    let rig = Rig::new();
    let spool = rig.open();
    for number in 0..33 {
        spool.append(event(&number.to_string(), "body")).await.unwrap();
    }
    spool.close().await;
    let (spool, faults) = rig.open_faulty();
    let mut leases = Vec::new();
    for (lease, reads) in (1..=33).map(|lease| (lease, if lease <= 32 { 1 } else { 2 })) {
        leases.push(spool.next().await);
        assert_eq!(faults.reads.load(Ordering::SeqCst), reads, "lease {lease}");
    }
    assert!(leases.is_sorted_by_key(|lease| lease.hold.seq()));
}
