//! The spool. In: opaque bytes with a route and a key. Out: the same bytes, in order, until they are settled.
//! Never: HTTP, JSON, or a promise before the disk has it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::telemetry::Telemetry;

/// The identity of an event: a UUIDv7 made at acceptance, the same on every attempt and replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(uuid::Uuid);

impl EventId {
    /// A new id that sorts by `at`; unique within and across processes.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        let (seconds, millis) = (at.as_millis() / 1000, at.as_millis() % 1000);
        let nanos = u32::try_from(millis * 1_000_000).unwrap_or_default();
        Self(uuid::Uuid::new_v7(uuid::Timestamp::from_unix(
            uuid::NoContext,
            seconds,
            nanos,
        )))
    }

    /// The id in its 16 bytes, as stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id stored as these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl std::str::FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::parse_str(text).map(Self)
    }
}

/// A route's name, shared by all its events.
pub type RouteName = Arc<str>;

/// The `[spool]` and `[dedup]` sections.
#[derive(Clone, Debug)]
pub struct SpoolSettings {
    pub path: PathBuf,
    /// Size of the file at which nothing more is accepted, in bytes.
    pub max_bytes: u64,
    /// How long a delivered event stays listed.
    pub keep_delivered: Duration,
    /// How far back a repeat is recognised; zero switches the recognition off.
    pub dedup_window: Duration,
}

/// An event to be made durable.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub id: EventId,
    pub route: RouteName,
    /// What keeps events in order; `None`: no order.
    pub key: Option<String>,
    pub at: Timestamp,
    pub body: Bytes,
}

/// What [`Spool::append`] promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// On disk, and will be delivered.
    Stored(EventId),
    /// Equal to the latest of its key; the id is the first one's.
    Repeat(EventId),
}

impl Receipt {
    pub fn id(self) -> EventId {
        match self {
            Self::Stored(id) | Self::Repeat(id) => id,
        }
    }
}

/// What could not be understood, kept raw.
#[derive(Clone, Debug)]
pub struct Malformed {
    pub id: EventId,
    pub route: RouteName,
    pub at: Timestamp,
    /// What was wrong, in words.
    pub reason: String,
    pub method: String,
    pub content_type: Option<Bytes>,
    pub query: Option<Bytes>,
    pub body: Bytes,
}

/// The right, and the duty, to deliver one event now. Dropped unsettled, the event becomes due again.
#[derive(Debug)]
pub struct Lease {
    pub id: EventId,
    pub route: RouteName,
    pub accepted: Timestamp,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    pub body: Bytes,
}

/// What became of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Done,
    RetryAt(Timestamp),
    /// Kept, listed, and not tried again by itself.
    Dead,
}

/// How one attempt went, for the history.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub at: Timestamp,
    /// The upstream's status, when it answered.
    pub status: Option<u16>,
    /// What happened, in words, for a person.
    pub outcome: String,
}

/// Why nothing was accepted. The sender is answered 503 in every case.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the spool has reached spool.max_bytes")]
    Full,
    #[error("the spool's queue is full")]
    Busy,
    #[error("the spool cannot write")]
    Failed,
    #[error("the spool is closed")]
    Closed,
}

/// Why the spool cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("placeholder")]
pub struct OpenError;

/// Numbers for readiness and metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpoolStatus {
    /// The last commit succeeded.
    pub healthy: bool,
    /// There is room for more.
    pub full: bool,
    pub pending: u64,
    pub dead: u64,
    pub quarantined: u64,
    pub bytes: u64,
}

/// The handle to the spool; cheap to clone.
#[derive(Clone, Debug)]
pub struct Spool {}

impl Spool {
    /// Opens or makes the file and starts the writer thread. `routes`: those that will be leased from.
    pub fn open(_settings: &SpoolSettings, _telemetry: Arc<Telemetry>) -> Result<Self, OpenError> {
        unimplemented!()
    }
    /// Makes one event durable. The request is handed over before the first await: dropping the future loses the answer, not the event.
    pub async fn append(&self, _event: Accepted) -> Result<Receipt, AppendError> {
        unimplemented!()
    }
    /// Keeps what could not be understood.
    pub async fn quarantine(&self, _malformed: Malformed) -> Result<EventId, AppendError> {
        unimplemented!()
    }
    /// Waits until an event of the route is due and leases it. `None`: the spool was closed for delivery.
    pub async fn lease(&self, _route: &RouteName) -> Option<Lease> {
        unimplemented!()
    }
    /// Says what became of a lease. Does not wait for the disk.
    pub fn settle(&self, _lease: Lease, _attempt: Attempt, _verdict: Verdict) {}
    /// The routes that have undelivered events, with how many: to find those that no route serves any more.
    pub fn backlog(&self) -> Vec<(RouteName, u64)> {
        Vec::new()
    }
    pub fn status(&self) -> SpoolStatus {
        SpoolStatus::default()
    }
    /// Resolves when the writer thread has ended, which it does only after `close` or by a bug.
    pub async fn ended(&self) {}
    /// Ends leasing: every waiting and later `lease` answers `None`. Settling goes on.
    pub fn stop_leasing(&self) {}
    /// Commits what is under way, checkpoints, and closes the file.
    pub async fn close(&self) {}
}
