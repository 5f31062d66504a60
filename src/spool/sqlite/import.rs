//! Keeping an event as it was in another spool: its state, its counts, its attempts.

use rusqlite::{Connection, params};

use super::super::digest;
use super::super::event::{Malformed, RouteName};
use super::super::queue::LONGEST_PAUSE;
use super::super::record::{Contents, Record, State, Story};
use super::super::store::{Changed, Pending, Seq};
use super::outcomes::keep_attempt;
use super::routes::Routes;
use super::{millis, quarantine, received, state};
use crate::clock::Timestamp;

/// At the end of the order. Whether the id is known was looked up before. Its age counts from `now`:
/// who imports an old event wants it delivered.
pub(super) fn import(
    transaction: &Connection,
    routes: &mut Routes,
    story: &Story,
    now: Timestamp,
) -> rusqlite::Result<Changed> {
    let record = &story.record;
    let route = routes.number(transaction, &record.route)?;
    let (body, key, attempts, received) = match &story.contents {
        Contents::Event { body, key, attempts, received } => (body, *key, attempts, received),
        Contents::Malformed(malformed) => return keep(transaction, malformed, record, route),
    };
    let (state, due, settled) = match record.state {
        State::Delivered => {
            (state::DELIVERED, None, Some(record.settled.unwrap_or(record.accepted)))
        }
        State::Dead => (state::DEAD, None, Some(record.settled.unwrap_or(record.accepted))),
        State::Pending | State::Quarantined => (state::PENDING, record.due, None),
    };
    // No file decides how long an event waits.
    let due = due.unwrap_or_default().min(now.plus(LONGEST_PAUSE));
    let fingerprint = digest::of_body(body);
    let hash = key.unwrap_or_else(|| digest::of_no_key(&record.route, fingerprint));
    let mut insert = transaction.prepare_cached(
        "INSERT INTO events (id, route, key, ordered, fingerprint, accepted, state, attempts, due,
                             repeats, replays, settled, status, since, superseded)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    let seq = Seq(insert.insert(params![
        record.id.as_bytes(),
        route,
        i64::from_be_bytes(hash.0),
        key.is_some(),
        fingerprint.0,
        millis(record.accepted),
        state,
        record.attempts,
        millis(due),
        record.repeats,
        record.replays,
        settled.map(millis),
        record.status,
        millis(now),
        // What came after it may be here already, or was dropped or lost where it comes from: what
        // equals it may be a return to it.
        record.state == State::Delivered
    ])?);
    received::insert(transaction, seq, body, received.as_ref())?;
    for (number, attempt) in attempts {
        keep_attempt(transaction, seq, *number, attempt)?;
    }
    let pending = (state == state::PENDING).then(|| Pending {
        seq,
        route: RouteName::clone(&record.route),
        key,
        attempts: record.attempts,
        due,
    });
    Ok(Changed::Imported(pending, record.state))
}

/// Whatever equals it: what came as something new is kept as that.
fn keep(
    transaction: &Connection,
    malformed: &Malformed,
    record: &Record,
    route: i64,
) -> rusqlite::Result<Changed> {
    let seq = quarantine::insert(transaction, malformed, digest::of_malformed(malformed), route)?;
    let sql = "UPDATE quarantine SET repeats = ?2 WHERE seq = ?1";
    transaction.prepare_cached(sql)?.execute(params![seq.0, record.repeats])?;
    Ok(Changed::Imported(None, State::Quarantined))
}
