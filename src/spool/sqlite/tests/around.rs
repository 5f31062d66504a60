//! A batch that meets damaged pages, written around them.

use std::io::{Seek as _, SeekFrom, Write as _};

use super::super::expire::MOST_ROWS;
use super::*;

/// Events of as many keys, in one batch.
fn arrivals(events: u32) -> Vec<Arrival> {
    let arrivals = (0..events).map(|number| {
        let Arrival::Event(event) = event(0, 1) else { unreachable!() };
        let key = KeyHash(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        Arrival::Event(NewEvent { key, ..event })
    });
    arrivals.collect()
}

fn expiring(at_most: u32) -> Batch<'static> {
    let expiry = Some(Expiry { delivered_by: at(u64::MAX), ahead_of: at(u64::MAX), at_most });
    Batch { expiry, ..batch(&[], &[]) }
}

/// Overwrites a page of this table or index in the closed file.
fn destroy(folder: &tempfile::TempDir, which: &str) {
    let path = folder.path().join("spool.db");
    let connection = Connection::open(&path).unwrap();
    let sql = format!("SELECT pageno FROM dbstat WHERE pagetype = 'leaf' AND {which} LIMIT 1");
    let page: u32 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    drop(connection);
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(u64::from(page - 1) * 8192)).unwrap();
    file.write_all(&[0xa5; 8192]).unwrap();
}

/// A spool with this many events, of which the last `settled` are delivered, and a destroyed page.
fn damaged(events: u32, settled: u32, which: &str) -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = new(&folder);
    store.apply(&batch(&[], &arrivals(events))).unwrap();
    let settled: Vec<_> =
        (events - settled..events).map(|seq| done(i64::from(seq) + 1, 1)).collect();
    store.apply(&batch(&settled, &[])).unwrap();
    store.close().unwrap();
    drop(store);
    destroy(&folder, which);
    let (store, _) = new(&folder);
    (folder, store)
}

#[test]
fn what_comes_around_damage_is_written_once_and_in_order() {
    let (_folder, mut store) = damaged(2000, 0, "name = 'latest'");
    let settled: Vec<_> = (1..=500).map(|seq| done(seq, 1)).collect();
    let coming = arrivals(500);
    let applied = store.apply(&batch(&settled, &coming)).unwrap();
    assert_eq!((applied.settled, applied.written.len()), (500, 500));
    let stored = applied.written.iter().filter_map(|written| match written {
        Written::Stored(Seq(seq)) => Some(*seq),
        _ => None,
    });
    let stored: Vec<_> = stored.collect();
    let unwritable = applied.written.iter().filter(|one| **one == Written::Unwritable).count();
    assert!((17..480).contains(&unwritable), "more than one transaction leaves out: {unwritable}");
    assert_eq!(stored.len() + unwritable, 500);
    let expected = 2001..2001 + i64::try_from(stored.len()).unwrap();
    assert_eq!(stored, expected.collect::<Vec<_>>());
    assert_eq!(left(&store).len(), 2000 + stored.len());
    let told = applied.passed.pieces.iter().filter(|what| **what == "arrival").count();
    assert_eq!(told, unwritable);
    let sql = "SELECT count(*) FROM events NOT INDEXED WHERE state = 1";
    assert_eq!(store.number(sql), Ok(500), "that stand on other pages");
}

#[test]
fn what_is_durable_is_told_when_the_rest_fails() {
    let (_folder, mut store) = damaged(2000, 0, "name = 'latest'");
    let mut coming = arrivals(500);
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON bodies WHEN new.body = x'63'
                  BEGIN SELECT RAISE(ABORT, 'no'); END";
    store.connection.execute_batch(refuse).unwrap();
    if let Some(Arrival::Event(last)) = coming.last_mut() {
        last.body = Bytes::from_static(b"c");
    }
    let applied = store.apply(&batch(&[], &coming)).unwrap();
    let stored = applied.written.iter().filter(|one| matches!(one, Written::Stored(_))).count();
    assert!((1..500).contains(&applied.written.len()) && stored > 0);
    assert_eq!(left(&store).len(), 2000 + stored);
    let rest = store.apply(&batch(&[], &coming[applied.written.len()..]));
    assert!(matches!(rest, Err(StoreError::Write(_))), "asked for again, it tells");
}

#[test]
fn nothing_is_rewritten_for_each_damaged_piece() {
    let (_folder, mut store) = damaged(500, 500, "name = 'attempts'");
    let before = store.connection.total_changes();
    let applied = store.apply(&expiring(500)).unwrap();
    assert_eq!((applied.expired, applied.passed.pieces.len()), (500, 500));
    // Each event, its body, and the heartbeats.
    let changes = store.connection.total_changes() - before;
    assert!(changes <= 2 * 500 * 17, "{changes}");
}

#[test]
fn without_its_index_expiry_reads_so_much_at_once_and_goes_on_there() {
    let pending = u32::try_from(MOST_ROWS).unwrap();
    let (_folder, mut store) = damaged(pending + 1000, 1000, "name = 'settled'");
    let mut expire = || {
        let applied = store.apply(&expiring(1000)).unwrap();
        (applied.expired, applied.expires_more, applied.passed.pieces)
    };
    assert_eq!(expire(), (0, true, vec!["oldest"]));
    let (expired, more, stuck) = expire();
    assert!(more && (100..900).contains(&expired), "{expired}");
    assert_eq!(stuck, vec!["expiry"; 1000 - usize::try_from(expired).unwrap()]);
    assert_eq!(expire(), (0, false, vec![]), "the table ends there");
    assert_eq!(expire(), (0, true, vec![]), "and what is stuck is not tried again");
}
