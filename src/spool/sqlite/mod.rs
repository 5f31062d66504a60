//! The SQLite engine. One connection writes, owned by the writer thread; one reads bodies.

mod bodies;
mod change;
mod fault;
mod file;
mod formats;
mod headers;
mod import;
mod inspect;
mod received;
mod records;
mod salvage;
mod schema;
mod shrink;
mod sieve;
mod stories;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use self::file::{Folder, Lock};
use self::formats::FORMAT;
use self::schema::{Found, Refused, state};
use self::sieve::Sieve;
use super::digest::KeyHash;
use super::error::OpenError;
use super::event::RouteName;
use super::record::Compaction;
use super::store::{
    Applied, Batch, Census, Change, Changed, Pending, Seq, Spare, Store, StoreError,
};
use crate::clock::Timestamp;

pub(super) use self::bodies::SqliteBodies;
pub(super) use self::fault::of as fault_of;
pub(super) use self::salvage::salvage;

/// The writing side.
#[derive(Debug)]
pub(super) struct SqliteStore {
    connection: Connection,
    /// Row ids of route names, as far as committed.
    routes: HashMap<RouteName, i64>,
    sieve: Sieve,
    /// The write-ahead log.
    log: PathBuf,
    /// Free pages are being given back.
    shrinking: bool,
    _lock: Lock,
}

/// What opening had to do, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) folder_made: bool,
    /// The file's earlier format, and the one it has now.
    pub(super) brought_up: Option<(i64, i64)>,
}

/// Opens the file at `path`, or makes it.
pub(super) fn open(path: &Path) -> Result<(SqliteStore, SqliteBodies, Opening), OpenError> {
    let folder = file::make_folder(path)?;
    let lock = file::lock(path)?;
    file::make(path)?;
    let (connection, found) = schema::writer(path).map_err(|refused| match refused {
        Refused::Foreign => OpenError::Foreign { path: path.to_owned() },
        Refused::Newer(found) => OpenError::Newer { path: path.to_owned(), found, known: FORMAT },
        Refused::Engine(error) => engine(path, error),
    })?;
    let reader = schema::reader(path).map_err(|error| engine(path, error))?;
    // A long look must not keep delivery from its bodies.
    let records = schema::reader(path).map_err(|error| engine(path, error))?;
    let mut sieve = Sieve::default();
    sieve.read(&connection, i64::MIN).map_err(|error| engine(path, error))?;
    let store = SqliteStore {
        connection,
        sieve,
        routes: HashMap::new(),
        log: file::beside(path, "-wal"),
        shrinking: false,
        _lock: lock,
    };
    let brought_up = match found {
        Found::Earlier(format) => Some((format, FORMAT)),
        Found::Nothing | Found::Current => None,
    };
    let opening = Opening { folder_made: folder == Folder::Made, brought_up };
    Ok((store, SqliteBodies::new(reader, records), opening))
}

fn engine(path: &Path, error: rusqlite::Error) -> OpenError {
    OpenError::Engine { path: path.to_owned(), source: StoreError::Read(Box::new(error)) }
}

impl Store for SqliteStore {
    fn census(&mut self) -> Result<Census, StoreError> {
        let count = |sql: &str| -> rusqlite::Result<u64> {
            let counted: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
            Ok(u64::try_from(counted).unwrap_or_default())
        };
        let census = || -> rusqlite::Result<Census> {
            Ok(Census {
                pending: count(COUNT_PENDING)?,
                dead: count(COUNT_DEAD)?,
                quarantined: count(COUNT_QUARANTINED)?,
                quarantine_bytes: count(QUARANTINE_BYTES)?,
            })
        };
        census().map_err(read)
    }

    fn pending(&mut self, visit: &mut dyn FnMut(Pending)) -> Result<(), StoreError> {
        let names = self.route_names().map_err(read)?;
        let mut statement = self.connection.prepare(PENDING).map_err(read)?;
        let mut rows = statement.query([]).map_err(read)?;
        while let Some(row) = rows.next().map_err(read)? {
            let pending = pending(row, &names).map_err(read)?;
            visit(pending);
        }
        drop(rows);
        drop(statement);
        // What was read for this is not read again.
        self.connection.execute_batch("PRAGMA shrink_memory").map_err(read)
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Applied, StoreError> {
        self.write(batch).map_err(|error| {
            // Numbers given out inside of what was rolled back mean nothing.
            self.routes.clear();
            self.write_error(error)
        })
    }

    fn change(&mut self, changes: &[Change]) -> Result<Vec<Changed>, StoreError> {
        self.alter(changes).map_err(|error| self.write_error(error))
    }

    fn quarantine_bytes(&mut self) -> Result<u64, StoreError> {
        let bytes = self.connection.query_row(QUARANTINE_BYTES, [], |row| row.get::<_, i64>(0));
        bytes.map(|bytes| u64::try_from(bytes).unwrap_or_default()).map_err(read)
    }

    fn bytes(&mut self) -> Result<u64, StoreError> {
        let used = || -> rusqlite::Result<u64> {
            let free = self.number("PRAGMA freelist_count")?;
            let pages = self.number("PRAGMA page_count")?.saturating_sub(free);
            Ok(pages.saturating_mul(self.number("PRAGMA page_size")?))
        };
        used().map_err(read)
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        let beat = "UPDATE heartbeat SET beats = beats + 1";
        let beaten = self.connection.execute(beat, []).and_then(|_| self.look_at_log());
        beaten.map_err(|error| self.write_error(error))
    }

    fn shrink(&mut self, spare: Spare) -> Result<Compaction, StoreError> {
        let shrunk = self.look_at_log().and_then(|()| self.give_back(spare));
        shrunk.map_err(|error| self.write_error(error))
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.checkpoint("TRUNCATE").map_err(|error| StoreError::Close(Box::new(error)))
    }
}

/// Each answered by an index, so that bodies and history are not read.
const COUNT_PENDING: &str = "SELECT count(*) FROM events WHERE state = 0";
const COUNT_DEAD: &str = "SELECT count(*) FROM events WHERE state = 2 AND settled IS NOT NULL";
const COUNT_QUARANTINED: &str = "SELECT count(*) FROM quarantine";
const QUARANTINE_BYTES: &str = "SELECT coalesce(sum(bytes), 0) FROM quarantine";
/// Answered by the index `pending` alone, already in order.
const PENDING: &str =
    "SELECT seq, route, key, ordered, attempts, due FROM events WHERE state = 0 ORDER BY seq";

fn pending(row: &rusqlite::Row<'_>, names: &HashMap<i64, RouteName>) -> rusqlite::Result<Pending> {
    let route: i64 = row.get(1)?;
    let key: i64 = row.get(2)?;
    let ordered: bool = row.get(3)?;
    Ok(Pending {
        seq: Seq(row.get(0)?),
        route: match names.get(&route) {
            Some(name) => RouteName::clone(name),
            // Cannot be, unless the file was changed by hand: then nobody leases it, and the
            // backlog shows it.
            None => RouteName::from(format!("unknown route {route}")),
        },
        key: ordered.then(|| KeyHash(key.to_be_bytes())),
        attempts: row.get(4)?,
        due: timestamp(row.get(5)?),
    })
}

impl SqliteStore {
    fn write_error(&self, error: rusqlite::Error) -> StoreError {
        StoreError::Write(fault::cause(error, &self.log))
    }

    fn number(&self, sql: &str) -> rusqlite::Result<u64> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let number: i64 = statement.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or_default())
    }

    fn route_names(&self) -> rusqlite::Result<HashMap<i64, RouteName>> {
        let mut statement = self.connection.prepare("SELECT route, name FROM routes")?;
        let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        names.collect()
    }
}

fn read(error: rusqlite::Error) -> StoreError {
    StoreError::Read(Box::new(error))
}

/// Times are stored as SQLite's signed numbers. Both ends of the range are far from any clock.
fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests;
