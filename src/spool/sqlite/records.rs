//! Lists for the operator, on a connection of its own.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::super::digest;
use super::super::event::{EventId, RouteName};
use super::super::record::{Filter, Page, Place, Record, State};
use super::{millis, state, timestamp};

/// Ids looked up with one statement, which reads all events; SQLite takes 32,766 parameters.
const IDS_AT_ONCE: usize = 4000;

pub(super) const EVENT: &str =
    "SELECT e.seq, e.id, r.name, e.accepted, e.state, e.attempts, e.replays,
    e.repeats, e.due, e.settled, e.status,
    (SELECT length(body) FROM bodies b WHERE b.seq = e.seq),
    (SELECT outcome FROM attempts a WHERE a.seq = e.seq ORDER BY a.at DESC, a.number DESC LIMIT 1)
    FROM events e JOIN routes r USING (route)";

pub(super) const QUARANTINED: &str =
    "SELECT q.seq, q.id, r.name, q.at, q.repeats, length(q.body), q.reason
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
    let mut values = vec![Value::Integer(after), Value::Integer(millis(filter.since))];
    let mut asked = vec!["e.seq > ? AND e.accepted >= ?".to_owned()];
    asked.push(format!("e.state IN ({})", marks(states.len())));
    values.extend(states.into_iter().map(Value::Integer));
    if let Some(route) = &filter.route {
        asked.push("r.name = ?".to_owned());
        values.push(Value::Text(route.to_string()));
    }
    if let Some(keys) = keys {
        asked.push(format!("e.ordered = 1 AND e.key IN ({})", marks(keys.len())));
        values.extend(keys.into_iter().map(Value::Integer));
    }
    let asked = asked.join(" AND ");
    let sql = format!("{EVENT} WHERE {asked} ORDER BY e.seq LIMIT {wanted}");
    let mut statement = connection.prepare(&sql)?;
    for record in statement.query_map(params_from_iter(values), event)? {
        records.push(record?);
    }
    Ok(())
}

/// The key's hash on each route that is meant: only hashes are stored.
fn hashes(connection: &Connection, filter: &Filter, key: &str) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare("SELECT name FROM routes")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut hashes = Vec::new();
    for name in names {
        let name = name?;
        if filter.route.as_ref().is_none_or(|route| **route == *name) {
            hashes.push(i64::from_be_bytes(digest::of_key(&name, key).0));
        }
    }
    Ok(hashes)
}

fn quarantined(
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
    let due = row.get(8)?;
    let state = state::of(row.get(4)?);
    Ok(Record {
        place: Place::Event(row.get(0)?),
        id: EventId::from_bytes(row.get(1)?),
        state,
        route: RouteName::from(row.get::<_, String>(2)?),
        accepted: timestamp(row.get(3)?),
        attempts: row.get(5)?,
        replays: row.get(6)?,
        repeats: row.get(7)?,
        bytes: count(row, 11)?,
        due: (state == State::Pending && due != 0).then(|| timestamp(due)),
        settled: row.get::<_, Option<i64>>(9)?.map(timestamp),
        status: row.get(10)?,
        reason: if state == State::Delivered { None } else { row.get(12)? },
    })
}

pub(super) fn malformed(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        place: Place::Quarantine(row.get(0)?),
        id: EventId::from_bytes(row.get(1)?),
        state: State::Quarantined,
        route: RouteName::from(row.get::<_, String>(2)?),
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

/// Where these events are; those that are nowhere are missing. Ids have no index, for the sake of
/// writing: this reads all events once, without their bodies.
pub(super) fn places(
    connection: &Connection,
    ids: &[EventId],
) -> rusqlite::Result<Vec<(EventId, Place, State)>> {
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(IDS_AT_ONCE) {
        let marks = marks(some.len());
        let values = || params_from_iter(some.iter().map(|id| id.as_bytes().as_slice()));
        let sql = format!("SELECT seq, id, state FROM events WHERE id IN ({marks})");
        let mut statement = connection.prepare(&sql)?;
        let events = statement.query_map(values(), |row| {
            let place = Place::Event(row.get(0)?);
            Ok((EventId::from_bytes(row.get(1)?), place, state::of(row.get(2)?)))
        })?;
        found.extend(events.collect::<rusqlite::Result<Vec<_>>>()?);
        let sql = format!("SELECT seq, id FROM quarantine WHERE id IN ({marks})");
        let mut statement = connection.prepare(&sql)?;
        let malformed = statement.query_map(values(), |row| {
            let place = Place::Quarantine(row.get(0)?);
            Ok((EventId::from_bytes(row.get(1)?), place, State::Quarantined))
        })?;
        found.extend(malformed.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    Ok(found)
}

/// `?, ?, ?`
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}
