//! A disk that fails, a thread that ends, a sender that leaves.

use super::*;

#[tokio::test]
async fn an_append_whose_caller_left_is_whole() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    faults.hold();
    assert!(poll_once(spool.append(event("a", "left"))).is_none());
    faults.let_go();
    assert_eq!(&spool.next().await.body[..], b"left");
    spool.close().await;
    assert_eq!(rig.ask("SELECT count(*) FROM bodies"), 1);
}

#[tokio::test]
async fn an_append_that_was_never_polled_is_not_there() {
    let rig = Rig::new();
    let spool = rig.open();
    drop(spool.append(event("a", "never")));
    spool.append(event("b", "sent")).await.unwrap();
    assert_eq!(&spool.next().await.body[..], b"sent");
    assert_eq!(spool.status().pending, 1);
}

#[tokio::test]
async fn a_failed_commit_is_told_and_leaves_nothing() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    faults.fail_writes(true);
    assert_eq!(spool.append(event("a", "body")).await, Err(AppendError::Failed));
    let kept = spool.refuse(malformed("what?")).await;
    assert_eq!(kept, Err(AppendError::Failed));
    let status = spool.status();
    assert_eq!((status.healthy, status.pending, status.quarantined), (false, 0, 0));
    assert!(spool.shows("postgate_spool_healthy 0"));
    assert!(spool.shows("postgate_spool_refusals_total{reason=\"failed\"} 2"));
    faults.fail_writes(false);
    spool.append(event("a", "body")).await.unwrap();
    assert!(spool.status().healthy);
    assert!(spool.shows("postgate_spool_healthy 1"));
}

#[tokio::test]
async fn of_a_batch_that_goes_short_the_rest_is_refused_and_outcomes_are_kept() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    spool.append(event("a", "body")).await.unwrap();
    faults.hold();
    faults.goes_short.store(true, Ordering::SeqCst);
    spool.done(spool.next().await);
    let mut appends: Vec<_> =
        ["b", "c", "d"].into_iter().map(|key| Box::pin(spool.append(event(key, key)))).collect();
    for append in &mut appends {
        assert!(poll_once(append.as_mut()).is_none());
    }
    faults.let_go();
    let mut taken = Vec::new();
    for append in appends {
        taken.push(append.await.is_ok());
    }
    // The first may have come alone; the last never did.
    assert!(taken[0] && !taken[2], "{taken:?}");
    faults.goes_short.store(false, Ordering::SeqCst);
    until(|| rig.ask("SELECT count(*) FROM events WHERE state = 1") == 1).await;
    let stored = taken.iter().filter(|taken| **taken).count();
    assert_eq!(spool.status().pending, u64::try_from(stored).unwrap());
    assert_eq!(
        rig.ask("SELECT count(*) FROM events WHERE state = 0"),
        i64::try_from(stored).unwrap()
    );
}

#[tokio::test]
async fn it_finds_out_by_itself_that_writing_works_again() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    faults.fail_writes(true);
    spool.append(event("a", "body")).await.unwrap_err();
    faults.fail_writes(false);
    until(|| spool.status().healthy).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_copied_stops_acceptance_although_commits_succeed() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    spool.append(event("a", "body")).await.unwrap();
    faults.copying_fails.store(true, Ordering::SeqCst);
    until(|| !spool.status().healthy).await;
    let tried = faults.batches();
    assert_eq!(spool.append(event("b", "body")).await, Err(AppendError::Failed));
    assert!(!spool.status().healthy);
    assert_eq!(faults.batches(), tried, "nothing is added to the log");
    spool.done(spool.next().await);
    faults.copying_fails.store(false, Ordering::SeqCst);
    spool.append(event("b", "body")).await.unwrap();
    assert_eq!(rig.ask("SELECT count(*) FROM events WHERE state = 1"), 1);
}

#[tokio::test]
async fn a_settlement_survives_a_failed_commit() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    for key in ["a", "b"] {
        spool.append(event(key, "body")).await.unwrap();
    }
    let (retried, done) = (spool.next().await, spool.next().await);
    faults.fail_writes(true);
    spool.done(done);
    spool.settle(retried, attempt(500), Verdict::RetryAt(NOON));
    spool.append(event("c", "body")).await.unwrap_err();
    // Settled twice while nothing can be written: the last word counts.
    let again = spool.next().await;
    assert_eq!(again.attempt, 2);
    spool.settle(again, attempt(404), Verdict::Dead);
    spool.append(event("c", "body")).await.unwrap_err();
    faults.fail_writes(false);
    spool.append(event("c", "body")).await.unwrap();
    assert_eq!(rig.ask("SELECT state FROM events WHERE seq = 1"), 2);
    assert_eq!(rig.ask("SELECT attempts FROM events WHERE seq = 1"), 2);
    assert_eq!(rig.ask("SELECT state FROM events WHERE seq = 2"), 1);
}

#[tokio::test]
async fn settlements_are_written_soon_without_company() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    spool.append(event("a", "body")).await.unwrap();
    spool.done(spool.next().await);
    let delivered = || rig.ask("SELECT count(*) FROM events WHERE state = 1") == 1;
    until(delivered).await;
    assert!(faults.batches() >= 2);
}

#[tokio::test]
async fn closing_writes_what_is_settled_and_refuses_what_comes_later() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    let lease = spool.next().await;
    spool.stop_leasing();
    spool.done(lease);
    spool.close().await;
    spool.ended().await;
    assert_eq!(rig.ask("SELECT state FROM events"), 1);
    assert_eq!(spool.append(event("b", "late")).await, Err(AppendError::Closed));
    spool.close().await;
}

#[tokio::test]
async fn closing_tries_settlements_again() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    spool.append(event("a", "body")).await.unwrap();
    let lease = spool.next().await;
    faults.fail_writes(true);
    spool.done(lease);
    spool.append(event("b", "body")).await.unwrap_err();
    faults.fail_writes(false);
    spool.close().await;
    assert_eq!(rig.ask("SELECT state FROM events"), 1);
}

#[tokio::test]
async fn a_panic_of_the_writer_ends_the_spool_and_is_noticed() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    faults.panics.store(true, Ordering::SeqCst);
    assert_eq!(spool.append(event("a", "body")).await, Err(AppendError::Closed));
    spool.ended().await;
    assert_eq!(spool.append(event("a", "body")).await, Err(AppendError::Closed));
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_writer() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    let mut ended = spool.shared.ended.clone();
    drop(spool);
    assert!(ended.changed().await.is_err());
    assert_eq!(rig.open().status().pending, 1);
}
