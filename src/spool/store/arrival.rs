//! What comes in to be kept, and how a repeat of it is told.

use std::time::Duration;

use bytes::Bytes;

use super::Seq;
use crate::clock::Timestamp;
use crate::spool::digest::{Fingerprint, KeyHash};
use crate::spool::event::{EventId, Malformed, Received, RouteName, Told};

/// An event to be inserted, unless it is a repeat.
#[derive(Debug)]
pub(in crate::spool) struct NewEvent {
    pub(in crate::spool) id: EventId,
    pub(in crate::spool) route: RouteName,
    pub(in crate::spool) key: KeyHash,
    pub(in crate::spool) order: Order,
    pub(in crate::spool) fingerprint: Fingerprint,
    pub(in crate::spool) at: Timestamp,
    /// How far back an equal event makes this one a repeat.
    pub(in crate::spool) window: Duration,
    pub(in crate::spool) body: Bytes,
    /// What it was made of, where that is kept.
    pub(in crate::spool) received: Option<Box<Received>>,
}

impl NewEvent {
    /// Whether this is a repeat of `latest`, the latest event with the same key hash.
    pub(in crate::spool) fn repeats(&self, latest: &Latest) -> bool {
        latest.is_repeated(self.fingerprint, self.at, self.window)
    }
}

/// Whether events of one key hash wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) enum Order {
    Keyed,
    Free,
}

/// What an engine looks up to tell a repeat.
#[derive(Debug)]
pub(in crate::spool) struct Latest {
    pub(in crate::spool) seq: Seq,
    pub(in crate::spool) id: EventId,
    pub(in crate::spool) fingerprint: Fingerprint,
    pub(in crate::spool) accepted: Timestamp,
    /// Whether it is what the upstream has, or will have, as the last: not a dead letter, and not
    /// merely the last that is left.
    pub(in crate::spool) stands: bool,
}

impl Latest {
    /// What is as far away as the window is outside of it, so that a window of zero recognises
    /// nothing. Ahead as well as behind: a clock that was ahead would make its events swallow what
    /// comes until that time has come.
    fn is_repeated(&self, fingerprint: Fingerprint, at: Timestamp, window: Duration) -> bool {
        self.stands && self.fingerprint == fingerprint && at.apart(self.accepted) < window
    }
}

/// What was not understood, to be kept unless it is a repeat.
#[derive(Debug)]
pub(in crate::spool) struct NewMalformed {
    pub(in crate::spool) malformed: Malformed,
    pub(in crate::spool) fingerprint: Fingerprint,
    pub(in crate::spool) told: Told,
    /// How far back the latest of its route makes this one a repeat, where its sender has done.
    pub(in crate::spool) window: Duration,
}

impl NewMalformed {
    /// Whether this is a repeat of `latest`, the latest of its route in quarantine.
    pub(in crate::spool) fn repeats(&self, latest: &Latest) -> bool {
        latest.is_repeated(self.fingerprint, self.malformed.at, self.window)
    }
}

/// A row in both tables and its entries in the three indexes, as measured.
pub(super) const OVERHEAD_BYTES: u64 = 256;

/// What is to be kept.
#[derive(Debug)]
pub(in crate::spool) enum Arrival {
    Event(NewEvent),
    Malformed(Box<NewMalformed>),
}

impl Arrival {
    pub(in crate::spool) const fn id(&self) -> EventId {
        match self {
            Self::Event(event) => event.id,
            Self::Malformed(new) => new.malformed.id,
        }
    }

    pub(in crate::spool) const fn route(&self) -> &RouteName {
        match self {
            Self::Event(event) => &event.route,
            Self::Malformed(new) => &new.malformed.route,
        }
    }

    /// About how many bytes the file grows by.
    pub(in crate::spool) fn bytes(&self) -> u64 {
        match self {
            Self::Event(event) => {
                let received = event.received.as_deref().map_or(0, Received::bytes);
                with_overhead(event.body.len() + received)
            }
            Self::Malformed(new) => weight(&new.malformed),
        }
    }
}

/// About how many bytes of the file something takes that was not understood.
pub(in crate::spool) fn weight(malformed: &Malformed) -> u64 {
    with_overhead(malformed.bytes())
}

/// The payload and a measured overhead.
pub(in crate::spool) fn with_overhead(payload: usize) -> u64 {
    u64::try_from(payload).unwrap_or(u64::MAX).saturating_add(OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn event(at: u64, window: Duration) -> NewEvent {
        let at = Timestamp::from_millis(at);
        NewEvent {
            id: EventId::new(at),
            route: Arc::from("r"),
            key: KeyHash([1; 8]),
            order: Order::Keyed,
            fingerprint: Fingerprint([2; 16]),
            at,
            window,
            body: Bytes::new(),
            received: None,
        }
    }

    fn latest(accepted: u64, fingerprint: [u8; 16]) -> Latest {
        let accepted = Timestamp::from_millis(accepted);
        Latest {
            seq: Seq(1),
            id: EventId::new(accepted),
            fingerprint: Fingerprint(fingerprint),
            accepted,
            stands: true,
        }
    }

    #[test]
    fn the_window_ends_before_its_length_in_both_directions() {
        let event = event(5000, Duration::from_secs(1));
        assert!(event.repeats(&latest(4001, [2; 16])));
        assert!(!event.repeats(&latest(4000, [2; 16])));
        assert!(!event.repeats(&latest(4001, [3; 16])));
        assert!(event.repeats(&latest(5999, [2; 16])), "the clock went back a little");
        assert!(!event.repeats(&latest(6000, [2; 16])), "the clock was ahead");
        assert!(!event.repeats(&latest(u64::MAX, [2; 16])));
    }

    #[test]
    fn what_the_upstream_does_not_have_is_not_repeated() {
        let event = event(5000, Duration::from_secs(1));
        assert!(!event.repeats(&Latest { stands: false, ..latest(5000, [2; 16]) }));
    }

    #[test]
    fn a_window_of_zero_recognises_nothing() {
        let event = event(5000, Duration::ZERO);
        assert!(!event.repeats(&latest(5000, [2; 16])));
        assert!(!event.repeats(&latest(6000, [2; 16])), "not even after the clock went back");
    }
}
