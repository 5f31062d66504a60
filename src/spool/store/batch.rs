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

/// Delivered events that may be deleted: those of long ago, and those that a clock ahead of its time
/// has put far into the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) struct Expiry {
    /// Delivered at this moment or before.
    pub(in crate::spool) delivered_by: Timestamp,
    /// Or delivered later than at this moment.
    pub(in crate::spool) ahead_of: Timestamp,
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
#[derive(Clone, Copy, Debug)]
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

/// What a batch did. It is short when writing failed behind a part that is durable: then what is
/// left of the batch is to be asked for again.
#[derive(Debug, Default)]
pub(in crate::spool) struct Applied {
    /// As many settlements are done with.
    pub(in crate::spool) settled: usize,
    /// One for each arrival that is done with, in their order.
    pub(in crate::spool) written: Vec<Written>,
    /// Delivered events deleted.
    pub(in crate::spool) expired: u32,
    /// There may be more to delete.
    pub(in crate::spool) expires_more: bool,
    pub(in crate::spool) passed: Passed,
}

impl Applied {
    /// Something came, and damage kept all of it out.
    pub(in crate::spool) fn kept_nothing(&self) -> bool {
        !self.written.is_empty() && self.written.iter().all(|one| *one == Written::Unwritable)
    }

    /// With what came of the next part of the batch.
    pub(in crate::spool) fn and(mut self, next: Self) -> Self {
        self.settled += next.settled;
        self.written.extend(next.written);
        self.expired += next.expired;
        self.expires_more = next.expires_more;
        self.passed.pieces.extend(next.passed.pieces);
        self.passed.cause = self.passed.cause.or(next.passed.cause);
        self
    }
}

/// What was left out of a batch, because pages are damaged that it would have changed: an event that
/// came, an outcome (its event is delivered again after the next start), the history of an attempt, a
/// deletion.
#[derive(Debug, Default)]
pub(in crate::spool) struct Passed {
    /// The metrics' word for each.
    pub(in crate::spool) pieces: Vec<&'static str>,
    /// What the engine said first.
    pub(in crate::spool) cause: Option<StoreError>,
}
