//! Going on beside damaged pages: what stands on them is passed over, and the rest is served. None
//! of this is asked before something has met damage.

use std::collections::HashSet;
use std::ops::ControlFlow;

use rusqlite::{Connection, Error, ErrorCode, Result, Row};

use super::super::store::Seq;

/// Row ids tried one by one behind a damaged place: what a page or two may have held.
const CLOSE: i64 = 4096;
/// Then they are tried in strides that double, up to the largest row id there can be.
const STRIDES: u32 = 62;

/// Whether this comes of the file's content, and not of the disk.
pub(super) fn is_damage(error: &Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(
            error,
            Error::InvalidColumnType(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::FromSqlConversionFailure(..)
                | Error::Utf8Error(..)
        )
}

/// Instead of what is damaged.
pub(super) fn nothing<T: Default>(error: Error) -> Result<T> {
    if is_damage(&error) { Ok(T::default()) } else { Err(error) }
}

/// The next row id of the table that can be read, which count from 1, and whether a damaged place
/// lies before it.
pub(super) fn next(connection: &Connection, table: &str, after: i64) -> (Option<i64>, u64) {
    let sql = format!("SELECT min(seq) FROM {table} NOT INDEXED WHERE seq > ?1");
    let ask = |after: i64| -> Result<Option<i64>> {
        connection.prepare_cached(&sql)?.query_row([after], |row| row.get(0))
    };
    let close = (0..CLOSE).map(|step| after.saturating_add(step));
    let start = after.saturating_add(CLOSE);
    let far = (0..STRIDES).map(|stride| start.saturating_add(1 << stride));
    let mut failing = None;
    for after in close.chain(far) {
        match (ask(after), failing) {
            (Ok(found), None) => return (found, 0),
            (Ok(found), Some(failing)) => return (behind(&ask, failing, after, found), 1),
            (Err(_), _) => failing = Some(after),
        }
    }
    (None, u64::from(failing.is_some()))
}

/// The first row id behind a damaged place. A stride may have gone far past its end: that lies between
/// where asking `failing` and where it answered `found`.
fn behind(
    ask: &dyn Fn(i64) -> Result<Option<i64>>,
    mut failing: i64,
    mut after: i64,
    mut found: Option<i64>,
) -> Option<i64> {
    while after.saturating_sub(failing) > 1 {
        let between = failing + (after - failing) / 2;
        match ask(between) {
            Ok(earlier) => (after, found) = (between, earlier),
            Err(_) => failing = between,
        }
    }
    found
}

/// What is done with each row of a [`walk`].
pub(super) type Visit<'a> = dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>> + 'a;

/// Visits the rows of the table behind `after` that can be read, by the table alone: an index may
/// be damaged too. The first of the columns is `seq`. Answers with the damaged places.
pub(super) fn walk(
    connection: &Connection,
    table: &str,
    columns: &str,
    after: i64,
    visit: &mut Visit<'_>,
) -> Result<u64> {
    let sql = format!("SELECT {columns} FROM {table} NOT INDEXED WHERE seq > ?1 ORDER BY seq");
    let (mut after, mut places) = (after.max(0), 0);
    loop {
        match stride(connection, &sql, &mut after, visit) {
            Err(error) if is_damage(&error) => {}
            ended => return ended.map(|()| places),
        }
        let (found, passed) = next(connection, table, after);
        places += 1;
        match found {
            // It can be found, and not be read.
            Some(seq) if passed == 0 => after = seq,
            Some(seq) => after = seq - 1,
            None => return Ok(places),
        }
    }
}

/// Up to the next damaged place. `after` is the last row that was visited.
fn stride(
    connection: &Connection,
    sql: &str,
    after: &mut i64,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([*after])?;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        let flow = visit(row)?;
        *after = seq;
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// A piece of a batch. The engine writes nothing more in a transaction that has met damage; so
/// the piece that did is left out, and the batch written once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    /// By its place in the batch.
    Arrival(usize),
    /// Whether it is a repeat; by its place in the batch.
    Lookup(usize),
    /// By its place in the batch.
    Settlement(usize),
    /// The history of an attempt.
    Attempt(Seq),
    /// The deletion of a delivered event.
    Expiry(Seq),
    /// The index that knows which were delivered first.
    Oldest,
}

/// The pieces that meet damage. Empty without any, and then to ask it costs nothing.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pieces: HashSet<Piece>,
    /// What is at work, in case it fails.
    at: Option<Piece>,
}

impl LeftOut {
    /// Whether this piece is to be done.
    pub(super) fn begin(&mut self, piece: Piece) -> bool {
        self.at = Some(piece);
        !self.pieces.contains(&piece)
    }

    /// What follows is no piece that may be left out.
    pub(super) const fn end(&mut self) {
        self.at = None;
    }

    /// Leaves out what was at work; answers whether that is something new.
    pub(super) fn leave(&mut self) -> bool {
        self.at.take().is_some_and(|piece| self.pieces.insert(piece))
    }

    pub(super) fn has(&self, piece: Piece) -> bool {
        self.pieces.contains(&piece)
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The batch is done. What stands on the same page for good is not tried again.
    pub(super) fn forget(&mut self) {
        if !self.pieces.is_empty() {
            let is_for_good = |piece: &Piece| {
                matches!(piece, Piece::Attempt(_) | Piece::Expiry(_) | Piece::Oldest)
            };
            self.pieces.retain(is_for_good);
        }
    }
}
