//! What an answer of success is made of. It can be got in these three ways, and in no other.

use super::forward::Forwarded;
use super::refusal::Refusal;
use crate::spool::{EventId, Receipt};

/// The event of this id is kept, or was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise(EventId);

impl Promise {
    /// The spool has it on disk.
    pub(super) fn of_receipt(receipt: Receipt) -> Self {
        Self(receipt.id())
    }

    /// The spool has on disk what was not understood, under the id that quarantine gave it.
    pub(super) const fn of_quarantine(kept: EventId) -> Self {
        Self(kept)
    }

    /// The upstream's own answer to the event.
    pub(super) const fn of_upstream(outcome: Forwarded, id: EventId) -> Result<Self, Refusal> {
        match outcome {
            Forwarded::Delivered => Ok(Self(id)),
            Forwarded::Refused => Err(Refusal::UpstreamRefused),
            Forwarded::Unavailable => Err(Refusal::UpstreamUnavailable),
        }
    }

    /// What the sender may call it by.
    pub(super) const fn id(self) -> EventId {
        self.0
    }
}
