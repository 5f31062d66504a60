//! Reading what can still be read of a damaged file, row by row, by the tables alone: an index may
//! be damaged too. What cannot be read is passed over and counted.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use bytes::Bytes;
use rusqlite::Connection;

use super::super::digest::KeyHash;
use super::super::error::SalvageError;
use super::super::event::{EventId, RouteName};
use super::super::record::{Contents, Place, Record, Salvage, Story};
use super::super::store::{Seq, StoreError};
use super::{damage, received, schema, start, state, stories, timestamp};

pub(crate) fn salvage(
    path: &Path,
    visit: &mut dyn FnMut(Story) -> io::Result<()>,
) -> Result<Salvage, SalvageError> {
    let unreadable = |error: rusqlite::Error| {
        let source = StoreError::Read(Box::new(error));
        SalvageError::Unreadable { path: path.to_owned(), source }
    };
    let connection = schema::reader(path).map_err(unreadable)?;
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('events', 'quarantine')";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(unreadable)?;
    if tables != 2 {
        return Err(SalvageError::Foreign { path: path.to_owned() });
    }
    complete(&connection).map_err(unreadable)?;
    let file = File { names: start::route_names(&connection).unwrap_or_default(), connection };
    let mut found = Salvage::default();
    let tables: [(&str, Read); 2] = [("events", File::event), ("quarantine", File::malformed)];
    for (table, read) in tables {
        let mut onward = Some(1);
        while let Some(from) = onward {
            let (next, passed) = damage::next(&file.connection, table, from);
            found.passed += passed;
            let Some(seq) = next else { break };
            onward = seq.max(from).checked_add(1);
            match read(&file, seq) {
                Ok(story) => {
                    visit(story).map_err(SalvageError::Output)?;
                    found.saved += 1;
                }
                Err(_) => found.passed += 1,
            }
        }
    }
    Ok(found)
}

/// The columns that tables got after the first format. A damaged file is not brought up to date.
const LATER: [(&str, &[&str]); 3] = [
    ("attempts", &["answer"]),
    ("quarantine", &["client", "headers", "format"]),
    ("bodies", &["client", "method", "content_type", "query", "headers", "format", "received"]),
];

/// Puts a view, of this connection alone, in front of each table that lacks some: they are null.
fn complete(connection: &Connection) -> rusqlite::Result<()> {
    let columns = "SELECT name FROM pragma_table_info(?1, 'main')";
    let mut columns = connection.prepare(columns)?;
    for (table, later) in LATER {
        let found = columns.query_map([table], |row| row.get(0))?;
        let found: Vec<String> = found.collect::<rusqlite::Result<_>>()?;
        let lacking = later.iter().filter(|column| !found.iter().any(|found| found == **column));
        let nulls: Vec<_> = lacking.map(|column| format!("NULL AS {column}")).collect();
        if !nulls.is_empty() {
            let nulls = nulls.join(", ");
            let sql = format!("CREATE TEMP VIEW {table} AS SELECT *, {nulls} FROM main.{table}");
            connection.execute_batch(&sql)?;
        }
    }
    Ok(())
}

type Read = fn(&File, i64) -> rusqlite::Result<Story>;

struct File {
    connection: Connection,
    names: HashMap<i64, RouteName>,
}

impl File {
    fn event(&self, seq: i64) -> rusqlite::Result<Story> {
        let sql = "SELECT id, route, key, ordered, accepted, state, attempts, due, repeats,
                          replays, settled, status FROM events NOT INDEXED WHERE seq = ?1";
        let (mut record, key) = self.connection.prepare_cached(sql)?.query_row([seq], |row| {
            let key: i64 = row.get(2)?;
            let key = row.get::<_, bool>(3)?.then(|| KeyHash(key.to_be_bytes()));
            let due = timestamp(row.get(7)?);
            let record = Record {
                place: Place::Event(seq),
                id: EventId::from_bytes(row.get(0)?),
                state: state::of(row.get(5)?),
                route: start::named(&self.names, row.get(1)?),
                accepted: timestamp(row.get(4)?),
                attempts: row.get(6)?,
                replays: row.get(9)?,
                repeats: row.get(8)?,
                bytes: 0,
                due: (due != crate::clock::Timestamp::default()).then_some(due),
                settled: row.get::<_, Option<i64>>(10)?.map(timestamp),
                status: row.get(11)?,
                reason: None,
            };
            Ok((record, key))
        })?;
        let sql = "SELECT body FROM bodies WHERE seq = ?1";
        let body = self.connection.prepare_cached(sql)?.query_row([seq], |row| row.get(0));
        let body = Bytes::from(body.map(|body: Vec<u8>| body)?);
        record.bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        // An event without its history is worth more than none.
        let attempts = stories::attempts(&self.connection, Seq(seq)).unwrap_or_default();
        let received = received::find(&self.connection, received::OF_EVENT, Seq(seq));
        let received = received.unwrap_or_default();
        Ok(Story { record, contents: Contents::Event { body, key, attempts, received } })
    }

    fn malformed(&self, seq: i64) -> rusqlite::Result<Story> {
        let story = stories::story(&self.connection, Place::Quarantine(seq))?;
        story.ok_or(rusqlite::Error::QueryReturnedNoRows)
    }
}
