//! The format of the file, and the checks that it is ours.
//!
//! Two tables with the same ascending row id: `events` is narrow and changes, `bodies` never does.
//! The index `pending` covers all that the queue needs, so a restart costs the backlog and not the
//! history.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::formats::{self, FORMAT};

/// "pgsp", so that `file` and we can tell a spool from another database.
pub(super) const APPLICATION_ID: i64 = 0x7067_7370;

/// States of an event, as stored.
pub(super) mod state {
    pub(in super::super) const PENDING: i64 = 0;
    pub(in super::super) const DELIVERED: i64 = 1;
    pub(in super::super) const DEAD: i64 = 2;

    /// The state that is stored so. Only damage makes another number: `verify` tells.
    pub(in super::super) const fn of(stored: i64) -> crate::spool::State {
        match stored {
            PENDING => crate::spool::State::Pending,
            DELIVERED => crate::spool::State::Delivered,
            _ => crate::spool::State::Dead,
        }
    }
}

/// Every number here is a time in milliseconds since the epoch, a count, or a foreign row id.
pub(super) const SCHEMA: &str = "
CREATE TABLE routes (
    route INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    route INTEGER NOT NULL,
    key INTEGER NOT NULL,
    ordered INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    accepted INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL DEFAULT 0,
    repeats INTEGER NOT NULL DEFAULT 0,
    replays INTEGER NOT NULL DEFAULT 0,
    settled INTEGER,
    status INTEGER,
    -- When it was replayed or imported: its age counts from there.
    since INTEGER,
    -- A later one of its key was deleted: the last that is left is not the latest.
    superseded INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX pending ON events (seq, route, key, ordered, attempts, due) WHERE state = 0;
-- By groups of events first: `sieve.rs` tells why.
CREATE INDEX latest ON events (seq >> 13, key);
CREATE INDEX settled ON events (state, settled) WHERE settled IS NOT NULL;
CREATE TABLE bodies (
    seq INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    -- What it was made of, in the same row: all null where that is not kept.
    client TEXT,
    method TEXT,
    content_type BLOB,
    query BLOB,
    headers BLOB,
    format TEXT,
    received BLOB
);
-- The last failed attempts of an event, in a ring: `place` is the attempt's number modulo its size.
CREATE TABLE attempts (
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER,
    outcome TEXT NOT NULL,
    answer BLOB,
    PRIMARY KEY (seq, place)
) WITHOUT ROWID;
CREATE TABLE quarantine (
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
    -- Lines of `name: value`.
    headers BLOB NOT NULL DEFAULT x'',
    -- What it takes, about: the sum is bounded.
    bytes INTEGER NOT NULL DEFAULT 0,
    format TEXT
);
CREATE INDEX weight ON quarantine (bytes);
CREATE INDEX equal ON quarantine (fingerprint);
CREATE INDEX newest ON quarantine (route, seq, id, fingerprint, at);
CREATE TABLE heartbeat (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    beats INTEGER NOT NULL
);
INSERT INTO heartbeat VALUES (1, 0);
";

/// What opening found wrong.
#[derive(Debug)]
pub(super) enum Refused {
    Foreign,
    Newer(i64),
    Engine(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::Foreign,
            _ => Self::Engine(error),
        }
    }
}

/// Opens the file for writing; makes the tables in an empty one, and brings one of an earlier
/// format up to date.
pub(super) fn writer(path: &Path) -> Result<(Connection, Found), Refused> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    let found = check(&connection)?;
    prepare(&connection)?;
    match found {
        Found::Current => {}
        Found::Earlier(format) => formats::bring_up(&mut connection, format)?,
        Found::Nothing => {
            let transaction = connection.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
            transaction.commit()?;
        }
    }
    Ok((connection, found))
}

/// Opens the file for reading, beside the writer.
pub(super) fn reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    keep_plans(&connection)?;
    connection.pragma_update(None, "cache_size", READER_CACHE_KIB)?;
    Ok(connection)
}

/// Nobody else writes; a person looking with another tool may hold a lock for a moment.
const BUSY: Duration = Duration::from_secs(2);
/// Pages in memory: negative is KiB. The upper pages of the trees and those being filled.
const WRITER_CACHE_KIB: i64 = -8192;
/// Bodies are read once, in order.
const READER_CACHE_KIB: i64 = -1024;
/// Fewer, larger pages are cheaper in the log: a sixth less CPU for an event than with 4096.
const PAGE_BYTES: i64 = 8192;
/// Pages of log after which a commit copies them into the file: 32 MiB, a second of high load.
/// Pages that changed often in between are copied once.
const CHECKPOINT_PAGES: i64 = 4096;
/// The log is cut to this size, in bytes, after a checkpoint that found it larger.
pub(super) const LOG_BYTES: u64 = 64 << 20;

/// What was in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Current,
    /// A spool of this earlier format.
    Earlier(i64),
}

/// Whether the file is ours, looked at before anything is changed.
fn check(connection: &Connection) -> Result<Found, Refused> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application_id = number("application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // Also what is left when the process ended between making the file and its tables.
    if application_id == 0 && tables == 0 {
        return Ok(Found::Nothing);
    }
    if application_id != APPLICATION_ID {
        return Err(Refused::Foreign);
    }
    match number("user_version")? {
        FORMAT => Ok(Found::Current),
        earlier if formats::is_known(earlier) => Ok(Found::Earlier(earlier)),
        later if later > FORMAT => Err(Refused::Newer(later)),
        _ => Err(Refused::Foreign),
    }
}

fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY)?;
    keep_plans(connection)?;
    connection.set_prepared_statement_cache_capacity(32);
    // Both take effect only before the first table. `shrink.rs` gives pages back.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // In WAL mode nothing less is durable at commit.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    let log_bytes = i64::try_from(LOG_BYTES).unwrap_or(i64::MAX);
    connection.pragma_update_and_check(None, "journal_size_limit", log_bytes, |_| Ok(()))
}

/// Without this, statements are planned anew for new parameters, which costs more than running
/// them.
fn keep_plans(connection: &Connection) -> Result<(), rusqlite::Error> {
    let stable = DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
    connection.set_db_config(stable, true).map(drop)
}
