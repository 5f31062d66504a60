//! What became of attempts: the new state of their events, and their history.

use rusqlite::{Connection, params};

use super::super::lease::{Attempt, Verdict};
use super::super::store::{Applied, Batch, History, Seq, Settlement};
use super::damage::{Course, Piece};
use super::{millis, state};

/// Failed attempts kept of one event: the first days of trouble look all alike.
const HISTORY_RING: u32 = 16;

/// Writes the settlements of the batch.
pub(super) fn settle_all(
    transaction: &Connection,
    batch: &Batch<'_>,
    course: &mut Course,
    applied: &mut Applied,
) -> rusqlite::Result<()> {
    for (place, settlement) in batch.settlements.iter().enumerate() {
        if course.is_over() {
            break;
        }
        applied.settled += 1;
        if !course.comes(Piece::Settlement(place)) {
            continue;
        }
        settle(transaction, settlement)?;
        // An outcome is worth more than its history.
        if is_history(settlement, batch.history) && course.comes(Piece::Attempt(place)) {
            let Settlement { seq, attempts, attempt, .. } = settlement;
            keep_attempt(transaction, *seq, *attempts, attempt)?;
        }
    }
    Ok(())
}

fn settle(transaction: &Connection, settlement: &Settlement) -> rusqlite::Result<()> {
    let at = millis(settlement.attempt.at);
    // A time of zero would read as "never tried".
    let (state, due, settled) = match settlement.verdict {
        Verdict::Done => (state::DELIVERED, 0, Some(at)),
        Verdict::Dead => (state::DEAD, 0, Some(at)),
        Verdict::RetryAt(due) | Verdict::PutBack(due) => (state::PENDING, millis(due).max(1), None),
    };
    let counted = match settlement.verdict {
        Verdict::PutBack(_) => settlement.attempts.saturating_sub(1),
        Verdict::Done | Verdict::Dead | Verdict::RetryAt(_) => settlement.attempts,
    };
    let mut update = transaction.prepare_cached(
        "UPDATE events SET state = ?2, attempts = ?3, due = ?4, settled = ?5, status = ?6
         WHERE seq = ?1",
    )?;
    let (seq, status) = (settlement.seq.0, settlement.attempt.status);
    update.execute(params![seq, state, counted, due, settled, status])?;
    Ok(())
}

/// Whether the attempt is kept by itself. A delivered event says all about its last one.
fn is_history(settlement: &Settlement, history: History) -> bool {
    match settlement.verdict {
        Verdict::Done => false,
        Verdict::Dead => true,
        Verdict::RetryAt(_) | Verdict::PutBack(_) => history == History::Whole,
    }
}

/// Adds an attempt to the history of its event.
pub(super) fn keep_attempt(
    transaction: &Connection,
    seq: Seq,
    number: u32,
    attempt: &Attempt,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO attempts (seq, place, number, at, status, outcome, answer)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let (place, at) = (number % HISTORY_RING, millis(attempt.at));
    let answer = attempt.answer.as_ref();
    let answer = answer.get(..Attempt::ANSWER_BYTES).unwrap_or(answer);
    let answer = (!answer.is_empty()).then_some(answer);
    let outcome = cut(&attempt.outcome);
    insert.execute(params![seq.0, place, number, at, attempt.status, outcome, answer])?;
    Ok(())
}

/// As much of an outcome as is kept.
fn cut(outcome: &str) -> &str {
    let end = outcome.floor_char_boundary(Attempt::OUTCOME_BYTES);
    outcome.get(..end).unwrap_or_default()
}
