//! Damaged pages of a real file: what stands on them is passed over, and nothing else stops.

use super::salvage::{destroy, fill, leaf, leaves};
use super::*;

/// A file at rest with so many events in this state, each of its own key.
async fn settled(rig: &Rig, events: usize, verdict: Verdict) {
    let spool = rig.open();
    fill(&spool, events).await;
    let mut leases = Vec::new();
    for _ in 0..events {
        leases.push(spool.next().await);
    }
    for lease in leases {
        let status = if verdict == Verdict::Done { 200 } else { 500 };
        spool.settle(lease, attempt(status), verdict);
    }
    spool.close().await;
}

impl Spool {
    /// What the metrics tell of damage.
    fn damage(&self) -> String {
        let text = self.shared.telemetry.encode();
        text.lines().filter(|line| line.starts_with("postgate_spool_damage")).collect()
    }
}

/// Many at once: so that each commit has some of them.
async fn accepted(spool: &Spool, events: usize, body: &str) -> usize {
    let mut appends = tokio::task::JoinSet::new();
    for number in 0..events {
        let (spool, event) = (spool.clone(), event(&format!("new {number}"), body));
        appends.spawn(async move { spool.append(event).await.is_ok() });
    }
    appends.join_all().await.into_iter().filter(|accepted| *accepted).count()
}

#[tokio::test]
async fn a_damaged_page_of_attempts_stops_neither_acceptance_nor_outcomes() {
    let rig = Rig::new();
    settled(&rig, 300, Verdict::RetryAt(NOON)).await;
    destroy(&rig, leaf(&rig, "attempts"));
    let spool = rig.open();
    let mut leases = Vec::new();
    for _ in 0..300 {
        leases.push(spool.next().await);
    }
    for (number, lease) in leases.into_iter().enumerate() {
        spool.settle(lease, attempt(500), Verdict::RetryAt(NOON.plus(HOUR * 999_999)));
        let taken = spool.append(event(&format!("new {number}"), "body")).await;
        assert!(
            taken.is_ok() && spool.status().healthy,
            "{number}: {taken:?} {:?} {}",
            spool.status(),
            spool.damage()
        );
    }
    assert!(spool.shows("postgate_spool_healthy 1"));
    assert!(spool.shows("postgate_spool_commit_failures_total 0"));
    spool.close().await;
    assert_eq!(rig.ask("SELECT count(*) FROM events NOT INDEXED WHERE attempts = 2"), 300);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_written_is_set_aside_and_told() {
    let rig = Rig::new();
    settled(&rig, 1000, Verdict::RetryAt(NOON)).await;
    assert!(leaves(&rig, "pending") > 1);
    destroy(&rig, leaf(&rig, "pending"));
    let spool = rig.open();
    let mut outcomes = 0;
    while let Some(lease) = spool.lease_soon().await {
        spool.done(lease);
        outcomes += 1;
        let taken = spool.append(event(&format!("new {outcomes}"), "body")).await;
        assert!(
            taken.is_ok() && spool.status().healthy,
            "{outcomes} {taken:?} {:?}",
            spool.status()
        );
        if outcomes == 1000 {
            break;
        }
    }
    assert!(!spool.shows("postgate_spool_damage_passed_total{what=\"settlement\"} 0"));
    let delivered = rig.ask("SELECT count(*) FROM events NOT INDEXED WHERE state = 1");
    assert!((1..1000).contains(&delivered), "{delivered}");
}

#[tokio::test]
async fn what_cannot_expire_stops_nothing_that_can() {
    for table in ["bodies", "events", "settled", "attempts"] {
        let mut rig = Rig::new();
        settled(&rig, 300, Verdict::Done).await;
        let whole = leaves(&rig, table);
        destroy(&rig, leaf(&rig, table));
        rig.settings.keep_delivered = Duration::ZERO;
        rig.settings.dedup_window = Duration::ZERO;
        let spool = rig.open();
        // All that stand on whole pages go; those near the damaged one may have to stay, too.
        let most = 300 / whole * 3;
        let gone = async { until(|| rig.ask(LEFT) <= most).await };
        let gone = tokio::time::timeout(Duration::from_secs(5), gone).await;
        assert!(gone.is_ok(), "{table}: more than {most} of 300 left, {whole} pages");
        assert!(spool.status().healthy, "{table}");
        let told: &[&str] = match table {
            "settled" => &["oldest", "expiry"],
            "attempts" => &["attempt"],
            _ => &["expiry"],
        };
        for what in told {
            let counted = async { until(|| spool.damage().contains(what)).await };
            let counted = tokio::time::timeout(Duration::from_secs(5), counted).await;
            assert!(counted.is_ok(), "{table}: {what} is not in {}", spool.damage());
        }
        assert_eq!(accepted(&spool, 50, "body").await, 50, "{table}");
    }
}

/// The latest of a key is on the page, or what it followed, or neither.
#[tokio::test]
async fn whatever_page_of_events_is_damaged_a_return_is_no_repeat() {
    let swallows_none = |page: i64| async move {
        let rig = Rig::new();
        let spool = rig.open();
        spool.append(event("a", "PENDING")).await.unwrap();
        spool.done(spool.next().await);
        fill(&spool, 200).await;
        spool.close().await;
        // Another group of the index.
        rig.tamper("UPDATE events SET seq = 9000 WHERE seq = 201; UPDATE bodies SET seq = 9000 WHERE seq = 201");
        let spool = rig.open();
        let latest = spool.append(event("a", "REVERSED")).await.unwrap();
        assert_eq!(accepted(&spool, 200, "{}").await, 200);
        spool.close().await;
        let pages = leaves(&rig, "events");
        let sql =
            "SELECT pageno FROM dbstat WHERE pagetype = 'leaf' AND name = 'events' ORDER BY path";
        destroy(&rig, rig.ask(&format!("{sql} LIMIT 1 OFFSET {page}")));
        let returned = rig.open().append(event("a", "PENDING")).await;
        assert!(!matches!(returned, Ok(Receipt::Repeat(_))), "{page}: {returned:?}, {latest:?}");
        pages
    };
    let pages = swallows_none(0).await;
    assert!(pages > 3, "{pages}");
    for page in 1..pages {
        swallows_none(page).await;
    }
}

/// Answered by an index that is whole.
const LEFT: &str = "SELECT count(*) FROM events WHERE seq >> 13 = 0";

#[tokio::test]
async fn what_cannot_be_deleted_does_not_fill_the_spool() {
    let mut rig = Rig::new();
    settled(&rig, 300, Verdict::Done).await;
    destroy(&rig, leaf(&rig, "bodies"));
    rig.settings.max_bytes = 600_000;
    let spool = rig.open();
    let body = " ".repeat(2000);
    for number in 0..600 {
        let taken = spool.append(event(&format!("new {number}"), &body)).await;
        assert!(
            taken.is_ok() && spool.status().healthy,
            "{number}: {taken:?} {:?} {}",
            spool.status(),
            spool.damage()
        );
        spool.done(spool.next().await);
    }
}

#[tokio::test]
async fn room_is_made_behind_what_cannot_be_deleted() {
    let mut rig = Rig::new();
    settled(&rig, 1000, Verdict::Done).await;
    let whole = leaves(&rig, "settled");
    assert!(whole > 1, "the first of these holds more than is deleted at once: {whole}");
    destroy(&rig, leaf(&rig, "settled"));
    let spool = rig.open();
    rig.settings.max_bytes = spool.status().bytes;
    spool.close().await;
    let spool = rig.open();
    let taken = spool.append(event("new", "body")).await;
    assert!(taken.is_ok() && !spool.status().full, "{taken:?} {}", spool.damage());
    assert!(spool.damage().contains("what=\"expiry\"} "), "{}", spool.damage());
}

#[tokio::test]
async fn where_new_events_go_a_damaged_page_is_told_once_and_delivery_goes_on() {
    let rig = Rig::new();
    settled(&rig, 300, Verdict::RetryAt(NOON)).await;
    destroy(&rig, last_leaf(&rig, "bodies"));
    let spool = rig.open();
    for _ in 0..3 {
        assert_eq!(spool.append(event("new", "body")).await, Err(AppendError::Failed));
        assert!(!spool.status().healthy, "a heartbeat alone says nothing");
    }
    let mut delivered = 0;
    while let Some(lease) = spool.lease_soon().await {
        spool.done(lease);
        delivered += 1;
    }
    assert!(delivered > 0);
}

#[tokio::test]
async fn attempts_that_were_left_behind_hold_up_no_replay() {
    let rig = Rig::new();
    settled(&rig, 1, Verdict::Dead).await;
    rig.tamper(
        "INSERT INTO attempts SELECT 2, place, number, at, status, 'old', answer FROM attempts",
    );
    let spool = rig.open();
    let page = spool.page(Filter::default(), Place::default(), 9).await.unwrap();
    let convert = Convert::new(|_| Err("no".to_owned()));
    let replayed = spool.replay(vec![page.records[0].id], convert).await.unwrap();
    assert_eq!(replayed, [Operated::Replayed]);
    assert_eq!(rig.ask("SELECT count(*) FROM attempts WHERE outcome <> 'old'"), 1);
    assert_eq!(rig.ask("SELECT count(*) FROM attempts"), 1);
}

const NAMES: [&str; 2] = ["routes", "sqlite_autoindex_routes_1"];

#[tokio::test]
async fn where_routes_are_named_a_damaged_page_stops_no_known_one() {
    for table in NAMES {
        let rig = Rig::new();
        settled(&rig, 3, Verdict::Dead).await;
        let spool = rig.open();
        let malformed = spool.refuse(malformed("what?")).await.unwrap();
        spool.close().await;
        destroy(&rig, leaf(&rig, table));
        let spool = rig.open();
        for number in 0..3 {
            let new = Accepted { route: "new".into(), ..event("key", "body") };
            assert_eq!(spool.append(new).await, Err(AppendError::Failed), "{table}");
            let taken = spool.append(event(&format!("new {number}"), "body")).await;
            assert!(taken.is_ok() && spool.status().healthy, "{table}: {taken:?}");
        }
        assert!(spool.shows("postgate_spool_damage_passed_total{what=\"arrival\"} 3"));
        let convert = Convert::new(|_| Ok(Reread { key: None, body: Bytes::from_static(b"{}") }));
        let replayed = spool.replay(vec![malformed], convert).await.unwrap();
        assert_eq!(replayed, [Operated::Replayed], "{table}");
    }
}

#[tokio::test]
async fn where_no_route_can_be_named_nothing_is_accepted_and_that_is_told() {
    let rig = Rig::new();
    settled(&rig, 3, Verdict::Dead).await;
    for page in NAMES.map(|name| leaf(&rig, name)) {
        destroy(&rig, page);
    }
    let spool = rig.open();
    assert!(spool.status().healthy, "nothing has come yet");
    assert_eq!(spool.append(event("new", "body")).await, Err(AppendError::Failed));
    assert!(!spool.status().healthy);
}

fn last_leaf(rig: &Rig, name: &str) -> i64 {
    let sql = "SELECT pageno FROM dbstat WHERE pagetype = 'leaf' AND name =";
    rig.ask(&format!("{sql} '{name}' ORDER BY path DESC LIMIT 1"))
}

#[tokio::test]
async fn a_start_passes_over_what_is_damaged() {
    let pages = ["events", "pending", "latest", "settled", "bodies", "attempts", "routes"];
    for table in pages.into_iter().chain(["quarantine", "weight", "sqlite_autoindex_routes_1"]) {
        let rig = Rig::new();
        settled(&rig, 300, Verdict::RetryAt(NOON)).await;
        let spool = rig.open();
        for _ in 0..100 {
            spool.settle(spool.next().await, attempt(404), Verdict::Dead);
        }
        spool.refuse(malformed("what?")).await.unwrap();
        spool.close().await;
        destroy(&rig, leaf(&rig, table));
        let spool = rig.open();
        let status = spool.status();
        assert!((100..=200).contains(&status.pending), "{table}: {status:?}");
        assert!((20..=100).contains(&status.dead), "{table}: {status:?}");
        let mut delivered = 0;
        while delivered < 100
            && let Some(lease) = spool.lease_soon().await
        {
            spool.done(lease);
            delivered += 1;
        }
        assert_eq!(delivered, 100, "{table}");
    }
}

#[tokio::test]
async fn a_list_has_what_can_be_read() {
    let tables = [("attempts", 300), ("bodies", 300), ("routes", 300), ("events", 150)];
    for (table, least) in tables {
        let rig = Rig::new();
        settled(&rig, 300, Verdict::Dead).await;
        destroy(&rig, leaf(&rig, table));
        let spool = rig.open();
        let dead = Filter { states: vec![State::Dead], ..Filter::default() };
        let page = spool.page(dead, Place::default(), 1000).await.unwrap();
        assert!((least..=300).contains(&page.records.len()), "{table}: {}", page.records.len());
        assert_eq!(page.passed, u64::from(table == "events"), "{table}");
        let found = spool.stories(page.clone(), u64::MAX).await.unwrap();
        assert_eq!(found.stories.len() + found.unreadable.len(), page.records.len(), "{table}");
        assert_eq!(found.unreadable.is_empty(), table != "bodies", "{table}");
        assert_eq!(found.passed, page.passed, "{table}");
        let told =
            page.records.iter().filter(|record| record.reason.as_deref() == Some("as it goes"));
        let told = told.count();
        assert!((100..=300).contains(&told), "{table}: {told}");
        let whole = matches!(table, "routes" | "events");
        assert_eq!(
            told == page.records.len(),
            whole,
            "{table}: the others say that they are damaged"
        );
        // In pages, each begins where the one before ended.
        let (mut after, mut paged) = (Place::default(), 0);
        loop {
            let page = spool.page(Filter::default(), after, 7).await.unwrap();
            paged += page.records.len();
            let Some(next) = page.next else { break };
            after = next;
        }
        assert_eq!(paged, page.records.len(), "{table}");
        // What a list has can be named.
        let id = page.records[page.records.len() - 1].id;
        assert_eq!(spool.discard(vec![id]).await.unwrap(), [Operated::Dropped], "{table}");
    }
}

#[tokio::test]
async fn of_what_cannot_be_read_a_hundred_are_named_at_once() {
    let rig = Rig::new();
    settled(&rig, 201, Verdict::Dead).await;
    destroy(&rig, rig.ask("SELECT pageno FROM dbstat WHERE name = 'bodies' AND path = '/'"));
    let spool = rig.open();
    let (mut after, mut named) = (Some(Place::default()), Vec::new());
    while let Some(place) = after {
        let page = spool.page(Filter::default(), place, 1000).await.unwrap();
        let found = spool.stories(page, u64::MAX).await.unwrap();
        assert!(found.stories.is_empty());
        named.push(found.unreadable.len());
        after = found.next;
    }
    assert_eq!(named, [100, 100, 1]);
}

#[tokio::test]
async fn a_list_keeps_to_its_filter_beside_damage() {
    let rig = Rig::new();
    settled(&rig, 300, Verdict::Dead).await;
    let spool = rig.open();
    spool.append(event("late", "late")).await.unwrap();
    spool.refuse(malformed("what?")).await.unwrap();
    spool.close().await;
    destroy(&rig, leaf(&rig, "attempts"));
    let spool = rig.open();
    let count =
        async |filter| spool.page(filter, Place::default(), 1000).await.unwrap().records.len();
    assert_eq!(count(Filter::default()).await, 302);
    assert_eq!(count(Filter { states: vec![State::Dead], ..Filter::default() }).await, 300);
    assert_eq!(count(Filter { states: vec![State::Quarantined], ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { key: Some("7".to_owned()), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { route: Some(route()), ..Filter::default() }).await, 302);
    assert_eq!(count(Filter { route: Some("none".into()), ..Filter::default() }).await, 0);
    let later = NOON.plus(Duration::from_millis(1));
    assert_eq!(count(Filter { since: later, ..Filter::default() }).await, 0);
}
