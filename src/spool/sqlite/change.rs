//! What the operator changes: one request, one transaction.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::super::event::{EventId, RouteName};
use super::super::record::{Place, State};
use super::super::store::{Change, Changed, NewEvent, Order, Pending, Seq};
use super::expire::{REMOVE_ATTEMPTS, remove};
use super::quarantine::take_out;
use super::routes::Routes;
use super::sieve::Sieve;
use super::{SqliteStore, import, millis, received, start, state};
use crate::clock::{self, Timestamp};

impl SqliteStore {
    /// The transaction of a request; dropped half-way, it is rolled back.
    pub(super) fn alter(&mut self, changes: &[Change]) -> rusqlite::Result<Vec<Changed>> {
        let names = start::route_names(&self.connection)?;
        self.routes.begin();
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let end = end(&transaction)?;
        let now = clock::now();
        let done = changes.iter().map(|change| match change {
            Change::Revive(seq, id) => revive(&transaction, *seq, *id, now, &names),
            Change::Admit(seq, event) => admit(&transaction, &mut self.routes, *seq, event, now),
            Change::Import(story) => import::import(&transaction, &mut self.routes, story, now),
            Change::Discard(Place::Event(seq), id) => {
                discard(&transaction, &self.sieve, Seq(*seq), *id)
            }
            Change::Discard(Place::Quarantine(seq), id) => {
                let left = take_out(&transaction, Seq(*seq), *id)?.is_some();
                Ok(if left { Changed::Dropped(State::Quarantined) } else { Changed::Missing })
            }
        });
        let done = done.collect::<rusqlite::Result<Vec<_>>>()?;
        // Whatever comes in comes to the end.
        self.sieve.read(&transaction, end)?;
        transaction.commit()?;
        self.routes.keep();
        Ok(done)
    }
}

/// The last place that is taken.
fn end(transaction: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(seq), 0) FROM events";
    transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// What an event is now, when it is still the one that was meant.
fn standing(transaction: &Connection, seq: Seq, id: EventId) -> rusqlite::Result<Option<State>> {
    let sql = "SELECT state FROM events WHERE seq = ?1 AND id = ?2";
    let mut statement = transaction.prepare_cached(sql)?;
    let stored = statement.query_row(params![seq.0, id.as_bytes()], |row| row.get(0)).optional()?;
    Ok(stored.map(state::of))
}

/// Moves an event to the end: it goes after everything that was accepted until now, as the queue
/// in memory has it, and is the latest of its key, as the upstream will see it.
fn revive(
    transaction: &Connection,
    seq: Seq,
    id: EventId,
    now: Timestamp,
    names: &HashMap<i64, RouteName>,
) -> rusqlite::Result<Changed> {
    let from = match standing(transaction, seq, id)? {
        None => return Ok(Changed::Missing),
        Some(State::Pending) => return Ok(Changed::Undelivered),
        Some(state) => state,
    };
    let moved = end(transaction)?.saturating_add(1);
    let mut update = transaction.prepare_cached(
        "UPDATE events SET seq = ?2, state = 0, attempts = 0, due = 0, settled = NULL,
                           status = NULL, replays = replays + 1, since = ?3, superseded = 0
         WHERE seq = ?1",
    )?;
    update.execute([seq.0, moved, millis(now)])?;
    for sql in [
        "UPDATE bodies SET seq = ?2 WHERE seq = ?1",
        // Damage may have left some there of an event that is gone.
        "UPDATE OR REPLACE attempts SET seq = ?2 WHERE seq = ?1",
    ] {
        transaction.prepare_cached(sql)?.execute([seq.0, moved])?;
    }
    let sql = "SELECT seq, route, key, ordered, attempts, due FROM events WHERE seq = ?1";
    let mut select = transaction.prepare_cached(sql)?;
    let pending = select.query_row([moved], |row| start::of_row(row, names))?;
    Ok(Changed::Queued(pending, from))
}

/// Makes an event of what was in quarantine.
fn admit(
    transaction: &Connection,
    routes: &mut Routes,
    seq: Seq,
    event: &NewEvent,
    now: Timestamp,
) -> rusqlite::Result<Changed> {
    let Some(repeats) = take_out(transaction, seq, event.id)? else {
        return Ok(Changed::Missing);
    };
    let route = routes.number(transaction, &event.route)?;
    let ordered = event.order == Order::Keyed;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO events (id, route, key, ordered, fingerprint, accepted, repeats, replays, since)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)",
    )?;
    let stored = insert.insert(params![
        event.id.as_bytes(),
        route,
        i64::from_be_bytes(event.key.0),
        ordered,
        event.fingerprint.0,
        millis(event.at),
        repeats,
        millis(now)
    ])?;
    received::insert(transaction, Seq(stored), &event.body, event.received.as_deref())?;
    let pending = Pending {
        seq: Seq(stored),
        route: RouteName::clone(&event.route),
        key: ordered.then_some(event.key),
        attempts: 0,
        due: Timestamp::default(),
    };
    Ok(Changed::Queued(pending, State::Quarantined))
}

fn discard(
    transaction: &Connection,
    sieve: &Sieve,
    seq: Seq,
    id: EventId,
) -> rusqlite::Result<Changed> {
    let from = match standing(transaction, seq, id)? {
        None => return Ok(Changed::Missing),
        Some(State::Pending) => return Ok(Changed::Undelivered),
        Some(state) => state,
    };
    remove(transaction, sieve, seq)?;
    transaction.prepare_cached(REMOVE_ATTEMPTS)?.execute([seq.0])?;
    Ok(Changed::Dropped(from))
}
