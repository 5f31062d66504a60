//! Where events are, by their ids. Ids have no index, for the sake of writing: all events are read
//! once, without their bodies, and a [`Sieve`] remembers in which groups of them an id may be. So the
//! next of many requests reads what has come since, and those groups.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _};

use super::super::digest::KeyHash;
use super::super::event::EventId;
use super::super::record::{Place, State};
use super::super::store::Seq;
use super::sieve::{self, Sieve};
use super::{damage, state};
use crate::clock::{self, Timestamp};

/// How long it is remembered after a request: those of one command follow at once. Later, most of what
/// it knows may be gone.
const KEPT: Duration = Duration::from_secs(30);

/// What earlier requests have read.
#[derive(Debug, Default)]
pub(super) struct Places {
    sieve: Sieve,
    /// The last event that it knows.
    last: Option<(i64, EventId)>,
    used: Option<Instant>,
}

impl Places {
    /// Where these events are; those that are nowhere, or cannot be read, are missing.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        ids: &[EventId],
    ) -> rusqlite::Result<Vec<(EventId, Place, State)>> {
        // So that no event moves between two looks. What meets damage may end it, and nothing needs it
        // then.
        let _snapshot = connection.unchecked_transaction()?;
        self.read(connection, clock::instant())?;
        let wanted: HashSet<EventId> = ids.iter().copied().collect();
        let groups: BTreeSet<i64> = wanted.iter().flat_map(|id| self.groups(*id)).collect();
        let mut found = Vec::with_capacity(ids.len());
        for group in groups {
            let (first, end) = sieve::bounds(group);
            damage::walk(connection, "events", "seq, id, state", first - 1, &mut |row| {
                let seq = row.get(0)?;
                if seq >= end {
                    return Ok(ControlFlow::Break(()));
                }
                let id = EventId::from_bytes(row.get(1)?);
                if wanted.contains(&id) {
                    found.push((id, Place::Event(seq), state::of(row.get(2)?)));
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        damage::walk(connection, "quarantine", "seq, id", 0, &mut |row| {
            let id = EventId::from_bytes(row.get(1)?);
            if wanted.contains(&id) {
                found.push((id, Place::Quarantine(row.get(0)?), State::Quarantined));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Takes in what has come since; answers with the events that were read.
    fn read(&mut self, connection: &Connection, now: Instant) -> rusqlite::Result<u64> {
        let is_old = self.used.is_none_or(|used| now.saturating_duration_since(used) > KEPT);
        if is_old || !self.is_behind_all(connection)? {
            *self = Self::default();
        }
        self.used = Some(now);
        let after = self.last.map_or(0, |(seq, _)| seq);
        let mut events = 0;
        damage::walk(connection, "events", "seq, id", after, &mut |row| {
            let (seq, id) = (row.get(0)?, EventId::from_bytes(row.get(1)?));
            for mark in marks(id) {
                self.sieve.add(Seq(seq), mark, Timestamp::default());
            }
            self.last = Some((seq, id));
            events += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(events)
    }

    /// The groups that may have it.
    fn groups(&self, id: EventId) -> impl Iterator<Item = i64> + '_ {
        let [one, other] = marks(id).map(|mark| self.sieve.groups(mark, Seq(i64::MAX)));
        let other: Vec<i64> = other.collect();
        one.filter(move |group| other.contains(group))
    }

    /// Whether the last event is still there: as long as it is, no number before it is given out again.
    fn is_behind_all(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let Some((seq, last)) = self.last else { return Ok(false) };
        let mut select = connection.prepare_cached("SELECT id FROM events WHERE seq = ?1")?;
        let id = select.query_row([seq], |row| row.get(0)).optional().or_else(damage::nothing)?;
        Ok(id.map(EventId::from_bytes) == Some(last))
    }
}

/// What the sieve knows of an id, whose end is random. Two marks: of one, so many of those that are not
/// there would be taken for seen that an import would read nearly every group.
fn marks(id: EventId) -> [KeyHash; 2] {
    let tail = u64::from_be_bytes(id.as_bytes().last_chunk().copied().unwrap_or_default());
    [tail, tail.rotate_right(8)].map(|mark| KeyHash(mark.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::schema::SCHEMA;
    use super::*;

    /// Events in the places that are given, with ids of these numbers.
    fn insert(connection: &Connection, events: impl Iterator<Item = (i64, u64)>) {
        let sql = "INSERT INTO events (seq, id, route, key, ordered, fingerprint, accepted)
                   VALUES (?1, ?2, 1, 0, 0, x'', 0)";
        let mut insert = connection.prepare(sql).unwrap();
        for (seq, number) in events {
            insert.execute((seq, id(number).as_bytes())).unwrap();
        }
    }

    fn id(number: u64) -> EventId {
        let tail = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&tail);
        EventId::from_bytes(bytes)
    }

    fn of(place: i64) -> Vec<Place> {
        vec![Place::Event(place)]
    }

    #[test]
    fn each_event_is_read_once_and_found_wherever_it_moves() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let now = clock::instant();
        let mut places = Places::default();
        assert_eq!(places.read(&connection, now), Ok(0));
        insert(&connection, (1..=30_000).map(|seq: i64| (seq, seq.unsigned_abs())));
        assert_eq!(places.read(&connection, now), Ok(30_000));
        assert_eq!(places.read(&connection, now), Ok(0));
        let moved = "UPDATE events SET seq = 30001 WHERE seq = 7";
        connection.execute_batch(moved).unwrap();
        assert_eq!(places.read(&connection, now), Ok(1));
        let mut find = |number| {
            let found = places.find(&connection, &[id(number)]).unwrap();
            found.into_iter().map(|(_, place, _)| place).collect::<Vec<_>>()
        };
        assert_eq!((find(7), find(8), find(30_000)), (of(30_001), of(8), of(30_000)));
        assert_eq!((find(8192), find(16_383), find(16_384)), (of(8192), of(16_383), of(16_384)));
        assert_eq!(find(99_999), []);
        assert_eq!(places.read(&connection, now + KEPT * 2), Ok(30_000), "anew");
    }

    #[test]
    fn hardly_a_group_is_read_for_what_is_not_there() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        insert(&connection, (1..=16_384).map(|seq: i64| (seq, seq.unsigned_abs())));
        let mut places = Places::default();
        places.read(&connection, clock::instant()).unwrap();
        let taken = (100_000..120_000).map(|number| places.groups(id(number)).count());
        let taken: usize = taken.sum();
        assert!(taken < 10, "{taken} of 20,000 in two groups");
    }

    #[test]
    fn a_number_that_is_given_out_again_is_read_again() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        insert(&connection, (1..=3).map(|seq: i64| (seq, seq.unsigned_abs())));
        let mut places = Places::default();
        places.find(&connection, &[]).unwrap();
        connection.execute_batch("DELETE FROM events WHERE seq > 1").unwrap();
        insert(&connection, [(2, 12), (3, 13), (4, 14)].into_iter());
        for (number, place) in [(1, 1), (12, 2), (13, 3), (14, 4)] {
            let found = places.find(&connection, &[id(number)]).unwrap();
            assert_eq!(found, [(id(number), Place::Event(place), State::Pending)]);
        }
        connection.execute_batch("DELETE FROM events").unwrap();
        assert_eq!(places.find(&connection, &[id(1)]), Ok(vec![]));
    }
}
