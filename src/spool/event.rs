//! What the spool takes in and what it promises: ids, events, receipts.

use std::sync::Arc;

use bytes::Bytes;

use super::store::with_overhead;
use crate::clock::Timestamp;

/// The identity of an event: a `UUIDv7` (RFC 9562) made at acceptance, the same on every attempt
/// and replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(uuid::Uuid);

impl EventId {
    /// A new id that sorts by `at`; unique within and across processes.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        let (seconds, millis) = (at.as_millis() / 1000, at.as_millis() % 1000);
        let nanos = u32::try_from(millis * 1_000_000).unwrap_or_default();
        Self(uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
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

/// An event to be made durable.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Made by the caller, so that it can be logged before the answer.
    pub id: EventId,
    /// The route that took it.
    pub route: RouteName,
    /// What keeps events in order; `None`: no order.
    pub key: Option<String>,
    /// When it was accepted.
    pub at: Timestamp,
    /// What will be delivered, byte by byte.
    pub body: Bytes,
    /// What it was made of, for the operator; kept where `spool.keep_received` says so.
    pub received: Option<Received>,
}

impl Accepted {
    /// Places that it takes until it is on disk, at the most; see [`Spool::places`](super::Spool::places).
    #[must_use]
    pub fn places(&self) -> usize {
        places(self.body.len() + self.received.as_ref().map_or(0, Received::bytes))
    }
}

fn places(payload: usize) -> usize {
    usize::try_from(super::places(with_overhead(payload))).unwrap_or(usize::MAX)
}

/// What [`Spool::append`](super::Spool::append) promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// On disk, and will be delivered.
    Stored(EventId),
    /// Equal to the latest of its key; the id is the first one's.
    Repeat(EventId),
}

impl Receipt {
    /// The id to answer the sender with.
    #[must_use]
    pub const fn id(self) -> EventId {
        match self {
            Self::Stored(id) | Self::Repeat(id) => id,
        }
    }
}

/// What the sender hears of something that was not understood, and so what it means when the same
/// bytes come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// That it was refused. Then it sends the same again, many times.
    Refused,
    /// That it is kept. Then it has done, and what comes later is something new.
    Kept,
}

/// What could not be understood, kept raw.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// Made by the caller. A repeat keeps the id of the first.
    pub id: EventId,
    /// The route that took it.
    pub route: RouteName,
    /// When it came.
    pub at: Timestamp,
    /// What was wrong, in words.
    pub reason: String,
    /// All that came.
    pub received: Received,
}

impl Malformed {
    /// Places that it takes until it is on disk; see [`Spool::places`](super::Spool::places).
    #[must_use]
    pub fn places(&self) -> usize {
        places(self.bytes())
    }

    /// What it takes in the file, about.
    pub(super) fn bytes(&self) -> usize {
        self.reason.len() + self.received.bytes()
    }
}

/// A request as it came, but for the secret of its route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it: an address.
    pub client: String,
    /// Its method.
    pub method: String,
    /// Its `Content-Type`.
    pub content_type: Option<Bytes>,
    /// Its query string.
    pub query: Option<Bytes>,
    /// What else of its head may explain it. A repeat may differ in this.
    pub headers: Vec<Header>,
    /// The word for what it was read as; `None`: nobody could tell.
    pub format: Option<String>,
    /// Its body.
    pub body: Bytes,
}

impl Received {
    /// What it takes in the file, about.
    pub(super) fn bytes(&self) -> usize {
        self.body.len()
            + self.query.as_ref().map_or(0, Bytes::len)
            + self.content_type.as_ref().map_or(0, Bytes::len)
            + self.client.len()
            + self.headers.iter().map(Header::bytes).sum::<usize>()
    }
}

/// A line of a request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// As received; without a line feed.
    pub value: Bytes,
}

impl Header {
    /// What it takes in the file.
    pub(super) fn bytes(&self) -> usize {
        self.name.len() + self.value.len() + 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_storage_and_text() {
        let earlier = EventId::new(Timestamp::from_millis(1_700_000_000_123));
        let later = EventId::new(Timestamp::from_millis(1_700_000_000_124));
        assert!(earlier < later);
        assert_eq!(EventId::from_bytes(*later.as_bytes()), later);
        assert_eq!(later.to_string().parse::<EventId>().unwrap(), later);
        assert_ne!(later, EventId::new(Timestamp::from_millis(1_700_000_000_124)));
    }
}
