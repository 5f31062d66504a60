//! Deleting delivered events. What cannot be deleted stands in nobody's way.

use std::ops::ControlFlow;

use rusqlite::{Connection, params};

use super::super::store::{Expiry, Passed, Seq};
use super::damage::{self, LeftOut, Piece};
use super::{millis, state};

/// The delivered events that have been so for longest.
pub(super) const EXPIRED: &str = "SELECT seq FROM events
     WHERE state = 1 AND settled <= ?1 ORDER BY settled LIMIT ?2";

/// Deletes these events, as far as they can be deleted.
pub(super) fn expire(
    transaction: &Connection,
    chosen: &[i64],
    left_out: &mut LeftOut,
    passed: &mut Passed,
) -> rusqlite::Result<u32> {
    let mut event = transaction.prepare_cached("DELETE FROM events WHERE seq = ?1")?;
    let mut body = transaction.prepare_cached("DELETE FROM bodies WHERE seq = ?1")?;
    let mut history = transaction.prepare_cached("DELETE FROM attempts WHERE seq = ?1")?;
    let mut expired = 0;
    for &seq in chosen {
        if !left_out.begin(Piece::Expiry(Seq(seq))) {
            passed.expired += 1;
            continue;
        }
        event.execute([seq])?;
        body.execute([seq])?;
        expired += 1;
        if left_out.begin(Piece::Attempt(Seq(seq))) {
            history.execute([seq])?;
        }
    }
    Ok(expired)
}

/// What is past its time, the oldest first, without what was found to stay.
pub(super) fn oldest(
    transaction: &Connection,
    expiry: Expiry,
    left_out: &mut LeftOut,
) -> rusqlite::Result<Vec<i64>> {
    left_out.begin(Piece::Oldest);
    let at_most = usize::try_from(expiry.at_most).unwrap_or(usize::MAX);
    let asked = i64::try_from(at_most.saturating_add(left_out.len())).unwrap_or(i64::MAX);
    let mut select = transaction.prepare_cached(EXPIRED)?;
    let chosen = select.query_map(params![millis(expiry.delivered_by), asked], |row| row.get(0))?;
    let stays = |seq: &i64| left_out.has(Piece::Expiry(Seq(*seq)));
    chosen.filter(|seq| !seq.as_ref().is_ok_and(stays)).take(at_most).collect()
}

/// The same in any order, by the table alone.
pub(super) fn any(
    connection: &Connection,
    expiry: Expiry,
    left_out: &LeftOut,
) -> rusqlite::Result<Vec<i64>> {
    let by = millis(expiry.delivered_by);
    let at_most = usize::try_from(expiry.at_most).unwrap_or(usize::MAX);
    let mut chosen = Vec::new();
    damage::walk(connection, "events", "seq, state, settled", 0, &mut |row| {
        let (seq, settled) = (row.get(0)?, row.get::<_, Option<i64>>(2)?);
        let is_past =
            row.get::<_, i64>(1)? == state::DELIVERED && settled.is_some_and(|at| at <= by);
        if is_past && !left_out.has(Piece::Expiry(Seq(seq))) {
            chosen.push(seq);
        }
        Ok(if chosen.len() < at_most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(chosen)
}
