mod around;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use super::super::digest::{Fingerprint, KeyHash};
use super::super::event::{EventId, RouteName};
use super::super::lease::{Attempt, Verdict};
use super::super::store::{
    Arrival, Bodies as _, Expiry, History, NewEvent, Order, Seq, Settlement, Share, Written,
};
use super::start::{COUNT_DEAD, COUNT_PENDING, COUNT_QUARANTINED, PENDING};
use super::*;

fn new(folder: &tempfile::TempDir) -> (SqliteStore, SqliteBodies) {
    let path: PathBuf = folder.path().join("spool.db");
    let (store, bodies, _) = open(&path).unwrap();
    (store, bodies)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn event(key: u8, accepted: u64) -> Arrival {
    Arrival::Event(NewEvent {
        id: EventId::new(at(accepted)),
        route: RouteName::from("actions"),
        key: KeyHash([key; 8]),
        order: Order::Keyed,
        fingerprint: Fingerprint([key; 16]),
        at: at(accepted),
        window: Duration::ZERO,
        body: Bytes::from(vec![key; 10]),
        received: None,
    })
}

fn done(seq: i64, settled: u64) -> Settlement {
    Settlement {
        seq: Seq(seq),
        attempts: 1,
        attempt: Attempt {
            at: at(settled),
            status: Some(200),
            outcome: String::new(),
            answer: Bytes::new(),
        },
        verdict: Verdict::Done,
    }
}

fn batch<'a>(settlements: &'a [Settlement], arrivals: &'a [Arrival]) -> Batch<'a> {
    let quarantine = Share::default();
    Batch { settlements, arrivals, expiry: None, history: History::Whole, quarantine }
}

/// The event numbers that are left.
fn left(store: &SqliteStore) -> Vec<i64> {
    let mut select = store.connection.prepare("SELECT seq FROM bodies ORDER BY seq").unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_was_delivered_expires_at_its_time_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = new(&folder);
    let arrivals: Vec<_> = (1..=5).map(|key| event(key, 1)).collect();
    store.apply(&batch(&[], &arrivals)).unwrap();
    let settled = [done(1, 102), done(2, 101), done(3, 100), done(4, 99)];
    store.apply(&batch(&settled, &[])).unwrap();
    let mut expire = |delivered_by, at_most| {
        let (delivered_by, ahead_of) = (at(delivered_by), at(u64::MAX));
        let expiry = Some(Expiry { delivered_by, ahead_of, at_most });
        let applied = store.apply(&Batch { expiry, ..batch(&[], &[]) });
        (applied.unwrap().expired, left(&store))
    };
    assert_eq!(expire(100, 1), (1, vec![1, 2, 3, 5]), "the oldest first, no more than asked");
    assert_eq!(expire(100, 9), (1, vec![1, 2, 5]));
    assert_eq!(expire(u64::MAX, 9), (2, vec![5]), "never what is undelivered");
}

#[test]
fn what_a_clock_ahead_of_its_time_has_delivered_expires_too() {
    for without_index in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = new(&folder);
        if without_index {
            store.expiring.leave(damage::Piece::Oldest);
        }
        let arrivals: Vec<_> = (1..=5).map(|key| event(key, 1)).collect();
        store.apply(&batch(&[], &arrivals)).unwrap();
        let settled = [done(1, 100), done(2, 101), done(3, 200), done(4, 201)];
        store.apply(&batch(&settled, &[])).unwrap();
        let mut expire = |at_most| {
            let expiry = Some(Expiry { delivered_by: at(100), ahead_of: at(200), at_most });
            let applied = store.apply(&Batch { expiry, ..batch(&[], &[]) });
            (applied.unwrap().expired, left(&store))
        };
        assert_eq!(expire(1), (1, vec![2, 3, 4, 5]), "the oldest first, no more than asked");
        assert_eq!(expire(9), (1, vec![2, 3, 5]), "and never what is undelivered");
    }
}

#[test]
fn what_expires_before_what_it_followed_was_the_latest_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = new(&folder);
    let arriving = |body| {
        let Arrival::Event(event) = event(1, 1) else { unreachable!() };
        let (fingerprint, window) = (Fingerprint([body; 16]), Duration::from_secs(1));
        [Arrival::Event(NewEvent { fingerprint, window, ..event })]
    };
    let mut apply = |settlements: &[_], arrivals: &[_], expiry| {
        let batch = Batch { expiry, ..batch(settlements, arrivals) };
        store.apply(&batch).unwrap().written.pop()
    };
    for (seq, body) in [(1, 1), (2, 2)] {
        assert_eq!(apply(&[], &arriving(body), None), Some(Written::Stored(Seq(seq))));
    }
    // By a clock that was set back in between.
    let settled = [done(1, 101), done(2, 100)];
    let expiry = Expiry { delivered_by: at(100), ahead_of: at(200), at_most: 9 };
    apply(&settled, &[], Some(expiry));
    let returned = apply(&[], &arriving(1), None);
    assert!(matches!(returned, Some(Written::Stored(_))), "{returned:?}");
    assert_eq!(left(&store), [1, 2], "a number is given out again");
}

#[test]
fn a_failed_batch_leaves_nothing_and_the_next_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = new(&folder);
    let block =
        "CREATE TRIGGER block BEFORE INSERT ON bodies WHEN new.body = x'02020202020202020202'
                 BEGIN SELECT RAISE(ABORT, 'no'); END";
    store.connection.execute_batch(block).unwrap();
    let failed = store.apply(&batch(&[], &[event(1, 1), event(2, 1)]));
    assert!(matches!(failed, Err(StoreError::Write(_))));
    assert!(left(&store).is_empty());
    let applied = store.apply(&batch(&[], &[event(3, 1)])).unwrap();
    assert_eq!(applied.written, [Written::Stored(Seq(1))]);
    let mut routes = Vec::new();
    store.pending(&mut |pending| routes.push(pending.route)).unwrap();
    assert_eq!(routes, [RouteName::from("actions")], "its number was given out again");
}

#[test]
fn every_lookup_has_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = new(&folder);
    let plan = |sql: &str| -> String {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let mut statement = store.connection.prepare(&explain).unwrap();
        for parameter in 1..=statement.parameter_count() {
            statement.raw_bind_parameter(parameter, 1).unwrap();
        }
        let mut rows = statement.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get::<_, String>(3).unwrap());
        }
        plan.join("; ")
    };
    assert_eq!(plan(PENDING), "SCAN events USING COVERING INDEX pending");
    let latest = "SEARCH events USING INDEX latest (<expr>=? AND key=? AND rowid<?)";
    assert_eq!(plan(repeats::LATEST), latest);
    let equal = "SEARCH quarantine USING COVERING INDEX equal (fingerprint=?)";
    assert_eq!(plan(quarantine::EQUAL), equal);
    let newest = "SEARCH quarantine USING COVERING INDEX newest (route=?)";
    assert_eq!(plan(quarantine::NEWEST), newest);
    let expired = plan(expire::EXPIRED);
    for range in ["<", ">"] {
        let search =
            format!("SEARCH events USING COVERING INDEX settled (state=? AND settled{range}?)");
        assert!(expired.contains(&search), "{expired}");
    }
    assert!(!expired.contains("TEMP B-TREE"), "{expired}");
    for (sql, index) in [(COUNT_PENDING, "pending"), (COUNT_DEAD, "settled")] {
        assert!(plan(sql).contains(&format!("USING COVERING INDEX {index}")), "{}", plan(sql));
    }
    assert!(plan(COUNT_QUARANTINED).contains("USING COVERING INDEX"));
}

#[test]
fn a_commit_waits_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = new(&folder);
    let pragma = |name| {
        let value = store.connection.pragma_query_value(None, name, |row| {
            row.get_ref(0).map(|value| match value {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                value => value.as_str().unwrap().to_owned(),
            })
        });
        value.unwrap()
    };
    // 2: FULL, 2: incremental. https://sqlite.org/pragma.html
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2");
    assert_eq!(pragma("auto_vacuum"), "2");
    assert_eq!(pragma("page_size"), "8192");
}

#[test]
fn bodies_come_back_and_what_is_missing_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, bodies) = new(&folder);
    store.apply(&batch(&[], &[event(1, 7), event(2, 8)])).unwrap();
    let loaded = bodies.load(&[Seq(2), Seq(9), Seq(1)]).unwrap();
    let found: Vec<_> = loaded.iter().map(|(seq, stored)| (seq.0, stored.accepted)).collect();
    assert_eq!(found, [(2, at(8)), (1, at(7))]);
    assert_eq!(loaded[0].1.body, Bytes::from(vec![2; 10]));
}

#[test]
fn freed_pages_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = new(&folder);
    let empty = store.bytes().unwrap();
    let arrivals: Vec<_> = (1..=200).map(|key| event(key, 1)).collect();
    store.apply(&batch(&[], &arrivals)).unwrap();
    let filled = store.bytes().unwrap();
    assert!(filled > empty);
    let settled: Vec<_> = (1..=200).map(|seq| done(seq, 1)).collect();
    let expiry = Some(Expiry { delivered_by: at(1), ahead_of: at(u64::MAX), at_most: 200 });
    let applied = store.apply(&Batch { expiry, ..batch(&settled, &[]) });
    assert_eq!(applied.unwrap().expired, 200);
    assert!(store.bytes().unwrap() < filled);
}
