//! The reading side: bodies of events that are not in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _};

use super::super::event::EventId;
use super::super::record::{Filter, Inspection, Page, Place, State, Story};
use super::super::store::{Bodies, Seq, StoreError, Stored};
use super::places::Places;
use super::{inspect, read, records, stories, timestamp};

/// Two connections that cannot write; what they see is committed.
#[derive(Debug)]
pub(crate) struct SqliteBodies {
    connection: Mutex<Connection>,
    /// For the operator.
    records: Mutex<Connection>,
    places: Mutex<Places>,
}

impl SqliteBodies {
    pub(super) fn new(connection: Connection, records: Connection) -> Self {
        let (connection, records) = (Mutex::new(connection), Mutex::new(records));
        Self { connection, records, places: Mutex::default() }
    }

    fn records(&self) -> MutexGuard<'_, Connection> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bodies for SqliteBodies {
    fn load(&self, wanted: &[Seq]) -> Result<Vec<(Seq, Stored)>, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::with_capacity(wanted.len());
        for seq in wanted {
            if let Some(stored) = load(&connection, *seq).map_err(read)? {
                found.push((*seq, stored));
            }
        }
        Ok(found)
    }

    fn page(&self, filter: &Filter, after: Place, limit: u32) -> Result<Page, StoreError> {
        records::page(&self.records(), filter, after, limit).map_err(read)
    }

    fn places(&self, ids: &[EventId]) -> Result<Vec<(EventId, Place, State)>, StoreError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.find(&self.records(), ids).map_err(read)
    }

    fn story(&self, place: Place) -> Result<Option<Story>, StoreError> {
        stories::story(&self.records(), place).map_err(read)
    }

    fn inspect(&self) -> Result<Inspection, StoreError> {
        Ok(inspect::inspect(&self.records()))
    }
}

fn load(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<Stored>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, accepted, coalesce(since, accepted), body
         FROM events JOIN bodies USING (seq) WHERE seq = ?1",
    )?;
    let stored = statement.query_row([seq.0], |row| {
        Ok(Stored {
            id: EventId::from_bytes(row.get(0)?),
            accepted: timestamp(row.get(1)?),
            since: timestamp(row.get(2)?),
            body: Bytes::from(row.get::<_, Vec<u8>>(3)?),
        })
    });
    stored.optional()
}
