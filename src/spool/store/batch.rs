//! What is written together, and what became of it.

use super::{Arrival, Seq, StoreError};
use crate::clock::Timestamp;
use crate::spool::event::EventId;
use crate::spool::lease::{Attempt, Verdict};

/// What became of one attempt. Says the whole new state, so that writing it twice does no harm.
#[derive(Debug)]
pub(in crate::spool) struct Settlement {
    pub(in crate::spool) seq: Seq,
    /// Attempts so far, this one included.
    pub(in crate::spool) attempts: u32,
    pub(in crate::spool) attempt: Attempt,
    pub(in crate::spool) verdict: Verdict,
}

/// Delivered events that may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) struct Expiry {
    /// Delivered at this moment or before.
    pub(in crate::spool) delivered_by: Timestamp,
    /// No more than this many at once, the oldest first.
    pub(in crate::spool) at_most: u32,
}

/// Which failed attempts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) enum History {
    Whole,
    /// The last one of a dead letter: why it is one.
    Ends,
}

/// What is written together.
#[derive(Debug)]
pub(in crate::spool) struct Batch<'a> {
    pub(in crate::spool) settlements: &'a [Settlement],
    pub(in crate::spool) arrivals: &'a [Arrival],
    pub(in crate::spool) expiry: Option<Expiry>,
    pub(in crate::spool) history: History,
    pub(in crate::spool) quarantine: Share,
}

/// How full quarantine is, in bytes as [`Arrival::bytes`] counts them.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::spool) struct Share {
    pub(in crate::spool) used: u64,
    pub(in crate::spool) most: u64,
}

impl Share {
    /// What is used with so much more; `None`: there is no room for it. The first always fits: what
    /// is larger than the whole share could never be kept otherwise.
    pub(in crate::spool) fn with(self, bytes: u64) -> Option<Self> {
        let used = self.used.saturating_add(bytes);
        (self.used == 0 || used <= self.most).then_some(Self { used, ..self })
    }
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) enum Written {
    /// A new event.
    Stored(Seq),
    /// Counted on the event with this id.
    Repeat(EventId),
    /// New in quarantine.
    Quarantined,
    /// Counted on what has this id in quarantine.
    Known(EventId),
    /// Not kept: quarantine has no room for it.
    Refused,
    /// Not kept: a page is damaged that it would change.
    Unwritable,
}

/// What a batch did.
#[derive(Debug, Default)]
pub(in crate::spool) struct Applied {
    /// One for each arrival, in their order.
    pub(in crate::spool) written: Vec<Written>,
    /// Delivered events deleted.
    pub(in crate::spool) expired: u32,
    pub(in crate::spool) passed: Passed,
}

impl Applied {
    /// Something came, and damage kept all of it out.
    pub(in crate::spool) fn kept_nothing(&self) -> bool {
        !self.written.is_empty() && self.written.iter().all(|one| *one == Written::Unwritable)
    }
}

/// What was left out of a batch, because pages are damaged that it would have changed.
#[derive(Debug, Default)]
pub(in crate::spool) struct Passed {
    pub(in crate::spool) arrivals: u32,
    /// Their events are delivered again after the next start.
    pub(in crate::spool) settlements: u32,
    /// The history of an attempt, and not its outcome.
    pub(in crate::spool) attempts: u32,
    /// Delivered events that stay.
    pub(in crate::spool) expired: u32,
    /// What the engine said first.
    pub(in crate::spool) cause: Option<StoreError>,
}
