//! The formats of the file, and the way from each to the next: a file of an earlier version is
//! brought up to date when it is opened, in one transaction, so that it is whole in its old format
//! or in the new one.
//!
//! To change the format: change `SCHEMA` in `schema.rs`, which makes new files, and add the step
//! that does the same to a file in use. A new column goes to the end of its table. A test makes a
//! file of format 1, brings it here, and compares.

use rusqlite::{Connection, TransactionBehavior};

/// Of format 1, 2, 3 … each makes the next. Never changed once it was released: files of every
/// earlier format are out there.
const STEPS: [&str; 6] = [
    // 2: what the upstream said, beside what happened.
    "ALTER TABLE attempts ADD COLUMN answer BLOB;",
    // 3: what explains a request in quarantine, and what all of them take.
    "ALTER TABLE quarantine ADD COLUMN client TEXT NOT NULL DEFAULT '';
     ALTER TABLE quarantine ADD COLUMN headers BLOB NOT NULL DEFAULT x'';
     ALTER TABLE quarantine ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
     UPDATE quarantine SET bytes = 256 + length(body) + coalesce(length(query), 0)
         + coalesce(length(content_type), 0) + length(reason);
     CREATE INDEX weight ON quarantine (bytes);",
    // 4: what an event was made of.
    "ALTER TABLE bodies ADD COLUMN client TEXT;
     ALTER TABLE bodies ADD COLUMN method TEXT;
     ALTER TABLE bodies ADD COLUMN content_type BLOB;
     ALTER TABLE bodies ADD COLUMN query BLOB;
     ALTER TABLE bodies ADD COLUMN headers BLOB;
     ALTER TABLE bodies ADD COLUMN format TEXT;
     ALTER TABLE bodies ADD COLUMN received BLOB;
     ALTER TABLE quarantine ADD COLUMN format TEXT;",
    // 5: what is written at once lies together.
    "DROP INDEX latest;
     CREATE INDEX latest ON events (seq >> 13, key);",
    // 6: from when its age counts.
    "ALTER TABLE events ADD COLUMN since INTEGER;",
    // 7: what is not the latest of its key, whatever is left; and in quarantine the same bytes more
    // than once, where they came as something new.
    "ALTER TABLE events ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;
     CREATE TABLE kept (
         seq INTEGER PRIMARY KEY,
         id BLOB NOT NULL,
         route INTEGER NOT NULL,
         at INTEGER NOT NULL,
         reason TEXT NOT NULL,
         method TEXT NOT NULL,
         content_type BLOB,
         query BLOB,
         body BLOB NOT NULL,
         fingerprint BLOB NOT NULL,
         repeats INTEGER NOT NULL DEFAULT 0,
         last_at INTEGER NOT NULL,
         client TEXT NOT NULL DEFAULT '',
         headers BLOB NOT NULL DEFAULT x'',
         bytes INTEGER NOT NULL DEFAULT 0,
         format TEXT
     );
     INSERT INTO kept SELECT seq, id, route, at, reason, method, content_type, query, body,
         fingerprint, repeats, last_at, client, headers, bytes, format FROM quarantine;
     DROP TABLE quarantine;
     ALTER TABLE kept RENAME TO quarantine;
     CREATE INDEX weight ON quarantine (bytes);
     CREATE INDEX equal ON quarantine (fingerprint);
     CREATE INDEX newest ON quarantine (route, seq, id, fingerprint, at);",
];

/// The format that this version writes.
pub(super) const FORMAT: i64 = 7;

/// Whether the file has a format that [`bring_up`] can start from, or needs nothing.
pub(super) const fn is_known(format: i64) -> bool {
    format >= 1 && format <= FORMAT
}

/// Brings a file of a known format to [`FORMAT`]. All of it or nothing.
pub(super) fn bring_up(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    bring(connection, found, &STEPS)
}

fn bring(connection: &mut Connection, found: i64, steps: &[&str]) -> rusqlite::Result<()> {
    let done = usize::try_from(found.saturating_sub(1)).unwrap_or_default();
    let behavior = TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(behavior)?;
    let mut format = found;
    for step in steps.iter().skip(done) {
        transaction.execute_batch(step)?;
        format = format.saturating_add(1);
    }
    transaction.pragma_update(None, "user_version", format)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn each_format_has_its_step() {
        assert_eq!(FORMAT, 1 + i64::try_from(STEPS.len()).unwrap());
        assert!(is_known(1) && is_known(FORMAT) && !is_known(0) && !is_known(FORMAT + 1));
    }

    #[test]
    fn only_the_steps_that_are_missing_are_taken() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y", "CREATE TABLE b (x)"];
        bring(&mut connection, 1, &steps[..1]).unwrap();
        assert_eq!(format(&connection), 2);
        bring(&mut connection, 2, &steps).unwrap();
        assert_eq!(format(&connection), 4);
        bring(&mut connection, 4, &steps).unwrap();
        connection.execute_batch("SELECT x, y FROM a; SELECT x FROM b").unwrap();
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_in_its_old_format() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        bring(&mut connection, 1, &["CREATE TABLE a (x)", "CREATE TABLE a (x)"]).unwrap_err();
        assert_eq!(format(&connection), 1);
        let tables = "SELECT count(*) FROM sqlite_schema";
        assert_eq!(connection.query_row(tables, [], |row| row.get(0)), Ok(0));
    }
}
