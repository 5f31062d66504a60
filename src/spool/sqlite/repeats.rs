//! Which event a new one repeats.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::digest::{Fingerprint, KeyHash};
use super::super::event::EventId;
use super::super::store::{Latest, NewEvent, Seq, Written};
use super::sieve::Sieve;
use super::timestamp;

/// The latest event of a group with this key hash, settled or not, before a place.
pub(super) const LATEST: &str =
    "SELECT seq, id, fingerprint, accepted, state <> 2 AND NOT superseded FROM events
     WHERE seq >> 13 = ?1 AND key = ?2 AND seq < ?3 ORDER BY seq DESC LIMIT 1";

/// Behind all of them.
const END: Seq = Seq(i64::MAX);

/// The event that this one repeats.
pub(super) fn repeat(
    transaction: &Connection,
    sieve: &mut Sieve,
    event: &NewEvent,
) -> rusqlite::Result<Option<Latest>> {
    sieve.forget(event.at, event.window);
    let latest = latest(transaction, sieve, event.key, END)?;
    Ok(latest.filter(|latest| event.repeats(latest)))
}

pub(super) fn count(transaction: &Connection, first: &Latest) -> rusqlite::Result<Written> {
    let mut count =
        transaction.prepare_cached("UPDATE events SET repeats = repeats + 1 WHERE seq = ?1")?;
    count.execute([first.seq.0])?;
    Ok(Written::Repeat(first.id))
}

/// The event at this place is deleted. The one before it is the last that is left of its key, and not
/// what the upstream has: a return to it is no repeat.
pub(super) fn supersede(
    transaction: &Connection,
    sieve: &Sieve,
    deleted: Seq,
    key: KeyHash,
) -> rusqlite::Result<()> {
    if let Some(before) = latest(transaction, sieve, key, deleted)? {
        let mut update =
            transaction.prepare_cached("UPDATE events SET superseded = 1 WHERE seq = ?1")?;
        update.execute([before.seq.0])?;
    }
    Ok(())
}

fn latest(
    transaction: &Connection,
    sieve: &Sieve,
    key: KeyHash,
    before: Seq,
) -> rusqlite::Result<Option<Latest>> {
    let mut statement = transaction.prepare_cached(LATEST)?;
    for group in sieve.groups(key, before) {
        let asked = params![group, i64::from_be_bytes(key.0), before.0];
        let latest = statement.query_row(asked, |row| {
            Ok(Latest {
                seq: Seq(row.get(0)?),
                id: EventId::from_bytes(row.get(1)?),
                fingerprint: Fingerprint(row.get(2)?),
                accepted: timestamp(row.get(3)?),
                stands: row.get(4)?,
            })
        });
        if let Some(latest) = latest.optional()? {
            return Ok(Some(latest));
        }
    }
    Ok(None)
}
