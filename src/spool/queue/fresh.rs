//! The events of a lane that were never tried and wait for no other: from which end the next is
//! taken.
//!
//! In the order of acceptance, while there are few. In a backlog every so manieth that is taken is
//! the newest: what comes in now does not wait for a weekend's worth to drain, and what has waited is
//! delayed by a third. The order within a key is not touched: an event whose key has an earlier one
//! is not here.

use std::collections::VecDeque;

use super::Slot;

/// Fewer than these are no backlog: a moment's work.
pub(super) const BACKLOG: usize = 256;
/// Of so many taken from a backlog, one is the newest.
const NEWEST_EVERY: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// The oldest first, and before them what waited for one that was settled.
    slots: VecDeque<Slot>,
    /// Taken from a backlog since the newest was.
    since_newest: usize,
}

impl Fresh {
    /// One that is older than all.
    pub(super) fn push_oldest(&mut self, slot: Slot) {
        self.slots.push_front(slot);
    }

    pub(super) fn push(&mut self, slot: Slot) {
        self.slots.push_back(slot);
    }

    pub(super) fn oldest(&self) -> Option<Slot> {
        self.slots.front().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<Slot> {
        if self.slots.len() < BACKLOG {
            return self.slots.pop_front();
        }
        self.since_newest += 1;
        if self.since_newest < NEWEST_EVERY {
            return self.slots.pop_front();
        }
        self.since_newest = 0;
        self.slots.pop_back()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// About what is taken next, for reading ahead: up to `most`, of a backlog up to half.
    pub(super) fn upcoming(&self, most: usize) -> impl Iterator<Item = Slot> + '_ {
        let len = self.slots.len();
        let place = move |turn: usize| {
            let newest = turn / NEWEST_EVERY;
            if len < BACKLOG {
                turn
            } else if turn % NEWEST_EVERY == NEWEST_EVERY - 1 {
                len - 1 - newest
            } else {
                turn - newest
            }
        };
        (0..most.min(BACKLOG / 2)).filter_map(move |turn| self.slots.get(place(turn)).copied())
    }
}
