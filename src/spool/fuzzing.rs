//! A spool without a disk and without a thread, for the fuzz target of connections: whoever holds
//! its journal commits, in a time that a test can hold still.

use std::sync::{Arc, mpsc};

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};

use super::board::Board;
use super::store::{Arrival, Bodies, NewEvent, Seq, StoreError, Stored};
use super::writer::{Command, Ticket};
use super::{
    AppendError, EventId, Filter, Inspection, Malformed, PLACES, Page, Place, Receipt, Received,
    RouteName, Shared, Spool, State, Story,
};
use crate::telemetry::Telemetry;

/// What was handed over to be made durable.
#[derive(Debug)]
pub struct Journal {
    commands: mpsc::Receiver<Command>,
    _alive: watch::Sender<()>,
}

/// What a sender may be promised.
#[derive(Debug)]
pub enum Kept {
    /// An event.
    Event {
        /// Made at acceptance.
        id: EventId,
        /// The route that took it.
        route: RouteName,
        /// Canonical.
        body: Bytes,
        /// The request that it was made of.
        received: Option<Box<Received>>,
    },
    /// A request that was not understood.
    Malformed(Malformed),
}

impl Kept {
    /// What its sender is told, in words.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Event { id, .. } => id,
            Self::Malformed(malformed) => &malformed.id,
        }
        .to_string()
    }

    /// The route that took it.
    #[must_use]
    pub fn route(&self) -> &str {
        match self {
            Self::Event { route, .. } => route,
            Self::Malformed(malformed) => &malformed.route,
        }
    }

    /// The request that it was made of.
    #[must_use]
    pub fn received(&self) -> Option<&Received> {
        match self {
            Self::Event { received, .. } => received.as_deref(),
            Self::Malformed(malformed) => Some(&malformed.received),
        }
    }
}

/// What a disk makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// It keeps it.
    Good,
    /// It has no room.
    Full,
}

/// A spool of which nothing can be leased.
#[must_use]
pub fn spool(telemetry: Arc<Telemetry>) -> (Spool, Journal) {
    let (commands, received) = mpsc::channel();
    let (alive, ended) = watch::channel(());
    let shared = Shared {
        board: Arc::new(Board::new()),
        bodies: Arc::new(Nothing),
        telemetry,
        commands,
        places: Arc::new(Semaphore::new(usize::try_from(PLACES).unwrap_or_default())),
        ended,
        keep_received: true,
        dedup_window: std::time::Duration::ZERO,
    };
    (Spool { shared: Arc::new(shared) }, Journal { commands: received, _alive: alive })
}

impl Journal {
    /// Answers everything that waits; what the disk has kept of it.
    pub fn commit(&self, disk: Disk) -> Vec<Kept> {
        let mut kept = Vec::new();
        while let Ok(command) = self.commands.try_recv() {
            let Command::Keep(arrival, Ticket { answer, .. }) = command else { continue };
            let receipt = match disk {
                Disk::Good => Ok(Receipt::Stored(arrival.id())),
                Disk::Full => Err(AppendError::Full),
            };
            if disk == Disk::Good {
                kept.push(match arrival {
                    Arrival::Event(NewEvent { id, route, body, received, .. }) => {
                        Kept::Event { id, route, body, received }
                    }
                    Arrival::Malformed(new) => Kept::Malformed(new.malformed),
                });
            }
            // Whoever asked may have left.
            answer.send(receipt).unwrap_or_else(drop);
        }
        kept
    }
}

/// Nobody reads what the front door has handed over.
struct Nothing;

impl Bodies for Nothing {
    fn load(&self, _: &[Seq]) -> Result<Vec<(Seq, Stored)>, StoreError> {
        unimplemented!()
    }

    fn page(&self, _: &Filter, _: Place, _: u32) -> Result<Page, StoreError> {
        unimplemented!()
    }

    fn places(&self, _: &[EventId]) -> Result<Vec<(EventId, Place, State)>, StoreError> {
        unimplemented!()
    }

    fn story(&self, _: Place) -> Result<Option<Story>, StoreError> {
        unimplemented!()
    }

    fn inspect(&self) -> Result<Inspection, StoreError> {
        unimplemented!()
    }
}
