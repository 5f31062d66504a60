//! Where events are, by their ids.

use std::collections::HashSet;
use std::ops::ControlFlow;

use rusqlite::Connection;

use super::super::event::EventId;
use super::super::record::{Place, State};
use super::{damage, state};

/// Where these events are; those that are nowhere, or cannot be read, are missing. Ids have no index,
/// for the sake of writing: this reads all events once, without their bodies.
pub(super) fn places(
    connection: &Connection,
    ids: &[EventId],
) -> rusqlite::Result<Vec<(EventId, Place, State)>> {
    let wanted: HashSet<EventId> = ids.iter().copied().collect();
    let mut found = Vec::with_capacity(ids.len());
    damage::walk(connection, "events", "seq, id, state", 0, &mut |row| {
        let id = EventId::from_bytes(row.get(1)?);
        if wanted.contains(&id) {
            found.push((id, Place::Event(row.get(0)?), state::of(row.get(2)?)));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    damage::walk(connection, "quarantine", "seq, id", 0, &mut |row| {
        let id = EventId::from_bytes(row.get(1)?);
        if wanted.contains(&id) {
            found.push((id, Place::Quarantine(row.get(0)?), State::Quarantined));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
