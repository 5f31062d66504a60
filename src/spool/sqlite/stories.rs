//! All that the file has of one event.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _};

use super::super::digest::KeyHash;
use super::super::event::{Malformed, RouteName};
use super::super::lease::Attempt;
use super::super::record::{Contents, Place, Story};
use super::super::store::Seq;
use super::{damage, received, records, timestamp};

pub(super) fn story(connection: &Connection, place: Place) -> rusqlite::Result<Option<Story>> {
    match place {
        Place::Event(seq) => event(connection, Seq(seq)),
        Place::Quarantine(seq) => malformed(connection, Seq(seq)),
    }
}

fn event(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<Story>> {
    let Some(record) = records::at(connection, seq.0)? else { return Ok(None) };
    let sql = "SELECT body FROM bodies WHERE seq = ?1";
    let body = connection.query_row(sql, [seq.0], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    let contents = Contents::Event {
        body: Bytes::from(body.unwrap_or_default()),
        key: key(connection, seq)?,
        // An event without its history is worth more than none.
        attempts: attempts(connection, seq).or_else(damage::nothing)?,
        received: received::find(connection, received::OF_EVENT, seq)?,
    };
    Ok(Some(Story { record, contents }))
}

fn malformed(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<Story>> {
    let record = records::malformed_at(connection, seq.0)?;
    let received = received::find(connection, received::IN_QUARANTINE, seq)?;
    let (Some(record), Some(received)) = (record, received) else { return Ok(None) };
    let contents = Contents::Malformed(Malformed {
        id: record.id,
        route: RouteName::clone(&record.route),
        at: record.accepted,
        reason: record.reason.clone().unwrap_or_default(),
        received,
    });
    Ok(Some(Story { record, contents }))
}

fn key(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<KeyHash>> {
    let sql = "SELECT ordered, key FROM events WHERE seq = ?1";
    let key = connection.query_row(sql, [seq.0], |row| {
        let key: i64 = row.get(1)?;
        Ok(row.get::<_, bool>(0)?.then(|| KeyHash(key.to_be_bytes())))
    });
    key.optional().map(Option::flatten)
}

pub(super) fn attempts(connection: &Connection, seq: Seq) -> rusqlite::Result<Vec<(u32, Attempt)>> {
    let mut statement = connection.prepare(
        "SELECT number, at, status, outcome, answer FROM attempts
         WHERE seq = ?1 ORDER BY at, number",
    )?;
    let attempts = statement.query_map([seq.0], |row| {
        let at = timestamp(row.get(1)?);
        let answer = row.get::<_, Option<Vec<u8>>>(4)?.map(Bytes::from).unwrap_or_default();
        Ok((row.get(0)?, Attempt { at, status: row.get(2)?, outcome: row.get(3)?, answer }))
    })?;
    attempts.collect()
}
