//! One batch, one transaction; around damage, several.

use rusqlite::{Connection, TransactionBehavior, params};

use super::super::store::{
    Applied, Arrival, Batch, NewEvent, Order, Seq, Share, StoreError, Written,
};
use super::damage::{self, Course, Piece};
use super::expire::{Choice, expire};
use super::outcomes::settle_all;
use super::quarantine::quarantine;
use super::sieve::Sieve;
use super::{SqliteStore, millis, received, repeats};

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
                    repeats::repeat(&transaction, &mut self.sieve, event)?
                }
                _ => None,
            };
            if !course.comes(Piece::Arrival(place)) {
                applied.written.push(Written::Unwritable);
                continue;
            }
            let route = self.routes.number(&transaction, arrival.route())?;
            applied.written.push(match (arrival, first) {
                (Arrival::Event(_), Some(first)) => repeats::count(&transaction, &first)?,
                (Arrival::Event(event), None) => {
                    store(&transaction, &mut self.sieve, event, route)?
                }
                (Arrival::Malformed(new), _) => quarantine(&transaction, new, route, &mut share)?,
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
            deleted = expire(&transaction, &self.sieve, &chosen.seqs, course, &mut applied)?;
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
