//! The SQLite engine. One connection writes, owned by the writer thread; one reads bodies.

mod bodies;
mod change;
mod damage;
mod expire;
mod fault;
mod file;
mod formats;
mod headers;
mod import;
mod inspect;
mod outcomes;
mod places;
mod quarantine;
mod received;
mod records;
mod repeats;
mod routes;
mod salvage;
mod schema;
mod shrink;
mod sieve;
mod start;
mod stories;
mod write;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use self::expire::Expiring;
use self::file::{Folder, Lock};
use self::formats::FORMAT;
use self::routes::Routes;
use self::schema::{Found, Refused, state};
use self::sieve::Sieve;
use super::error::OpenError;
use super::record::Compaction;
use super::store::{Applied, Batch, Census, Change, Changed, Pending, Spare, Store, StoreError};
use crate::clock::Timestamp;

pub(super) use self::bodies::SqliteBodies;
pub(super) use self::fault::of as fault_of;
pub(super) use self::salvage::salvage;

/// The writing side.
#[derive(Debug)]
pub(super) struct SqliteStore {
    connection: Connection,
    routes: Routes,
    sieve: Sieve,
    expiring: Expiring,
    /// The write-ahead log.
    log: PathBuf,
    /// Free pages are being given back.
    shrinking: bool,
    /// A damaged page is in the way of that, which is told once and not tried again.
    immovable: bool,
    _lock: Lock,
}

/// What opening had to do, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) folder_made: bool,
    /// The file's earlier format, and the one it has now.
    pub(super) brought_up: Option<(i64, i64)>,
    /// Where events cannot be read.
    pub(super) damaged_places: u64,
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
    let damaged_places = sieve.read(&connection, 0).map_err(|error| engine(path, error))?;
    let routes = Routes::read(&connection).map_err(|error| engine(path, error))?;
    let store = SqliteStore {
        connection,
        routes,
        sieve,
        expiring: Expiring::default(),
        log: file::beside(path, "-wal"),
        shrinking: false,
        immovable: false,
        _lock: lock,
    };
    let brought_up = match found {
        Found::Earlier(format) => Some((format, FORMAT)),
        Found::Nothing | Found::Current => None,
    };
    let opening = Opening { folder_made: folder == Folder::Made, brought_up, damaged_places };
    Ok((store, SqliteBodies::new(reader, records), opening))
}

fn engine(path: &Path, error: rusqlite::Error) -> OpenError {
    OpenError::Engine { path: path.to_owned(), source: StoreError::Read(Box::new(error)) }
}

impl Store for SqliteStore {
    fn census(&mut self) -> Result<Census, StoreError> {
        start::census(&self.connection).map_err(read)
    }

    fn pending(&mut self, visit: &mut dyn FnMut(Pending)) -> Result<(), StoreError> {
        start::pending(&self.connection, visit).map_err(read)?;
        // What was read for this is not read again.
        self.connection.execute_batch("PRAGMA shrink_memory").map_err(read)
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Applied, StoreError> {
        self.write(batch).map_err(|error| self.write_error(error))
    }

    fn change(&mut self, changes: &[Change]) -> Result<Vec<Changed>, StoreError> {
        self.alter(changes).map_err(|error| self.write_error(error))
    }

    fn quarantine_bytes(&mut self) -> Result<u64, StoreError> {
        let bytes =
            self.connection.query_row(start::QUARANTINE_BYTES, [], |row| row.get::<_, i64>(0));
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
        let probed = self.beat().and_then(|()| self.look_at_log());
        probed.map_err(|error| self.write_error(error))
    }

    fn shrink(&mut self, spare: Spare) -> Result<Compaction, StoreError> {
        let shrunk = self.look_at_log().and_then(|()| {
            if self.immovable && spare == Spare::Some {
                return Ok(Compaction::default());
            }
            self.give_back(spare)
        });
        shrunk.map_err(|error| {
            self.immovable |= damage::is_damage(&error);
            self.write_error(error)
        })
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.checkpoint("TRUNCATE").map_err(|error| StoreError::Close(Box::new(error)))
    }
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
