//! One batch, one transaction.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::super::digest::{Fingerprint, KeyHash};
use super::super::event::{EventId, Malformed, RouteName};
use super::super::lease::{Attempt, Verdict};
use super::super::store::{
    Applied, Arrival, Batch, History, Latest, NewEvent, Order, Passed, Seq, Settlement, Share,
    StoreError, Written,
};
use super::damage::{self, LeftOut, Piece};
use super::expire::{any, expire, oldest};
use super::sieve::Sieve;
use super::{SqliteStore, headers, millis, received, state, timestamp};

/// Failed attempts kept of one event: the first days of trouble look all alike.
const HISTORY_RING: u32 = 16;

impl SqliteStore {
    /// All of a batch but what meets damage.
    pub(super) fn write(&mut self, batch: &Batch<'_>) -> rusqlite::Result<Applied> {
        let mut cause = None;
        loop {
            match self.transact(batch) {
                Err(error) if damage::is_damage(&error) && self.left_out.leave() => {
                    self.routes.clear();
                    cause.get_or_insert(error);
                }
                written => {
                    self.left_out.forget();
                    let mut applied = written?;
                    applied.passed.cause = cause.map(|error| StoreError::Write(Box::new(error)));
                    return Ok(applied);
                }
            }
        }
    }

    /// A heartbeat stays. The event does not: it tells whether the place can be written where those
    /// go that come.
    pub(super) fn beat(&mut self) -> rusqlite::Result<()> {
        let behavior = TransactionBehavior::Immediate;
        let mut transaction = self.connection.transaction_with_behavior(behavior)?;
        let trial = transaction.savepoint()?;
        let event = "INSERT INTO events (id, route, key, ordered, fingerprint, accepted)
                     VALUES (x'', 0, 0, 0, x'', 0)";
        trial.execute(event, [])?;
        received::insert(&trial, Seq(trial.last_insert_rowid()), &[], None)?;
        // Dropped, it is undone.
        drop(trial);
        transaction.execute("UPDATE heartbeat SET beats = beats + 1", [])?;
        transaction.commit()
    }

    /// The transaction of a batch; dropped half-way, it is rolled back.
    fn transact(&mut self, batch: &Batch<'_>) -> rusqlite::Result<Applied> {
        self.left_out.end();
        let any = match batch.expiry {
            // Not inside of the transaction, which what it passes over would end.
            Some(expiry) if self.left_out.has(Piece::Oldest) => {
                Some(any(&self.connection, expiry, &self.left_out)?)
            }
            _ => None,
        };
        let left_out = &mut self.left_out;
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let mut applied = Applied::default();
        let passed = &mut applied.passed;
        settle_all(&transaction, batch, left_out, passed)?;
        let mut share = batch.quarantine;
        applied.written.reserve_exact(batch.arrivals.len());
        for (place, arrival) in batch.arrivals.iter().enumerate() {
            if !left_out.begin(Piece::Arrival(place)) {
                passed.arrivals += 1;
                applied.written.push(Written::Unwritable);
                continue;
            }
            let name = arrival.route();
            let route = if let Some(route) = self.routes.get(name) {
                *route
            } else {
                let route = number_route(&transaction, name)?;
                self.routes.insert(RouteName::clone(name), route);
                route
            };
            let written = match arrival {
                Arrival::Event(event) => {
                    let repeat = if left_out.begin(Piece::Lookup(place)) {
                        repeat(&transaction, &mut self.sieve, event)?
                    } else {
                        // A repeat on a damaged page goes out twice, which is better than never.
                        None
                    };
                    left_out.begin(Piece::Arrival(place));
                    match repeat {
                        Some(first) => count_repeat(&transaction, &first)?,
                        None => store(&transaction, &mut self.sieve, event, route)?,
                    }
                }
                Arrival::Malformed(malformed, print) => {
                    let kept = Kept { malformed, print: *print, route, bytes: arrival.bytes() };
                    quarantine(&transaction, &kept, &mut share)?
                }
            };
            applied.written.push(written);
        }
        if let Some(expiry) = batch.expiry {
            let chosen = match any {
                Some(chosen) => chosen,
                None => oldest(&transaction, expiry, left_out)?,
            };
            applied.expired = expire(&transaction, &chosen, left_out, passed)?;
        }
        left_out.end();
        transaction.commit()?;
        Ok(applied)
    }
}

pub(super) fn number_route(transaction: &Connection, name: &RouteName) -> rusqlite::Result<i64> {
    let name: &str = name;
    let known = "SELECT route FROM routes WHERE name = ?1";
    let known = transaction.query_row(known, [name], |row| row.get(0)).optional()?;
    if let Some(route) = known {
        return Ok(route);
    }
    transaction.execute("INSERT INTO routes (name) VALUES (?1)", [name])?;
    Ok(transaction.last_insert_rowid())
}

/// The event that this one repeats.
fn repeat(
    transaction: &Connection,
    sieve: &mut Sieve,
    event: &NewEvent,
) -> rusqlite::Result<Option<Latest>> {
    sieve.forget(event.at, event.window);
    let latest = latest(transaction, sieve, event.key)?;
    Ok(latest.filter(|latest| event.repeats(latest)))
}

fn count_repeat(transaction: &Connection, first: &Latest) -> rusqlite::Result<Written> {
    let mut count =
        transaction.prepare_cached("UPDATE events SET repeats = repeats + 1 WHERE seq = ?1")?;
    count.execute([first.seq.0])?;
    Ok(Written::Repeat(first.id))
}

fn store(
    transaction: &Connection,
    sieve: &mut Sieve,
    event: &NewEvent,
    route: i64,
) -> rusqlite::Result<Written> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO events (id, route, key, ordered, fingerprint, accepted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let ordered = event.order == Order::Keyed;
    let seq = insert.insert(params![
        event.id.as_bytes(),
        route,
        i64::from_be_bytes(event.key.0),
        ordered,
        event.fingerprint.0,
        millis(event.at)
    ])?;
    received::insert(transaction, Seq(seq), &event.body, event.received.as_deref())?;
    sieve.add(Seq(seq), event.key, event.at);
    Ok(Written::Stored(Seq(seq)))
}

/// The latest event of a group with this key hash, settled or not.
pub(super) const LATEST: &str = "SELECT seq, id, fingerprint, accepted FROM events
     WHERE seq >> 13 = ?1 AND key = ?2 ORDER BY seq DESC LIMIT 1";

fn latest(
    transaction: &Connection,
    sieve: &Sieve,
    key: KeyHash,
) -> rusqlite::Result<Option<Latest>> {
    let mut statement = transaction.prepare_cached(LATEST)?;
    for group in sieve.groups(key) {
        let latest = statement.query_row([group, i64::from_be_bytes(key.0)], |row| {
            Ok(Latest {
                seq: Seq(row.get(0)?),
                id: EventId::from_bytes(row.get(1)?),
                fingerprint: Fingerprint(row.get(2)?),
                accepted: timestamp(row.get(3)?),
            })
        });
        if let Some(latest) = latest.optional()? {
            return Ok(Some(latest));
        }
    }
    Ok(None)
}

/// What goes to quarantine.
pub(super) struct Kept<'a> {
    pub(super) malformed: &'a Malformed,
    pub(super) print: Fingerprint,
    pub(super) route: i64,
    /// As the bound on all of them counts.
    pub(super) bytes: u64,
}

fn quarantine(
    transaction: &Connection,
    kept: &Kept<'_>,
    share: &mut Share,
) -> rusqlite::Result<Written> {
    let Kept { malformed, print, bytes, .. } = kept;
    let mut count = transaction.prepare_cached(
        "UPDATE quarantine SET repeats = repeats + 1, last_at = ?2 WHERE fingerprint = ?1
         RETURNING id",
    )?;
    let known = count.query_row(params![print.0, millis(malformed.at)], |row| row.get(0));
    if let Some(id) = known.optional()? {
        return Ok(Written::Known(EventId::from_bytes(id)));
    }
    match share.with(*bytes) {
        Some(grown) => *share = grown,
        None => return Ok(Written::Refused),
    }
    insert_malformed(transaction, kept)?;
    Ok(Written::Quarantined)
}

/// Whether there is room was asked before.
pub(super) fn insert_malformed(transaction: &Connection, kept: &Kept<'_>) -> rusqlite::Result<()> {
    let Kept { malformed, print, route, bytes } = kept;
    let received = &malformed.received;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO quarantine (id, route, at, reason, method, content_type, query, body,
                                 fingerprint, last_at, client, headers, bytes, format)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?3, ?10, ?11, ?12, ?13)",
    )?;
    insert.execute(params![
        malformed.id.as_bytes(),
        route,
        millis(malformed.at),
        malformed.reason,
        received.method,
        received.content_type.as_deref(),
        received.query.as_deref(),
        &received.body[..],
        print.0,
        received.client,
        headers::written(&received.headers),
        i64::try_from(*bytes).unwrap_or(i64::MAX),
        received.format
    ])?;
    Ok(())
}

fn settle_all(
    transaction: &Connection,
    batch: &Batch<'_>,
    left_out: &mut LeftOut,
    passed: &mut Passed,
) -> rusqlite::Result<()> {
    for (place, settlement) in batch.settlements.iter().enumerate() {
        if !left_out.begin(Piece::Settlement(place)) {
            passed.settlements += 1;
            continue;
        }
        settle(transaction, settlement)?;
        if !is_history(settlement, batch.history) {
            continue;
        }
        // An outcome is worth more than its history.
        if left_out.begin(Piece::Attempt(settlement.seq)) {
            let Settlement { seq, attempts, attempt, .. } = settlement;
            keep_attempt(transaction, *seq, *attempts, attempt)?;
        } else {
            passed.attempts += 1;
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
