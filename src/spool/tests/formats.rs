//! Files of earlier versions.

use super::salvage::{destroy, leaf};
use super::*;

const FORMAT_1: &str = include_str!("format-1.sql");

/// Every column and every index, as the engine sees them: how a table was written down, or came
/// about, does not matter.
const SHAPE: &str = "
SELECT group_concat(line, '
') FROM (
    SELECT t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk || ' '
        || coalesce(c.dflt_value, '-') AS line
    FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'
    UNION ALL
    SELECT coalesce(sql, name) FROM sqlite_schema WHERE type = 'index'
    ORDER BY line)";

fn shape(rig: &Rig) -> String {
    let connection = rusqlite::Connection::open(&rig.settings.path).unwrap();
    connection.query_row(SHAPE, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_file_of_the_first_version_becomes_one_of_this() {
    let (old, new) = (Rig::new(), Rig::new());
    old.tamper(FORMAT_1);
    old.open().close().await;
    new.open().close().await;
    assert_eq!(shape(&old), shape(&new), "the same columns in the same order, the same indexes");
    let format = "SELECT user_version FROM pragma_user_version";
    assert_eq!(old.ask(format), new.ask(format));
}

#[tokio::test]
async fn everything_in_a_file_of_the_first_version_is_still_there() {
    let rig = Rig::new();
    rig.tamper(FORMAT_1);
    let spool = rig.open();
    let found = spool.verify().await.unwrap();
    assert_eq!((found.counts, found.problems), ([1, 1, 1, 1], Vec::new()));
    // A byte of a body, a reason of 21, and what every row takes.
    assert_eq!(spool.status().quarantine_bytes, 256 + 1 + 21);
    let listed = spool.page(Filter::default(), Place::default(), 10).await.unwrap();
    let listed = listed.records.iter().map(|record| (record.state, record.repeats));
    let states = [State::Delivered, State::Dead, State::Pending, State::Quarantined];
    assert!(listed.eq(states.into_iter().zip([2, 0, 0, 3])));
    let dead = "018bcfe5-6800-7000-8000-00000000000b".parse().unwrap();
    match spool.find(dead).await.unwrap().unwrap().contents {
        Contents::Event { body, attempts, .. } => {
            assert_eq!(&body[..], br#"{"n":"2"}"#);
            let statuses = attempts.iter().map(|(number, attempt)| (*number, attempt.status));
            assert!(statuses.eq([(1, Some(503)), (2, Some(404))]));
        }
        Contents::Malformed(_) => panic!("it is an event"),
    }
    let pending = spool.next().await;
    assert_eq!((&pending.body[..], pending.attempt), (&br#"{"n":"3"}"#[..], 2));
    spool.done(pending);
    spool.append(event("new", "body")).await.unwrap();
}

#[tokio::test]
async fn quarantine_keeps_every_row_as_it_is_and_takes_the_same_once_more() {
    let rig = Rig::new();
    rig.tamper(FORMAT_1);
    rig.tamper(
        "INSERT INTO quarantine VALUES (9, x'018bcfe568007000800000000000000e', 1, 1700000000001,
             'why', 'PUT', x'61', x'62', x'63', x'0e0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d', 4, 1700000009999)",
    );
    let same = "INSERT INTO quarantine (id, route, at, reason, method, body, fingerprint, last_at)
                SELECT randomblob(16), route, at, reason, method, body, fingerprint, last_at
                FROM quarantine WHERE seq = 9";
    let row = |connection: &rusqlite::Connection| -> String {
        let columns = "seq || hex(id) || route || at || reason || method || hex(content_type)
            || hex(query) || hex(body) || hex(fingerprint) || repeats || last_at";
        let sql =
            format!("SELECT group_concat({columns}) FROM (SELECT * FROM quarantine ORDER BY seq)");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let connection = rusqlite::Connection::open(&rig.settings.path).unwrap();
    let before = row(&connection);
    connection.execute_batch(same).unwrap_err();
    rig.open().close().await;
    assert_eq!(row(&connection), before);
    assert!(before.starts_with("1018BCFE5") && before.contains(",9018BCFE5"), "{before}");
    let rest =
        "SELECT count(*) FROM quarantine WHERE client = '' AND headers = x'' AND format IS NULL
                AND bytes = 256 + length(body) + coalesce(length(query), 0)
                    + coalesce(length(content_type), 0) + length(reason)";
    assert_eq!(rig.ask(rest), 2);
    connection.execute_batch(same).unwrap();
}

#[tokio::test]
async fn an_earlier_file_that_is_too_damaged_to_be_brought_up_to_date_says_so_and_stays_as_it_is() {
    let rig = Rig::new();
    rig.tamper(&format!("PRAGMA page_size = 8192; {FORMAT_1}"));
    rig.tamper(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 999)
             INSERT INTO events (id, route, key, ordered, fingerprint, accepted)
             SELECT randomblob(16), 1, n, 1, randomblob(16), 0 FROM n;
         INSERT INTO bodies SELECT seq, x'7b7d' FROM events WHERE seq NOT IN (SELECT seq FROM bodies)",
    );
    destroy(&rig, leaf(&rig, "events"));
    match Spool::open(&rig.settings, Arc::default()).unwrap_err() {
        OpenError::Engine { source, .. } => assert_eq!(source.fault(), Fault::Damaged),
        other => panic!("{other}"),
    }
    assert_eq!(rig.ask("SELECT user_version FROM pragma_user_version"), 1);
    let found = Spool::salvage(&rig.settings.path, &mut |_| Ok(())).unwrap();
    assert!(found.saved > 800 && found.passed > 0, "{found:?}");
}
