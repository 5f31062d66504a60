//! What was not understood: keeping it, or counting it on what is there already.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::digest::Fingerprint;
use super::super::event::{EventId, Malformed, Told};
use super::super::store::{Latest, NewMalformed, Seq, Share, Written, weight};
use super::{headers, millis, timestamp};

/// The same bytes on the same route; there may be several, where they came as something new.
pub(super) const EQUAL: &str = "SELECT max(seq) FROM quarantine WHERE fingerprint = ?1";
/// The latest of a route.
pub(super) const NEWEST: &str = "SELECT seq, id, fingerprint, at FROM quarantine
     WHERE route = ?1 ORDER BY seq DESC LIMIT 1";

/// Keeps it, unless it is a repeat or there is no room for it.
pub(super) fn quarantine(
    transaction: &Connection,
    new: &NewMalformed,
    route: i64,
    share: &mut Share,
) -> rusqlite::Result<Written> {
    if let Some(first) = repeated(transaction, new, route)? {
        let mut count = transaction.prepare_cached(
            "UPDATE quarantine SET repeats = repeats + 1, last_at = ?2 WHERE seq = ?1
             RETURNING id",
        )?;
        let at = millis(new.malformed.at);
        let id = count.query_row(params![first, at], |row| row.get(0))?;
        return Ok(Written::Known(EventId::from_bytes(id)));
    }
    match share.with(weight(&new.malformed)) {
        Some(grown) => *share = grown,
        None => return Ok(Written::Refused),
    }
    insert(transaction, &new.malformed, new.fingerprint, route)?;
    Ok(Written::Quarantined)
}

/// What this is a repeat of.
fn repeated(
    transaction: &Connection,
    new: &NewMalformed,
    route: i64,
) -> rusqlite::Result<Option<i64>> {
    match new.told {
        Told::Refused => {
            let mut equal = transaction.prepare_cached(EQUAL)?;
            equal.query_row([new.fingerprint.0], |row| row.get(0))
        }
        Told::Kept => {
            let latest = newest(transaction, route)?.filter(|latest| new.repeats(latest));
            Ok(latest.map(|latest| latest.seq.0))
        }
    }
}

fn newest(transaction: &Connection, route: i64) -> rusqlite::Result<Option<Latest>> {
    let mut newest = transaction.prepare_cached(NEWEST)?;
    let newest = newest.query_row([route], |row| {
        Ok(Latest {
            seq: Seq(row.get(0)?),
            id: EventId::from_bytes(row.get(1)?),
            fingerprint: Fingerprint(row.get(2)?),
            accepted: timestamp(row.get(3)?),
            // Whatever was behind it and has left was delivered or dropped; this is still to come.
            stands: true,
        })
    });
    newest.optional()
}

/// Whether there is room was asked before.
pub(super) fn insert(
    transaction: &Connection,
    malformed: &Malformed,
    fingerprint: Fingerprint,
    route: i64,
) -> rusqlite::Result<Seq> {
    let received = &malformed.received;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO quarantine (id, route, at, reason, method, content_type, query, body,
                                 fingerprint, last_at, client, headers, bytes, format)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?3, ?10, ?11, ?12, ?13)",
    )?;
    let seq = insert.insert(params![
        malformed.id.as_bytes(),
        route,
        millis(malformed.at),
        malformed.reason,
        received.method,
        received.content_type.as_deref(),
        received.query.as_deref(),
        &received.body[..],
        fingerprint.0,
        received.client,
        headers::written(&received.headers),
        i64::try_from(weight(malformed)).unwrap_or(i64::MAX),
        received.format
    ])?;
    Ok(Seq(seq))
}

/// Deletes what is kept there, when it is still what was meant; answers with its repeats.
pub(super) fn take_out(
    transaction: &Connection,
    seq: Seq,
    id: EventId,
) -> rusqlite::Result<Option<i64>> {
    let sql = "DELETE FROM quarantine WHERE seq = ?1 AND id = ?2 RETURNING repeats";
    let mut delete = transaction.prepare_cached(sql)?;
    delete.query_row(params![seq.0, id.as_bytes()], |row| row.get(0)).optional()
}
