//! Going on beside damaged pages: what stands on them is passed over, and the rest is served. None
//! of this is asked before something has met damage.

use std::ops::ControlFlow;

use rusqlite::{Connection, Error, ErrorCode, Result, Row};

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

/// The first row id of the table, `from` or behind it, that can be read, and whether a damaged place
/// lies before it. They count from 1.
pub(super) fn next(connection: &Connection, table: &str, from: i64) -> (Option<i64>, u64) {
    // Asked for what is larger than the last of a damaged page, the engine would look there.
    let sql = format!("SELECT min(seq) FROM {table} NOT INDEXED WHERE seq >= ?1");
    let ask = |from: i64| -> Result<Option<i64>> {
        connection.prepare_cached(&sql)?.query_row([from], |row| row.get(0))
    };
    let close = (0..CLOSE).map(|step| from.saturating_add(step));
    let start = from.saturating_add(CLOSE);
    let far = (0..STRIDES).map(|stride| start.saturating_add(1 << stride));
    let mut failing = None;
    for from in close.chain(far) {
        match (ask(from), failing) {
            (Ok(found), None) => return (found, 0),
            (Ok(found), Some(failing)) => return (behind(&ask, failing, from, found), 1),
            (Err(_), _) => failing = Some(from),
        }
    }
    (None, u64::from(failing.is_some()))
}

/// The first row id behind a damaged place. A stride may have gone far past its end: that lies between
/// where asking `failing` and where it answered `found`.
fn behind(
    ask: &dyn Fn(i64) -> Result<Option<i64>>,
    mut failing: i64,
    mut from: i64,
    mut found: Option<i64>,
) -> Option<i64> {
    while from.saturating_sub(failing) > 1 {
        let between = failing + (from - failing) / 2;
        match ask(between) {
            Ok(earlier) => (from, found) = (between, earlier),
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
    let sql = format!("SELECT {columns} FROM {table} NOT INDEXED WHERE seq >= ?1 ORDER BY seq");
    let (mut from, mut places) = (after.max(0).saturating_add(1), 0);
    loop {
        match stride(connection, &sql, &mut from, visit) {
            Err(error) if is_damage(&error) => {}
            ended => return ended.map(|()| places),
        }
        let (found, passed) = next(connection, table, from);
        places += 1;
        // What is damaged may lie about its place: never back.
        let onward = match found {
            // It can be found, and not be read.
            Some(seq) if passed == 0 => seq.max(from).checked_add(1),
            Some(seq) => Some(seq.max(from.saturating_add(1))),
            None => None,
        };
        let Some(onward) = onward else { return Ok(places) };
        from = onward;
    }
}

/// Up to the next damaged place. `from` is behind the last row that was visited.
fn stride(connection: &Connection, sql: &str, from: &mut i64, visit: &mut Visit<'_>) -> Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([*from])?;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let flow = visit(row)?;
        *from = seq.saturating_add(1).max(*from);
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// A piece of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// By its place in what is left of the batch.
    Settlement(usize),
    /// The history of an attempt; by the place of its settlement.
    Attempt(usize),
    /// Whether it is a repeat; by its place in what is left of the batch.
    Lookup(usize),
    /// By its place in what is left of the batch.
    Arrival(usize),
    /// The index that knows which were delivered first.
    Oldest,
    /// The deletion of a delivered event.
    Expiry(i64),
    /// The deletion of its attempts.
    History(i64),
}

impl Piece {
    /// The metrics' word for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Settlement(_) => "settlement",
            Self::Attempt(_) | Self::History(_) => "attempt",
            Self::Lookup(_) => "lookup",
            Self::Arrival(_) => "arrival",
            Self::Oldest => "oldest",
            Self::Expiry(_) => "expiry",
        }
    }
}

/// Pieces left out of one transaction, before the rest of the batch gets another: whatever is
/// damaged, nothing is written more often than this and once.
const MOST_LEFT_OUT: usize = 16;

/// The way through one transaction. The engine writes nothing more in one that has met damage; so it
/// is begun once more, without the piece that did.
#[derive(Debug, Default)]
pub(super) struct Course {
    left_out: Vec<Piece>,
    /// What is at work, in case it fails.
    at: Option<Piece>,
    passed: usize,
}

impl Course {
    pub(super) fn begin(&mut self) {
        (self.at, self.passed) = (None, 0);
    }

    /// Whether this piece, which comes now, is to be done.
    pub(super) fn comes(&mut self, piece: Piece) -> bool {
        self.at = Some(piece);
        let is_left_out = self.left_out.contains(&piece);
        self.passed += usize::from(is_left_out);
        !is_left_out
    }

    /// Whether what follows belongs to the next transaction.
    pub(super) const fn is_over(&self) -> bool {
        self.passed >= MOST_LEFT_OUT
    }

    /// What follows is no piece that may be left out.
    pub(super) const fn end(&mut self) {
        self.at = None;
    }

    /// Leaves out what was at work, and answers what that is; `None`: it is nothing new.
    pub(super) fn leave(&mut self) -> Option<Piece> {
        let piece = self.at.take().filter(|piece| !self.left_out.contains(piece))?;
        self.left_out.push(piece);
        Some(piece)
    }

    /// What was left out, in the metrics' words.
    pub(super) fn words(&self) -> impl Iterator<Item = &'static str> {
        self.left_out.iter().map(|piece| piece.word())
    }
}
