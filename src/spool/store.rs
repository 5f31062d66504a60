//! The narrow interface of a storage engine: opaque records in, the same records out. Synchronous,
//! because one thread writes. It knows nothing of queues, leases or limits.

use std::time::Duration;

use bytes::Bytes;

use super::digest::{Fingerprint, KeyHash};
use super::event::{EventId, Header, Malformed, RouteName};
use super::lease::{Attempt, Verdict};
use super::record::{Compaction, Filter, Inspection, Page, Place, State, Story};
use crate::clock::Timestamp;

/// The place of an event in the order of acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Seq(pub(super) i64);

/// An event to be inserted, unless it is a repeat.
#[derive(Debug)]
pub(super) struct NewEvent {
    pub(super) id: EventId,
    pub(super) route: RouteName,
    pub(super) key: KeyHash,
    pub(super) order: Order,
    pub(super) fingerprint: Fingerprint,
    pub(super) at: Timestamp,
    /// How far back an equal event makes this one a repeat.
    pub(super) window: Duration,
    pub(super) body: Bytes,
}

impl NewEvent {
    /// Whether this is a repeat of `latest`, the latest event with the same key hash. An event as
    /// old as the window is outside of it, so that a window of zero recognises nothing.
    pub(super) fn repeats(&self, latest: &Latest) -> bool {
        self.fingerprint == latest.fingerprint && self.at.since(latest.accepted) < self.window
    }
}

/// Whether events of one key hash wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Keyed,
    Free,
}

/// What an engine looks up to tell a repeat.
#[derive(Debug)]
pub(super) struct Latest {
    pub(super) seq: Seq,
    pub(super) id: EventId,
    pub(super) fingerprint: Fingerprint,
    pub(super) accepted: Timestamp,
}

/// A row in both tables and its entries in the three indexes, as measured.
const OVERHEAD_BYTES: u64 = 256;

/// What is to be kept.
#[derive(Debug)]
pub(super) enum Arrival {
    Event(NewEvent),
    Malformed(Malformed, Fingerprint),
}

impl Arrival {
    pub(super) const fn id(&self) -> EventId {
        match self {
            Self::Event(event) => event.id,
            Self::Malformed(malformed, _) => malformed.id,
        }
    }

    pub(super) const fn route(&self) -> &RouteName {
        match self {
            Self::Event(event) => &event.route,
            Self::Malformed(malformed, _) => &malformed.route,
        }
    }

    /// About how many bytes the file grows by.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Event(event) => with_overhead(event.body.len()),
            Self::Malformed(malformed, _) => weight(malformed),
        }
    }
}

/// About how many bytes of the file something takes that was not understood.
pub(super) fn weight(malformed: &Malformed) -> u64 {
    with_overhead(
        malformed.body.len()
            + malformed.query.as_ref().map_or(0, Bytes::len)
            + malformed.content_type.as_ref().map_or(0, Bytes::len)
            + malformed.client.len()
            + malformed.headers.iter().map(Header::bytes).sum::<usize>()
            + malformed.reason.len(),
    )
}

/// The payload and a measured overhead.
fn with_overhead(payload: usize) -> u64 {
    u64::try_from(payload).unwrap_or(u64::MAX).saturating_add(OVERHEAD_BYTES)
}

/// What became of one attempt. Says the whole new state, so that writing it twice does no harm.
#[derive(Debug)]
pub(super) struct Settlement {
    pub(super) seq: Seq,
    /// Attempts so far, this one included.
    pub(super) attempts: u32,
    pub(super) attempt: Attempt,
    pub(super) verdict: Verdict,
}

/// Delivered events that may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiry {
    /// Delivered at this moment or before.
    pub(super) delivered_by: Timestamp,
    /// No more than this many at once, the oldest first.
    pub(super) at_most: u32,
}

/// Whether failed attempts are kept one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    Keep,
    Skip,
}

/// What is written together.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) settlements: &'a [Settlement],
    pub(super) arrivals: &'a [Arrival],
    pub(super) expiry: Option<Expiry>,
    pub(super) history: History,
    pub(super) quarantine: Share,
}

/// How full quarantine is, in bytes as [`Arrival::bytes`] counts them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) used: u64,
    pub(super) most: u64,
}

impl Share {
    /// What is used with so much more; `None`: there is no room for it. The first always fits: what
    /// is larger than the whole share could never be kept otherwise.
    pub(super) fn with(self, bytes: u64) -> Option<Self> {
        let used = self.used.saturating_add(bytes);
        (self.used == 0 || used <= self.most).then_some(Self { used, ..self })
    }
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
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
}

/// What a batch did.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// One for each arrival, in their order.
    pub(super) written: Vec<Written>,
    /// Delivered events deleted.
    pub(super) expired: u32,
}

/// An undelivered event, without its body.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) seq: Seq,
    pub(super) route: RouteName,
    /// `None`: waits for no other.
    pub(super) key: Option<KeyHash>,
    pub(super) attempts: u32,
    /// Not before this moment; zero: never tried.
    pub(super) due: Timestamp,
}

/// What is needed to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) id: EventId,
    pub(super) accepted: Timestamp,
    pub(super) body: Bytes,
}

/// How many records of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) pending: u64,
    pub(super) dead: u64,
    pub(super) quarantined: u64,
    /// As [`Arrival::bytes`] counts them.
    pub(super) quarantine_bytes: u64,
}

/// How much free space the file keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spare {
    /// Enough for what comes next.
    Some,
    None,
}

/// What the operator wants changed. The id says which event was meant, in case it is another by
/// now.
#[derive(Debug)]
pub(super) enum Change {
    /// Make it pending again.
    Revive(Seq, EventId),
    /// Make this event of what is in quarantine there.
    Admit(Seq, NewEvent),
    /// Delete it.
    Discard(Place, EventId),
    /// Keep it as it was in another spool.
    Import(Box<Story>),
}

impl Change {
    /// About how many bytes the file grows by.
    pub(super) const fn bytes(&self) -> u64 {
        match self {
            Self::Import(story) => story.record.bytes.saturating_add(OVERHEAD_BYTES),
            Self::Revive(..) | Self::Admit(..) | Self::Discard(..) => 0,
        }
    }
}

/// What became of a change.
#[derive(Debug)]
pub(super) enum Changed {
    /// To be queued; it was in this state.
    Queued(Pending, State),
    /// Deleted; it was in this state.
    Dropped(State),
    /// Left alone, because it is pending.
    Undelivered,
    /// Not there, or another by now.
    Missing,
    /// Kept in this state; to be queued when it is pending.
    Imported(Option<Pending>, State),
    /// Left alone: the same request is in quarantine.
    Known,
}

/// The writing side of an engine; owned by the writer thread.
pub(super) trait Store: Send {
    /// Counts the records. Costs no more than the backlog, whatever the history.
    fn census(&mut self) -> Result<Census, StoreError>;

    /// Visits every undelivered event in the order of acceptance.
    fn pending(&mut self, visit: &mut dyn FnMut(Pending)) -> Result<(), StoreError>;

    /// Writes all of the batch or nothing of it. When it returns `Ok`, power loss changes nothing.
    fn apply(&mut self, batch: &Batch<'_>) -> Result<Applied, StoreError>;

    /// Carries out all changes or none, and answers for each. Durable as `apply` is.
    fn change(&mut self, changes: &[Change]) -> Result<Vec<Changed>, StoreError>;

    /// What is in quarantine, in bytes as [`Arrival::bytes`] counts them.
    fn quarantine_bytes(&mut self) -> Result<u64, StoreError>;

    /// Bytes of the file that hold something; free pages do not count.
    fn bytes(&mut self) -> Result<u64, StoreError>;

    /// Writes something tiny, to learn whether writing works again.
    fn probe(&mut self) -> Result<(), StoreError>;

    /// Gives free space at the end of the file back to the disk, a moment's work at a time, and
    /// looks whether the log keeps its size.
    fn shrink(&mut self, spare: Spare) -> Result<Compaction, StoreError>;

    /// Brings the file to rest. Nothing is lost when it fails: the next open takes longer.
    fn close(&mut self) -> Result<(), StoreError>;
}

/// The reading side of an engine; used from any thread.
pub(super) trait Bodies: Send + Sync {
    /// Reads the bodies of these events. One that is missing is missing from the answer.
    fn load(&self, wanted: &[Seq]) -> Result<Vec<(Seq, Stored)>, StoreError>;

    /// The first `limit` records after `after` that the filter means.
    fn page(&self, filter: &Filter, after: Place, limit: u32) -> Result<Page, StoreError>;

    /// Where these events are. One that is missing is missing from the answer.
    fn places(&self, ids: &[EventId]) -> Result<Vec<(EventId, Place, State)>, StoreError>;

    /// All of one record.
    fn story(&self, place: Place) -> Result<Option<Story>, StoreError>;

    /// Looks for damage.
    fn inspect(&self) -> Result<Inspection, StoreError>;
}

/// What an engine cannot do; the cause is the engine's own.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A batch was rolled back.
    #[error("the spool cannot write")]
    Write(#[source] Cause),
    /// A record or a number could not be read.
    #[error("the spool cannot read")]
    Read(#[source] Cause),
    /// The file could not be brought to rest.
    #[error("the spool cannot close its file cleanly")]
    Close(#[source] Cause),
}

impl StoreError {
    /// What kind of trouble it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        super::sqlite::fault_of(self)
    }
}

/// What is wrong, as far as it tells a person what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no space left.
    DiskFull,
    /// The file, or the file system, does not let itself be written.
    ReadOnly,
    /// The file's content makes no sense.
    Damaged,
    /// The disk answers with errors.
    Disk,
    /// Another program holds the file.
    Busy,
    /// Anything else.
    Other,
}

impl Fault {
    /// How it is mended, in words.
    #[must_use]
    pub const fn mend(self) -> &'static str {
        match self {
            Self::DiskFull => "make room on the disk",
            Self::ReadOnly => "make the file and its folder writable for this user",
            Self::Damaged => "the file is damaged: `postgate spool verify` says how to mend it",
            Self::Disk => "the disk fails: look at the system's log, and replace it",
            Self::Busy => "another program has locked the file: end that one",
            Self::Other => "check the disk's space, health and permissions",
        }
    }
}

/// An engine's own error.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

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
        }
    }

    fn latest(accepted: u64, fingerprint: [u8; 16]) -> Latest {
        let accepted = Timestamp::from_millis(accepted);
        Latest {
            seq: Seq(1),
            id: EventId::new(accepted),
            fingerprint: Fingerprint(fingerprint),
            accepted,
        }
    }

    #[test]
    fn the_window_ends_before_its_length() {
        let event = event(5000, Duration::from_secs(1));
        assert!(event.repeats(&latest(4001, [2; 16])));
        assert!(!event.repeats(&latest(4000, [2; 16])));
        assert!(!event.repeats(&latest(4001, [3; 16])));
    }

    #[test]
    fn a_window_of_zero_recognises_nothing() {
        let event = event(5000, Duration::ZERO);
        assert!(!event.repeats(&latest(5000, [2; 16])));
        assert!(!event.repeats(&latest(6000, [2; 16])), "not even after the clock went back");
    }
}
