//! The reading side: bodies of events that are not in memory.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _};

use super::super::event::EventId;
use super::super::store::{Bodies, Seq, StoreError, Stored};
use super::{read, timestamp};

/// One connection that cannot write; what it sees is committed.
#[derive(Debug)]
pub(crate) struct SqliteBodies {
    connection: Mutex<Connection>,
}

impl SqliteBodies {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection: Mutex::new(connection) }
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
}

fn load(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<Stored>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, accepted, body FROM events JOIN bodies USING (seq) WHERE seq = ?1",
    )?;
    let stored = statement.query_row([seq.0], |row| {
        Ok(Stored {
            id: EventId::from_bytes(row.get(0)?),
            accepted: timestamp(row.get(1)?),
            body: Bytes::from(row.get::<_, Vec<u8>>(2)?),
        })
    });
    stored.optional()
}
