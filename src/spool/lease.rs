//! The right to deliver one event, and what may come of it.

use std::sync::Arc;

use bytes::Bytes;

use super::board::Board;
use super::event::{EventId, RouteName};
use super::queue::Slot;
use super::store::Seq;
use crate::clock::Timestamp;

/// The right, and the duty, to deliver one event now. Dropped unsettled, the event becomes due
/// again, and the attempt is not counted.
#[derive(Debug)]
pub struct Lease {
    /// The event.
    pub id: EventId,
    /// Its route.
    pub route: RouteName,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// From when its age counts: it was accepted, replayed or imported.
    pub since: Timestamp,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// What to deliver.
    pub body: Bytes,
    pub(super) hold: Hold,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The upstream has it.
    Done,
    /// To be tried again, not before this moment.
    RetryAt(Timestamp),
    /// To be tried again, not before this moment, and as if it had not been tried: the attempt
    /// said nothing about the event.
    PutBack(Timestamp),
    /// Kept, listed, and not tried again by itself. The next of its key may go.
    Dead,
}

/// How one attempt went, for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// The upstream's status, when it answered.
    pub status: Option<u16>,
    /// What happened, in words, for a person. Kept to [`Attempt::OUTCOME_BYTES`].
    pub outcome: String,
    /// The first bytes of what the upstream said, whatever that is. Kept to
    /// [`Attempt::ANSWER_BYTES`].
    pub answer: Bytes,
}

impl Attempt {
    /// How much of an outcome is kept, in bytes: a line of a terminal or two.
    pub const OUTCOME_BYTES: usize = 256;
    /// How much of an answer is kept, in bytes: the message of an error, or the head of its page.
    pub const ANSWER_BYTES: usize = 1024;
}

/// Gives the event back when it is dropped before [`Hold::release`].
#[derive(Debug)]
pub(super) struct Hold {
    board: Arc<Board>,
    slot: Slot,
    seq: Seq,
    given_back: GivenBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GivenBack {
    OnDrop,
    Never,
}

impl Hold {
    pub(super) const fn new(board: Arc<Board>, slot: Slot, seq: Seq) -> Self {
        Self { board, slot, seq, given_back: GivenBack::OnDrop }
    }

    pub(super) const fn seq(&self) -> Seq {
        self.seq
    }

    /// Ends the hold: the caller says what becomes of the slot.
    pub(super) fn release(mut self) -> Slot {
        self.given_back = GivenBack::Never;
        self.slot
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.given_back == GivenBack::OnDrop {
            self.board.give_back(self.slot, crate::clock::now());
        }
    }
}
