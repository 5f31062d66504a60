//! What is taken for a repeat, and what is not.

use super::*;

#[tokio::test]
async fn a_return_to_an_earlier_state_is_an_event_and_a_resend_is_not() {
    let rig = Rig::new();
    let spool = rig.open();
    let mut ids = Vec::new();
    for body in ["PENDING", "REVERSED", "PENDING"] {
        let event = event("a", body);
        ids.push(event.id);
        assert_eq!(spool.append(event.clone()).await, Ok(Receipt::Stored(event.id)));
    }
    for _ in 0..2 {
        let resent = spool.append(event("a", "PENDING")).await;
        assert_eq!(resent, Ok(Receipt::Repeat(ids[2])));
    }
    assert_eq!(spool.status().pending, 3);
    assert_eq!(rig.ask("SELECT repeats FROM events WHERE seq = 3"), 2);
    assert_eq!(rig.ask("SELECT sum(repeats) FROM events"), 2);
}

#[tokio::test]
async fn a_restart_between_any_two_changes_nothing() {
    let rig = Rig::new();
    let mut ids = Vec::new();
    for body in ["PENDING", "REVERSED", "PENDING"] {
        let (spool, event) = (rig.open(), event("a", body));
        ids.push(event.id);
        assert_eq!(spool.append(event.clone()).await, Ok(Receipt::Stored(event.id)));
        spool.close().await;
    }
    for repeats in 1..=2 {
        let spool = rig.open();
        let resent = spool.append(event("a", "PENDING")).await;
        assert_eq!(resent, Ok(Receipt::Repeat(ids[2])), "the first one's id");
        spool.close().await;
        assert_eq!(rig.ask("SELECT repeats FROM events WHERE seq = 3"), repeats);
    }
    for id in ids {
        let spool = rig.open();
        let lease = spool.next().await;
        assert_eq!(lease.id, id, "first in, first out");
        assert!(spool.now().is_none(), "the next waits for it");
        spool.done(lease);
        spool.close().await;
    }
    assert_eq!(rig.open().status().pending, 0);
}

#[tokio::test]
async fn a_repeat_is_recognised_after_delivery_and_after_a_restart() {
    let rig = Rig::new();
    let spool = rig.open();
    let first = spool.append(event("a", "body")).await.unwrap().id();
    spool.done(spool.next().await);
    assert_eq!(spool.append(event("a", "body")).await, Ok(Receipt::Repeat(first)));
    spool.close().await;
    let spool = rig.open();
    assert_eq!(spool.append(event("a", "body")).await, Ok(Receipt::Repeat(first)));
    assert_eq!(spool.status().pending, 0);
}

#[tokio::test]
async fn repeats_are_recognised_within_one_commit() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    faults.hold();
    let (one, other) = (event("a", "body"), event("a", "body"));
    let first = one.id;
    let let_go = async { faults.let_go() };
    let (one, other, ()) = tokio::join!(spool.append(one), spool.append(other), let_go);
    assert_eq!((one, other), (Ok(Receipt::Stored(first)), Ok(Receipt::Repeat(first))));
}

#[tokio::test]
async fn the_window_ends_at_its_length() {
    let rig = Rig::new();
    let spool = rig.open();
    let millis = |by: u64| NOON.plus(HOUR).plus(Duration::from_millis(by));
    let first = spool.append(event("a", "body")).await.unwrap().id();
    let inside = Timestamp::from_millis(millis(0).as_millis() - 1);
    let inside = spool.append(event_at(Some("a"), "body", inside)).await;
    assert_eq!(inside, Ok(Receipt::Repeat(first)));
    let outside = event_at(Some("a"), "body", millis(0));
    assert_eq!(spool.append(outside.clone()).await, Ok(Receipt::Stored(outside.id)));
}

#[tokio::test]
async fn a_window_of_zero_switches_it_off() {
    let mut rig = Rig::new();
    rig.settings.dedup_window = Duration::ZERO;
    let spool = rig.open();
    for _ in 0..2 {
        let event = event("a", "body");
        assert_eq!(spool.append(event.clone()).await, Ok(Receipt::Stored(event.id)));
    }
}

#[tokio::test]
async fn without_a_key_any_equal_event_of_the_route_counts() {
    let rig = Rig::new();
    let spool = rig.open();
    let keyless = |body| event_at(None, body, NOON);
    let first = spool.append(keyless("one")).await.unwrap().id();
    spool.append(keyless("two")).await.unwrap();
    assert_eq!(spool.append(keyless("one")).await, Ok(Receipt::Repeat(first)));
    let keyed = spool.append(event("one", "one")).await.unwrap();
    assert!(matches!(keyed, Receipt::Stored(_)));
    let elsewhere = Accepted { route: RouteName::from("clearing"), ..keyless("one") };
    assert!(matches!(spool.append(elsewhere).await, Ok(Receipt::Stored(_))));
    let leases = [spool.now(), spool.now()];
    assert!(leases.iter().all(Option::is_some), "no order without a key");
}

#[tokio::test]
async fn the_same_bytes_are_quarantined_once() {
    let rig = Rig::new();
    let spool = rig.open();
    let first = malformed("what?");
    assert_eq!(spool.quarantine(first.clone()).await, Ok(first.id));
    assert_eq!(spool.quarantine(malformed("what?")).await, Ok(first.id));
    let other = malformed("what else?");
    assert_eq!(spool.quarantine(other.clone()).await, Ok(other.id));
    assert_eq!(spool.status().quarantined, 2);
    assert_eq!(spool.status().pending, 0);
    assert_eq!(rig.ask("SELECT repeats FROM quarantine ORDER BY seq LIMIT 1"), 1);
}
