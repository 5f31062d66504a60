//! The narrow interface of a storage engine: opaque records in, the same records out. Synchronous,
//! because one thread writes. It knows nothing of queues, leases or limits.

mod arrival;
mod batch;
mod change;
mod fault;

use bytes::Bytes;

pub(super) use self::arrival::{
    Arrival, Latest, NewEvent, NewMalformed, Order, weight, with_overhead,
};
pub(super) use self::batch::{Applied, Batch, Expiry, History, Passed, Settlement, Share, Written};
pub(super) use self::change::{Change, Changed};
pub(super) use self::fault::Cause;
pub use self::fault::{Fault, StoreError};
use super::digest::KeyHash;
use super::event::{EventId, RouteName};
use super::record::{Compaction, Filter, Inspection, Page, Place, State, Story};
use crate::clock::Timestamp;

/// The writing side of an engine; owned by the writer thread.
pub(super) trait Store: Send {
    /// Counts the records. Costs no more than the backlog, whatever the history.
    fn census(&mut self) -> Result<Census, StoreError>;

    /// Visits every undelivered event in the order of acceptance.
    fn pending(&mut self, visit: &mut dyn FnMut(Pending)) -> Result<(), StoreError>;

    /// Writes all of the batch or nothing of it. Around damaged pages it goes part by part, and without
    /// what they keep out: that is told. When it returns `Ok`, power loss changes nothing.
    fn apply(&mut self, batch: &Batch<'_>) -> Result<Applied, StoreError>;

    /// Carries out all changes or none, and answers for each. Durable as `apply` is.
    fn change(&mut self, changes: &[Change]) -> Result<Vec<Changed>, StoreError>;

    /// What is in quarantine, in bytes as [`Arrival::bytes`] counts them.
    fn quarantine_bytes(&mut self) -> Result<u64, StoreError>;

    /// Bytes of the file that hold something; free pages do not count.
    fn bytes(&mut self) -> Result<u64, StoreError>;

    /// Writes something tiny, to learn whether writing works again, and an event for a trial.
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

/// The place of an event in the order of acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Seq(pub(super) i64);

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
    /// From when its age counts.
    pub(super) since: Timestamp,
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
