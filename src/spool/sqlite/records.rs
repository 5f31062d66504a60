//! Lists for the operator, on a connection of its own.

use std::ops::ControlFlow;

use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::super::digest;
use super::super::event::{EventId, RouteName};
use super::super::record::{Filter, Page, Place, Record, State};
use super::{damage, millis, start, state, timestamp};

const EVENT: &str = "SELECT e.seq, e.id, r.name, e.accepted, e.state, e.attempts, e.replays,
    e.repeats, e.due, e.settled, e.status,
    (SELECT length(body) FROM bodies b WHERE b.seq = e.seq),
    (SELECT outcome FROM attempts a WHERE a.seq = e.seq ORDER BY a.at DESC, a.number DESC LIMIT 1)
    FROM events e JOIN routes r USING (route)";

const QUARANTINED: &str = "SELECT q.seq, q.id, r.name, q.at, q.repeats, length(q.body), q.reason
    FROM quarantine q JOIN routes r USING (route)";

pub(super) fn page(
    connection: &Connection,
    filter: &Filter,
    after: Place,
    limit: u32,
) -> rusqlite::Result<Page> {
    let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
    let mut records = Vec::new();
    // One more than asked for tells whether there is more.
    let wanted = limit.saturating_add(1);
    if let Place::Event(seq) = after {
        events(connection, filter, seq, wanted, &mut records)?;
    }
    if records.len() < wanted && filter.wants(State::Quarantined) && filter.key.is_none() {
        let seq = match after {
            Place::Event(_) => i64::MIN,
            Place::Quarantine(seq) => seq,
        };
        quarantined(connection, filter, seq, wanted, &mut records)?;
    }
    let more = records.len() > limit;
    records.truncate(limit);
    let next = more.then(|| records.last().map(|record| record.place)).flatten();
    Ok(Page { records, next })
}

fn events(
    connection: &Connection,
    filter: &Filter,
    after: i64,
    wanted: usize,
    records: &mut Vec<Record>,
) -> rusqlite::Result<()> {
    let states: Vec<i64> = [
        (State::Pending, state::PENDING),
        (State::Delivered, state::DELIVERED),
        (State::Dead, state::DEAD),
    ]
    .into_iter()
    .filter(|(state, _)| filter.wants(*state))
    .map(|(_, stored)| stored)
    .collect();
    let keys = match &filter.key {
        Some(key) => Some(hashes(connection, filter, key)?),
        None => None,
    };
    match listed(connection, filter, (&states, keys.as_deref()), after, wanted, records) {
        Err(error) if damage::is_damage(&error) => {
            records.clear();
            readable(connection, after, wanted, records, &mut |row, route| {
                Ok(states.contains(&row.get(4)?)
                    && row.get::<_, i64>(3)? >= millis(filter.since)
                    && filter.route.as_ref().is_none_or(|wanted| wanted == route)
                    && match &keys {
                        Some(keys) => row.get(11)? && keys.contains(&row.get(12)?),
                        None => true,
                    })
            })
        }
        listed => listed,
    }
}

fn listed(
    connection: &Connection,
    filter: &Filter,
    (states, keys): (&[i64], Option<&[i64]>),
    after: i64,
    wanted: usize,
    records: &mut Vec<Record>,
) -> rusqlite::Result<()> {
    let mut values = vec![Value::Integer(after), Value::Integer(millis(filter.since))];
    let mut asked = vec!["e.seq > ? AND e.accepted >= ?".to_owned()];
    asked.push(format!("e.state IN ({})", marks(states.len())));
    values.extend(states.iter().copied().map(Value::Integer));
    if let Some(route) = &filter.route {
        asked.push("r.name = ?".to_owned());
        values.push(Value::Text(route.to_string()));
    }
    if let Some(keys) = keys {
        asked.push(format!("e.ordered = 1 AND e.key IN ({})", marks(keys.len())));
        values.extend(keys.iter().copied().map(Value::Integer));
    }
    let asked = asked.join(" AND ");
    let sql = format!("{EVENT} WHERE {asked} ORDER BY e.seq LIMIT {wanted}");
    let mut statement = connection.prepare(&sql)?;
    for record in statement.query_map(params_from_iter(values), event)? {
        records.push(record?);
    }
    Ok(())
}

/// The columns of [`EVENT`] that stand in the table itself, in the same places.
const LINE: &str =
    "seq, id, route, accepted, state, attempts, replays, repeats, due, settled, status,
    ordered, key";
/// Instead of a reason, where the file cannot tell.
const DAMAGED: &str = "the spool is damaged: not all of this event can be read";

/// Row by row what of the list can be read, and of a row what can be read of it.
fn readable(
    connection: &Connection,
    after: i64,
    wanted: usize,
    records: &mut Vec<Record>,
    is_wanted: &mut dyn FnMut(&Row<'_>, &RouteName) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    let names = start::route_names(connection)?;
    damage::walk(connection, "events", LINE, after, &mut |row| {
        let route = start::named(&names, row.get(2)?);
        if is_wanted(row, &route)? {
            let seq: i64 = row.get(0)?;
            let bytes: rusqlite::Result<Option<i64>> = ask(connection, BYTES, seq);
            let outcome: rusqlite::Result<Option<String>> = ask(connection, OUTCOME, seq);
            let is_whole = bytes.is_ok() && outcome.is_ok();
            let mut record = line(row, route)?;
            record.bytes =
                bytes.ok().flatten().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
            record.reason = match outcome {
                Ok(outcome) if is_whole => outcome.filter(|_| record.state != State::Delivered),
                _ => Some(DAMAGED.to_owned()),
            };
            records.push(record);
        }
        let is_full = records.len() >= wanted;
        Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(())
}

const BYTES: &str = "SELECT length(body) FROM bodies WHERE seq = ?1";
const OUTCOME: &str =
    "SELECT outcome FROM attempts WHERE seq = ?1 ORDER BY at DESC, number DESC LIMIT 1";

fn ask<T: FromSql>(connection: &Connection, sql: &str, seq: i64) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()
}

/// One line, as far as it can be read.
pub(super) fn at(connection: &Connection, seq: i64) -> rusqlite::Result<Option<Record>> {
    let sql = format!("{EVENT} WHERE e.seq = ?1");
    match connection.query_row(&sql, [seq], event).optional() {
        Err(error) if damage::is_damage(&error) => {
            let mut found = Vec::new();
            readable(connection, seq - 1, 1, &mut found, &mut |_, _| Ok(true))?;
            Ok(found.pop().filter(|record| record.place == Place::Event(seq)))
        }
        record => record,
    }
}

/// The key's hash on each route that is meant: only hashes are stored.
fn hashes(connection: &Connection, filter: &Filter, key: &str) -> rusqlite::Result<Vec<i64>> {
    let names = start::route_names(connection)?.into_values();
    let meant = names.filter(|name| filter.route.as_ref().is_none_or(|route| route == name));
    Ok(meant.map(|name| i64::from_be_bytes(digest::of_key(&name, key).0)).collect())
}

fn quarantined(
    connection: &Connection,
    filter: &Filter,
    after: i64,
    wanted: usize,
    records: &mut Vec<Record>,
) -> rusqlite::Result<()> {
    let had = records.len();
    match listed_malformed(connection, filter, after, wanted, records) {
        Err(error) if damage::is_damage(&error) => records.truncate(had),
        listed => return listed,
    }
    let names = start::route_names(connection)?;
    damage::walk(connection, "quarantine", RAW, after, &mut |row| {
        let route = start::named(&names, row.get(2)?);
        if filter.route.as_ref().is_none_or(|wanted| *wanted == route)
            && row.get::<_, i64>(3)? >= millis(filter.since)
        {
            records.push(raw(row, route)?);
        }
        let is_full = records.len() >= wanted;
        Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(())
}

fn listed_malformed(
    connection: &Connection,
    filter: &Filter,
    after: i64,
    wanted: usize,
    records: &mut Vec<Record>,
) -> rusqlite::Result<()> {
    let mut values = vec![Value::Integer(after), Value::Integer(millis(filter.since))];
    let mut on_route = "";
    if let Some(route) = &filter.route {
        on_route = "AND r.name = ?";
        values.push(Value::Text(route.to_string()));
    }
    let wanted = wanted.saturating_sub(records.len());
    let sql = format!(
        "{QUARANTINED} WHERE q.seq > ? AND q.at >= ? {on_route} ORDER BY q.seq LIMIT {wanted}"
    );
    let mut statement = connection.prepare(&sql)?;
    for record in statement.query_map(params_from_iter(values), malformed)? {
        records.push(record?);
    }
    Ok(())
}

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<Record> {
    let record = line(row, row.get(2)?)?;
    let reason = if record.state == State::Delivered { None } else { row.get(12)? };
    Ok(Record { bytes: count(row, 11)?, reason, ..record })
}

/// What stands in the table itself.
fn line(row: &Row<'_>, route: RouteName) -> rusqlite::Result<Record> {
    let due = row.get(8)?;
    let state = state::of(row.get(4)?);
    Ok(Record {
        place: Place::Event(row.get(0)?),
        id: EventId::from_bytes(row.get(1)?),
        state,
        route,
        accepted: timestamp(row.get(3)?),
        attempts: row.get(5)?,
        replays: row.get(6)?,
        repeats: row.get(7)?,
        bytes: 0,
        due: (state == State::Pending && due != 0).then(|| timestamp(due)),
        settled: row.get::<_, Option<i64>>(9)?.map(timestamp),
        status: row.get(10)?,
        reason: None,
    })
}

/// The columns of [`QUARANTINED`] that stand in the table itself, in the same places.
const RAW: &str = "seq, id, route, at, repeats, length(body), reason";

/// One line of the quarantine.
pub(super) fn malformed_at(connection: &Connection, seq: i64) -> rusqlite::Result<Option<Record>> {
    let sql = format!("{QUARANTINED} WHERE q.seq = ?1");
    match connection.query_row(&sql, [seq], malformed).optional() {
        Err(error) if damage::is_damage(&error) => {
            let names = start::route_names(connection)?;
            let sql = format!("SELECT {RAW} FROM quarantine WHERE seq = ?1");
            let record = connection
                .query_row(&sql, [seq], |row| raw(row, start::named(&names, row.get(2)?)));
            record.optional()
        }
        record => record,
    }
}

fn malformed(row: &Row<'_>) -> rusqlite::Result<Record> {
    raw(row, row.get(2)?)
}

fn raw(row: &Row<'_>, route: RouteName) -> rusqlite::Result<Record> {
    Ok(Record {
        place: Place::Quarantine(row.get(0)?),
        id: EventId::from_bytes(row.get(1)?),
        state: State::Quarantined,
        route,
        accepted: timestamp(row.get(3)?),
        attempts: 0,
        replays: 0,
        repeats: row.get(4)?,
        bytes: count(row, 5)?,
        due: None,
        settled: None,
        status: None,
        reason: row.get(6)?,
    })
}

pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let count: Option<i64> = row.get(column)?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
}

/// `?, ?, ?`
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}
