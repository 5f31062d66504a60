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

/// Delivers what is next, or has it refused for good; what became of it is in the file.
async fn settle(spool: &Spool, verdict: Verdict) -> EventId {
    let lease = spool.next().await;
    let id = lease.id;
    spool.settle(lease, attempt(0), verdict);
    spool.append(event(&id.to_string(), "later")).await.unwrap();
    spool.done(spool.next().await);
    id
}

#[tokio::test]
async fn a_resend_after_a_refusal_is_tried_anew() {
    for key in [Some("a"), None] {
        let rig = Rig::new();
        let spool = rig.open();
        let append = async |body| spool.append(event_at(key, body, NOON)).await.unwrap();
        let first = append("PENDING").await;
        let dead = settle(&spool, Verdict::Dead).await;
        let again = append("PENDING").await;
        assert!(first.id() == dead && matches!(again, Receipt::Stored(_)), "{key:?}");
        assert_eq!(append("PENDING").await, Receipt::Repeat(again.id()), "while it waits");
        settle(&spool, Verdict::Done).await;
        assert_eq!(append("PENDING").await, Receipt::Repeat(again.id()), "and when it arrived");
        assert_eq!(spool.discard(vec![dead]).await.unwrap(), [Operated::Dropped]);
        assert_eq!(append("PENDING").await, Receipt::Repeat(again.id()));
    }
}

#[tokio::test]
async fn a_return_is_an_event_whatever_was_dropped_of_what_lies_between() {
    for (earlier, between) in [
        (Verdict::Done, Verdict::Done),
        (Verdict::Done, Verdict::Dead),
        (Verdict::Dead, Verdict::Done),
    ] {
        let rig = Rig::new();
        let spool = rig.open();
        let append = async |body| spool.append(event("a", body)).await.unwrap();
        append("PENDING").await;
        let first = settle(&spool, earlier).await;
        append("REVERSED").await;
        let dropped = settle(&spool, between).await;
        assert_eq!(spool.discard(vec![dropped]).await.unwrap(), [Operated::Dropped]);
        let case = format!("{earlier:?} {between:?}");
        let second = append("PENDING").await;
        assert!(matches!(second, Receipt::Stored(_)), "{case}");
        settle(&spool, Verdict::Done).await;
        // Replayed, the first is the latest: the upstream will see it as the last.
        assert_eq!(spool.discard(vec![second.id()]).await.unwrap(), [Operated::Dropped]);
        let convert = Convert::new(|_| Err("no".to_owned()));
        let replayed = spool.replay(vec![first], convert).await.unwrap();
        assert_eq!(replayed, [Operated::Replayed], "{case}");
        assert_eq!(append("PENDING").await, Receipt::Repeat(first), "{case}");
    }
}

/// What came after it elsewhere was lost or dropped there, or is here already.
#[tokio::test]
async fn a_return_to_what_was_imported_as_delivered_is_an_event() {
    let (from, to) = (Rig::new(), Rig::new());
    let spool = from.open();
    let first = spool.append(event("a", "PENDING")).await.unwrap().id();
    settle(&spool, Verdict::Done).await;
    let story = spool.find(first).await.unwrap().unwrap();
    assert_eq!(story.record.state, State::Delivered);
    let spool = to.open();
    let append = async |body| spool.append(event("a", body)).await.unwrap();
    append("REVERSED").await;
    settle(&spool, Verdict::Done).await;
    assert_eq!(spool.import(vec![story]).await.unwrap(), [Operated::Imported]);
    let returned = append("PENDING").await;
    assert!(matches!(returned, Receipt::Stored(_)), "{returned:?}");
    assert_eq!(append("PENDING").await, Receipt::Repeat(returned.id()));
    settle(&spool, Verdict::Done).await;
    // Replayed, it is what the upstream will see as the last.
    let convert = Convert::new(|_| Err("no".to_owned()));
    assert_eq!(spool.replay(vec![first], convert).await.unwrap(), [Operated::Replayed]);
    assert_eq!(append("PENDING").await, Receipt::Repeat(first));
}

#[tokio::test]
async fn a_clock_that_was_ahead_swallows_nothing_once_it_is_mended() {
    let rig = Rig::new();
    let spool = rig.open();
    let ahead = event_at(Some("a"), "body", NOON.plus(HOUR));
    spool.append(ahead.clone()).await.unwrap();
    let inside = NOON.plus(Duration::from_millis(1));
    let inside = spool.append(event_at(Some("a"), "body", inside)).await;
    assert_eq!(inside, Ok(Receipt::Repeat(ahead.id)));
    let mended = event("a", "body");
    assert_eq!(spool.append(mended.clone()).await, Ok(Receipt::Stored(mended.id)));
    assert_eq!(spool.append(event("a", "body")).await, Ok(Receipt::Repeat(mended.id)));
}

#[tokio::test]
async fn what_its_sender_sends_again_is_quarantined_once() {
    let rig = Rig::new();
    let spool = rig.open();
    let first = malformed("what?");
    assert_eq!(spool.refuse(first.clone()).await, Ok(first.id));
    assert_eq!(spool.refuse(malformed("what?")).await, Ok(first.id));
    let other = malformed("what else?");
    assert_eq!(spool.refuse(other.clone()).await, Ok(other.id));
    let late = Malformed { at: NOON.plus(HOUR * 24), ..malformed("what?") };
    assert_eq!(spool.refuse(late).await, Ok(first.id), "whatever came since, and whenever");
    assert_eq!(spool.status().quarantined, 2);
    assert_eq!(spool.status().pending, 0);
    assert_eq!(rig.ask("SELECT repeats FROM quarantine ORDER BY seq LIMIT 1"), 2);
    let last_at = rig.ask("SELECT last_at FROM quarantine ORDER BY seq LIMIT 1");
    assert_eq!(u64::try_from(last_at), Ok(NOON.plus(HOUR * 24).as_millis()));
}

#[tokio::test]
async fn what_its_sender_has_done_with_is_kept_as_often_as_it_comes_back() {
    let rig = Rig::new();
    let spool = rig.open();
    let keep = async |malformed| spool.quarantine(malformed, Told::Kept).await.unwrap();
    let all = ["PENDING", "REVERSED", "PENDING"].map(malformed);
    for one in &all {
        assert_eq!(keep(one.clone()).await, one.id);
    }
    // Those of other routes lie between no two of this one.
    keep(Malformed { route: RouteName::from("clearing"), ..malformed("PENDING") }).await;
    assert_eq!(keep(malformed("PENDING")).await, all[2].id, "a repeat of the latest");
    assert_eq!(spool.refuse(malformed("PENDING")).await, Ok(all[2].id), "the last of its equals");
    assert_eq!(spool.status().quarantined, 4);
    let convert = Convert::new(|malformed| {
        Ok(Reread { key: Some("a".to_owned()), body: malformed.received.body.clone() })
    });
    let ids = all.map(|one| one.id);
    spool.replay(ids.to_vec(), convert).await.unwrap();
    for (id, body) in ids.into_iter().zip(["PENDING", "REVERSED", "PENDING"]) {
        let lease = spool.next().await;
        assert_eq!((lease.id, &lease.body[..]), (id, body.as_bytes()));
        spool.done(lease);
    }
}

#[tokio::test]
async fn in_quarantine_the_window_ends_at_its_length_too() {
    let mut rig = Rig::new();
    let spool = rig.open();
    let keep = async |spool: &Spool, at| {
        let malformed = Malformed { id: EventId::new(at), at, ..malformed("what?") };
        (malformed.id, spool.quarantine(malformed, Told::Kept).await.unwrap())
    };
    let (first, _) = keep(&spool, NOON).await;
    let inside = Timestamp::from_millis(NOON.plus(HOUR).as_millis() - 1);
    assert_eq!(keep(&spool, inside).await.1, first);
    let (second, kept) = keep(&spool, NOON.plus(HOUR)).await;
    assert_eq!(second, kept);
    let (third, kept) = keep(&spool, NOON).await;
    assert_eq!(third, kept, "the clock was ahead");
    spool.close().await;
    rig.settings.dedup_window = Duration::ZERO;
    let (fourth, kept) = keep(&rig.open(), NOON).await;
    assert_eq!(fourth, kept, "never");
}
