//! The operator's hands on an open spool.

use super::*;

fn convert() -> Convert {
    Convert::new(|malformed| match &malformed.received.body[..] {
        b"mended" => Ok(Reread { key: Some("a".to_owned()), body: Bytes::from_static(b"{}") }),
        _ => Err("still not".to_owned()),
    })
}

fn states(states: &[State]) -> Filter {
    Filter { states: states.to_vec(), ..Filter::default() }
}

impl Spool {
    async fn all(&self, filter: Filter) -> Vec<Record> {
        self.page(filter, Place::default(), 100).await.unwrap().records
    }

    async fn fail_for_good(&self) -> EventId {
        let lease = self.next().await;
        let id = lease.id;
        self.settle(lease, attempt(404), Verdict::Dead);
        id
    }
}

/// One event in each state: delivered, dead, pending, quarantined.
async fn filled(spool: &Spool) {
    for key in ["delivered", "dead", "pending"] {
        spool.append(event(key, key)).await.unwrap();
    }
    spool.refuse(malformed("what?")).await.unwrap();
    spool.done(spool.next().await);
    spool.fail_for_good().await;
    // What is settled is written with the next commit.
    spool.append(event("late", "late")).await.unwrap();
}

#[tokio::test]
async fn a_list_has_each_event_in_its_state_and_goes_on_where_it_ended() {
    let rig = Rig::new();
    let spool = rig.open();
    filled(&spool).await;
    let words = |records: &[Record]| {
        let words: Vec<_> = records.iter().map(|record| record.state.as_str()).collect();
        words.join(" ")
    };
    let all = spool.all(Filter::default()).await;
    assert_eq!(words(&all), "delivered dead pending pending quarantined");
    assert_eq!(all[1].reason.as_deref(), Some("as it goes"));
    assert_eq!((all[1].status, all[1].bytes, all[1].settled), (Some(404), 4, Some(NOON)));

    let mut after = Place::default();
    let mut pages = Vec::new();
    loop {
        let page = spool.page(Filter::default(), after, 2).await.unwrap();
        pages.push(words(&page.records));
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!(pages, ["delivered dead", "pending pending", "quarantined"]);
    let exact = spool.page(Filter::default(), Place::default(), 5).await.unwrap();
    assert!(exact.next.is_none(), "nothing follows a page that is just full");
}

#[tokio::test]
async fn a_list_keeps_to_its_filter() {
    let rig = Rig::new();
    let spool = rig.open();
    filled(&spool).await;
    let other = RouteName::from("clearings");
    let foreign = Accepted { route: other.clone(), ..event("dead", "other") };
    spool.append(foreign).await.unwrap();
    let count = async |filter| spool.all(filter).await.len();
    assert_eq!(count(states(&[State::Dead])).await, 1);
    assert_eq!(count(states(&[State::Dead, State::Quarantined])).await, 2);
    let key = Filter { key: Some("dead".to_owned()), ..Filter::default() };
    assert_eq!(count(key.clone()).await, 2, "the same key on two routes");
    assert_eq!(count(Filter { route: Some(route()), ..key.clone() }).await, 1);
    assert_eq!(count(Filter { route: Some(RouteName::from("none")), ..key }).await, 0);
    assert_eq!(count(Filter { route: Some(other), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { since: NOON, ..Filter::default() }).await, 6);
    let later = NOON.plus(Duration::from_millis(1));
    assert_eq!(count(Filter { since: later, ..Filter::default() }).await, 0);
}

#[tokio::test]
async fn an_event_tells_its_story() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    let first = spool.next().await;
    let id = first.id;
    let tried = Attempt { at: NOON.plus(HOUR), answer: "no".into(), ..attempt(500) };
    spool.settle(first, tried.clone(), Verdict::RetryAt(NOON));
    spool.fail_for_good().await;
    spool.append(event("b", "late")).await.unwrap();
    let story = spool.find(id).await.unwrap().unwrap();
    assert_eq!(story.record.state, State::Dead);
    let Contents::Event { body, attempts, .. } = story.contents else { panic!("an event") };
    assert_eq!(&body[..], b"body");
    assert_eq!(attempts, [(2, attempt(404)), (1, tried)]);

    let id = spool.refuse(malformed("what?")).await.unwrap();
    let story = spool.find(id).await.unwrap().unwrap();
    let Contents::Malformed(malformed) = story.contents else { panic!("raw") };
    assert_eq!(malformed.received, received("what?"));
    assert!(spool.find(EventId::new(NOON)).await.unwrap().is_none());
}

#[tokio::test]
async fn stories_come_in_portions() {
    let rig = Rig::new();
    let spool = rig.open();
    for body in ["four", "five5", "six"] {
        spool.append(Accepted { received: None, ..event(body, body) }).await.unwrap();
    }
    let portion = async |most_bytes| {
        let page = spool.page(Filter::default(), Place::default(), 100).await.unwrap();
        let found = spool.stories(page, most_bytes).await.unwrap();
        (found.stories.len(), found.next)
    };
    assert_eq!(portion(0).await, (1, Some(Place::Event(1))));
    assert_eq!(portion(9).await, (2, Some(Place::Event(2))));
    assert_eq!(portion(10).await, (3, None));
    spool.append(event("a", "four")).await.unwrap();
    spool.append(event("b", "four")).await.unwrap();
    let with_request = 12 + 4 + u64::try_from(received("as it came").bytes()).unwrap();
    assert_eq!(portion(with_request).await, (4, Some(Place::Event(4))));
    assert_eq!(portion(with_request + 1).await, (5, None));
}

#[tokio::test]
async fn a_replayed_event_keeps_its_id_counts_anew_and_is_no_repeat() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "one")).await.unwrap();
    let dead = spool.fail_for_good().await;
    spool.append(event("a", "two")).await.unwrap();
    let held = spool.next().await;
    assert_eq!(spool.replay(vec![dead], convert()).await.unwrap(), [Operated::Replayed]);
    assert_eq!((spool.status().pending, spool.status().dead), (2, 0));
    assert!(spool.now().is_none(), "it waits for the earlier one of its key");
    spool.done(held);
    let again = spool.next().await;
    assert_eq!((again.id, again.attempt, &again.body[..]), (dead, 1, &b"one"[..]));
    assert_eq!(
        spool.replay(vec![dead, EventId::new(NOON)], convert()).await.unwrap(),
        [Operated::Undelivered, Operated::Unknown]
    );
    spool.done(again);
    // Delivered, and asked for once more.
    assert_eq!(spool.replay(vec![dead], convert()).await.unwrap(), [Operated::Replayed]);
    assert_eq!(spool.all(states(&[State::Pending])).await[0].replays, 2);
    spool.close().await;
    let spool = rig.open();
    assert_eq!(spool.next().await.id, dead, "a restart changes nothing");
}

#[tokio::test]
async fn the_age_of_a_replayed_event_counts_from_its_replay() {
    let rig = Rig::new();
    let spool = rig.open();
    spool.append(event("a", "one")).await.unwrap();
    let first = spool.next().await;
    assert_eq!((first.accepted, first.since), (NOON, NOON));
    let dead = first.id;
    spool.settle(first, attempt(410), Verdict::Dead);
    let raw = spool.refuse(malformed("mended")).await.unwrap();
    let asked = crate::clock::now();
    let replayed = spool.replay(vec![dead, raw], convert()).await.unwrap();
    assert_eq!(replayed, [Operated::Replayed, Operated::Replayed]);
    for id in [dead, raw] {
        let again = spool.next().await;
        assert_eq!((again.id, again.accepted), (id, NOON));
        assert!(again.since >= asked, "{:?}", again.since);
        spool.done(again);
    }
}

#[tokio::test]
async fn what_is_in_quarantine_is_converted_again() {
    let rig = Rig::new();
    let spool = rig.open();
    let bad = spool.refuse(malformed("bad")).await.unwrap();
    let good = spool.refuse(malformed("mended")).await.unwrap();
    let outcomes = spool.replay(vec![bad, good], convert()).await.unwrap();
    assert_eq!(outcomes, [Operated::NotUnderstood("still not".to_owned()), Operated::Replayed]);
    assert_eq!((spool.status().pending, spool.status().quarantined), (1, 1));
    let lease = spool.next().await;
    assert_eq!((lease.id, &lease.body[..]), (good, &b"{}"[..]));
}

#[tokio::test]
async fn dropping_deletes_all_of_an_event_but_nothing_undelivered() {
    let rig = Rig::new();
    let spool = rig.open();
    filled(&spool).await;
    let ids: Vec<_> = spool.all(Filter::default()).await.iter().map(|record| record.id).collect();
    let outcomes = spool.discard(ids).await.unwrap();
    let (gone, left) = (Operated::Dropped, Operated::Undelivered);
    assert_eq!(outcomes, [gone.clone(), gone.clone(), left.clone(), left, gone]);
    let status = spool.status();
    assert_eq!((status.pending, status.dead, status.quarantined), (2, 0, 0));
    assert_eq!(rig.ask("SELECT count(*) FROM bodies"), 2);
    assert_eq!(rig.ask("SELECT count(*) FROM attempts"), 0);
    assert!(spool.shows("postgate_spool_operated_total{operation=\"drop\"} 3"));
}

#[tokio::test]
async fn nothing_is_changed_while_the_disk_fails() {
    let rig = Rig::new();
    let (spool, faults) = rig.open_faulty();
    spool.append(event("a", "body")).await.unwrap();
    spool.append(event("b", "body")).await.unwrap();
    let dead = spool.fail_for_good().await;
    spool.append(event("c", "late")).await.unwrap();
    let other = spool.next().await;
    let delivered = other.id;
    faults.fail_writes(true);
    let failed = spool.replay(vec![dead], convert()).await;
    assert!(matches!(failed, Err(OperateError::Store(_))), "{failed:?}");
    spool.done(other);
    let failed = spool.discard(vec![dead]).await;
    assert!(matches!(failed, Err(OperateError::Failing)), "{failed:?}");
    assert_eq!(spool.status().dead, 1);
    faults.fail_writes(false);
    assert_eq!(spool.discard(vec![dead]).await.unwrap(), [Operated::Dropped]);
    spool.close().await;
    let closed = spool.discard(vec![delivered]).await;
    assert!(matches!(closed, Err(OperateError::Closed)), "{closed:?}");
}

#[tokio::test]
async fn verifying_counts_and_finds_damage() {
    let rig = Rig::new();
    let spool = rig.open();
    filled(&spool).await;
    let good = spool.verify().await.unwrap();
    assert_eq!((good.counts, good.problems), ([2, 1, 1, 1], Vec::<String>::new()));
    rig.tamper(
        "DELETE FROM bodies WHERE seq = 3; INSERT INTO bodies (seq, body) VALUES (99, x'00')",
    );
    let bad = spool.verify().await.unwrap();
    assert_eq!(bad.problems, ["events without a body: 1", "bodies without an event: 1"]);
}

#[tokio::test]
async fn verifying_holds_the_file_against_each_rule() {
    let rules = [
        (
            "INSERT INTO attempts (seq, place, number, at, outcome) VALUES (99, 0, 0, 0, '')",
            "attempts without an event: 1",
        ),
        ("UPDATE events SET route = 99 WHERE state = 2", "events of no route: 1"),
        ("UPDATE events SET state = 7 WHERE state = 2", "events in no known state: 1"),
        ("UPDATE events SET settled = NULL WHERE state = 2", "settled events without a time: 1"),
        ("UPDATE events SET settled = 1 WHERE seq = 3", "settled events without a time: 1"),
    ];
    for (broken, told) in rules {
        let rig = Rig::new();
        let spool = rig.open();
        filled(&spool).await;
        rig.tamper(broken);
        assert_eq!(spool.verify().await.unwrap().problems, [told], "{broken}");
    }
}
