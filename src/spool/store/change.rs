//! What the operator wants changed, and what became of it.

use super::arrival::OVERHEAD_BYTES;
use super::{NewEvent, Pending, Seq};
use crate::spool::event::EventId;
use crate::spool::record::{Contents, Place, State, Story};

/// What the operator wants changed. The id says which event was meant, in case it is another by
/// now.
#[derive(Debug)]
pub(in crate::spool) enum Change {
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
    pub(in crate::spool) fn bytes(&self) -> u64 {
        match self {
            Self::Import(story) => story.bytes().saturating_add(OVERHEAD_BYTES),
            Self::Revive(..) | Self::Admit(..) | Self::Discard(..) => 0,
        }
    }

    /// Brings nothing in of what an event was made of.
    pub(in crate::spool) fn leave_received(&mut self) {
        match self {
            Self::Admit(_, event) => event.received = None,
            Self::Import(story) => {
                if let Contents::Event { received, .. } = &mut story.contents {
                    *received = None;
                }
            }
            Self::Revive(..) | Self::Discard(..) => {}
        }
    }
}

/// What became of a change.
#[derive(Debug)]
pub(in crate::spool) enum Changed {
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
}
