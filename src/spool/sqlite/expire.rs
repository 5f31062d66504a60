//! Deleting events: those that were delivered long ago. What cannot be deleted stands in nobody's way.

use std::collections::HashSet;
use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::digest::KeyHash;
use super::super::store::{Applied, Expiry, Seq};
use super::damage::{self, Course, Piece};
use super::sieve::Sieve;
use super::{millis, repeats, state};

/// The delivered events that have been so for longest, and those that a clock ahead of its time has
/// put too far into the future.
pub(super) const EXPIRED: &str = "SELECT * FROM
    (SELECT seq FROM events WHERE state = 1 AND settled <= ?1 ORDER BY settled LIMIT ?3)
    UNION ALL
    SELECT seq FROM events WHERE state = 1 AND settled > ?2 LIMIT ?3";

pub(super) const REMOVE_ATTEMPTS: &str = "DELETE FROM attempts WHERE seq = ?1";

/// Events that are known to stay, at most: the index is read past all of them each time.
const MOST_STUCK: usize = 4096;
/// Rows of the table that are read at once: some milliseconds.
pub(super) const MOST_ROWS: usize = 4096;

/// What is known of damage that expiry has met.
#[derive(Debug, Default)]
pub(super) struct Expiring {
    /// Events that cannot be deleted. They are not tried again.
    stuck: HashSet<i64>,
    /// The index cannot tell the oldest: it is damaged, or has too many before them that stay. Then
    /// the table is gone through, round by round, and what stays and is not known is tried once a
    /// round.
    by_table: bool,
    /// Where the round goes on.
    after: i64,
}

/// Events to be deleted.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) seqs: Vec<i64>,
    /// There may be others.
    pub(super) more: bool,
}

impl Expiring {
    /// The piece is left out of this batch, and of the next ones.
    pub(super) fn leave(&mut self, piece: Piece) {
        match piece {
            Piece::Expiry(seq) if self.stuck.len() < MOST_STUCK => {
                self.stuck.insert(seq);
            }
            Piece::Oldest | Piece::Expiry(_) => self.by_table = true,
            _ => {}
        }
    }

    /// What is past its time, the oldest first, without what is known to stay.
    pub(super) fn oldest(
        &self,
        transaction: &Connection,
        expiry: Expiry,
    ) -> rusqlite::Result<Choice> {
        let at_most = most(expiry);
        let asked = i64::try_from(at_most.saturating_add(self.stuck.len())).unwrap_or(i64::MAX);
        let mut select = transaction.prepare_cached(EXPIRED)?;
        let (by, ahead_of) = (millis(expiry.delivered_by), millis(expiry.ahead_of));
        let found = select.query_map(params![by, ahead_of, asked], |row| row.get(0))?;
        let goes = |seq: &rusqlite::Result<i64>| {
            seq.as_ref().map_or(true, |seq| !self.stuck.contains(seq))
        };
        let seqs = found.filter(goes).take(at_most).collect::<rusqlite::Result<Vec<_>>>()?;
        let more = seqs.len() == at_most;
        Ok(Choice { seqs, more })
    }

    /// The same in any order, by the table alone, where the index cannot tell. Not inside of a
    /// transaction, which what it passes over would end.
    pub(super) fn any(
        &mut self,
        connection: &Connection,
        expiry: Expiry,
    ) -> rusqlite::Result<Option<Choice>> {
        if !self.by_table {
            return Ok(None);
        }
        let at_most = most(expiry);
        let in_time = millis(expiry.delivered_by).saturating_add(1)..=millis(expiry.ahead_of);
        let (mut seqs, mut rows, mut last, mut more) = (Vec::new(), 0, 0, false);
        damage::walk(connection, "events", "seq, state, settled", self.after, &mut |row| {
            last = row.get(0)?;
            rows += 1;
            let settled: Option<i64> = row.get(2)?;
            let is_past = row.get::<_, i64>(1)? == state::DELIVERED
                && settled.is_some_and(|settled| !in_time.contains(&settled));
            if is_past && !self.stuck.contains(&last) {
                seqs.push(last);
            }
            more = rows == MOST_ROWS || seqs.len() == at_most;
            Ok(if more { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        self.after = if more { last } else { 0 };
        Ok(Some(Choice { seqs, more }))
    }
}

fn most(expiry: Expiry) -> usize {
    usize::try_from(expiry.at_most).unwrap_or(usize::MAX)
}

/// Deletes these events, as far as they can be deleted; answers with how many are done with.
pub(super) fn expire(
    transaction: &Connection,
    sieve: &Sieve,
    seqs: &[i64],
    course: &mut Course,
    applied: &mut Applied,
) -> rusqlite::Result<usize> {
    let mut history = transaction.prepare_cached(REMOVE_ATTEMPTS)?;
    for (done, &seq) in seqs.iter().enumerate() {
        if course.is_over() {
            return Ok(done);
        }
        if !course.comes(Piece::Expiry(seq)) {
            continue;
        }
        remove(transaction, sieve, Seq(seq))?;
        applied.expired += 1;
        if course.comes(Piece::History(seq)) {
            history.execute([seq])?;
        }
    }
    Ok(seqs.len())
}

/// Deletes an event, but for the history of its attempts.
pub(super) fn remove(transaction: &Connection, sieve: &Sieve, seq: Seq) -> rusqlite::Result<()> {
    let mut event =
        transaction.prepare_cached("DELETE FROM events WHERE seq = ?1 RETURNING key")?;
    let key: Option<i64> = event.query_row([seq.0], |row| row.get(0)).optional()?;
    transaction.prepare_cached("DELETE FROM bodies WHERE seq = ?1")?.execute([seq.0])?;
    match key {
        Some(key) => repeats::supersede(transaction, sieve, seq, KeyHash(key.to_be_bytes())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_so_many_are_known_to_stay() {
        let mut expiring = Expiring::default();
        let most = i64::try_from(MOST_STUCK).unwrap();
        for seq in 0..most {
            expiring.leave(Piece::Expiry(seq));
        }
        assert!(!expiring.by_table);
        expiring.leave(Piece::Expiry(most));
        assert!(expiring.by_table, "the index would be asked for more and more");
        assert_eq!(expiring.stuck.len(), MOST_STUCK);
    }
}
