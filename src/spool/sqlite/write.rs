//! One batch, one transaction; around damage, several.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::super::digest::{Fingerprint, KeyHash};
use super::super::event::{EventId, Malformed};
use super::super::store::{
    Applied, Arrival, Batch, Latest, NewEvent, Order, Seq, Share, StoreError, Written,
};
use super::damage::{self, Course, Piece};
use super::expire::{Choice, expire};
use super::outcomes::settle_all;
use super::sieve::Sieve;
use super::{SqliteStore, headers, millis, received, timestamp};

/// What is left of a batch.
struct Rest<'a> {
    batch: Batch<'a>,
    /// What expires with it, once that is chosen.
    chosen: Option<Choice>,
}

impl SqliteStore {
    /// All of a batch but what meets damage.
    pub(super) fn write(&mut self, batch: &Batch<'_>) -> rusqlite::Result<Applied> {
        let mut rest = Rest { batch: *batch, chosen: None };
        let mut applied: Option<Applied> = None;
        loop {
            let mut course = Course::default();
            let part = match self.write_part(&mut rest, &mut course) {
                Ok(part) => part,
                // What came before is durable, and told.
                Err(error) => return applied.ok_or(error),
            };
            let all = match applied {
                Some(before) => before.and(part),
                None => part,
            };
            if !course.is_over() {
                return Ok(all);
            }
            applied = Some(all);
        }
    }

    /// As much of it as one transaction takes, without what meets damage.
    fn write_part(
        &mut self,
        rest: &mut Rest<'_>,
        course: &mut Course,
    ) -> rusqlite::Result<Applied> {
        let mut cause = None;
        loop {
            if let (Some(expiry), None) = (rest.batch.expiry, &rest.chosen) {
                rest.chosen = self.expiring.any(&self.connection, expiry)?;
            }
            let error = match self.transact(rest, course) {
                Ok(mut applied) => {
                    applied.passed.pieces.extend(course.words());
                    applied.passed.cause = cause.map(|error| StoreError::Write(Box::new(error)));
                    return Ok(applied);
                }
                Err(error) => error,
            };
            match course.leave() {
                Some(piece) if damage::is_damage(&error) => self.expiring.leave(piece),
                _ => return Err(error),
            }
            cause.get_or_insert(error);
        }
    }

    /// One transaction; dropped half-way, it is rolled back.
    fn transact(&mut self, rest: &mut Rest<'_>, course: &mut Course) -> rusqlite::Result<Applied> {
        course.begin();
        self.routes.begin();
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let (batch, mut applied) = (&rest.batch, Applied::default());
        settle_all(&transaction, batch, course, &mut applied)?;
        let mut share = batch.quarantine;
        applied.written.reserve_exact(batch.arrivals.len());
        for (place, arrival) in batch.arrivals.iter().enumerate() {
            if course.is_over() {
                break;
            }
            // A repeat on a damaged page goes out twice, which is better than never.
            let first = match arrival {
                Arrival::Event(event) if course.comes(Piece::Lookup(place)) => {
                    repeat(&transaction, &mut self.sieve, event)?
                }
                _ => None,
            };
            if !course.comes(Piece::Arrival(place)) {
                applied.written.push(Written::Unwritable);
                continue;
            }
            let route = self.routes.number(&transaction, arrival.route())?;
            applied.written.push(match (arrival, first) {
                (Arrival::Event(_), Some(first)) => count_repeat(&transaction, &first)?,
                (Arrival::Event(event), None) => {
                    store(&transaction, &mut self.sieve, event, route)?
                }
                (Arrival::Malformed(malformed, print), _) => {
                    let kept = Kept { malformed, print: *print, route, bytes: arrival.bytes() };
                    quarantine(&transaction, &kept, &mut share)?
                }
            });
        }
        let mut deleted = 0;
        if let Some(expiry) = batch.expiry.filter(|_| !course.is_over()) {
            let chosen = if let Some(chosen) = &rest.chosen {
                chosen
            } else {
                course.comes(Piece::Oldest);
                rest.chosen.insert(self.expiring.oldest(&transaction, expiry)?)
            };
            applied.expires_more = chosen.more;
            deleted = expire(&transaction, &chosen.seqs, course, &mut applied)?;
        }
        course.end();
        transaction.commit()?;
        self.routes.keep();
        rest.advance(&applied, share, deleted);
        Ok(applied)
    }

    /// A heartbeat stays. The event does not: it tells whether the place can be written where those
    /// go that come.
    pub(super) fn beat(&mut self) -> rusqlite::Result<()> {
        let behavior = TransactionBehavior::Immediate;
        let mut transaction = self.connection.transaction_with_behavior(behavior)?;
        let trial = transaction.savepoint()?;
        self.routes.try_first(&trial)?;
        let event = "INSERT INTO events (id, route, key, ordered, fingerprint, accepted)
                     VALUES (x'', 0, 0, 0, x'', 0)";
        trial.execute(event, [])?;
        received::insert(&trial, Seq(trial.last_insert_rowid()), &[], None)?;
        // Dropped, it is undone.
        drop(trial);
        transaction.execute("UPDATE heartbeat SET beats = beats + 1", [])?;
        transaction.commit()
    }
}

impl Rest<'_> {
    /// This part of it is done.
    fn advance(&mut self, part: &Applied, share: Share, deleted: usize) {
        let batch = &mut self.batch;
        batch.settlements = batch.settlements.get(part.settled..).unwrap_or_default();
        batch.arrivals = batch.arrivals.get(part.written.len()..).unwrap_or_default();
        batch.quarantine = share;
        if let Some(chosen) = &mut self.chosen {
            chosen.seqs.drain(..deleted);
        }
    }
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
