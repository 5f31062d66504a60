//! The undelivered events in memory: which may go now. Pure: the time is an argument.
//!
//! An event waits while an earlier one of its key is undelivered. Of the others, one that was
//! never tried may go at once; one that was tried goes when it is due.
//! A million events are expected after a long outage, so an entry is small and holds no body:
//! 36 bytes, and about 15 for its share of the lists.

mod fresh;
mod invariants;
mod slots;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use hashbrown::HashTable;

use self::fresh::Fresh;
pub(super) use self::slots::Slot;
use self::slots::{Entry, KEPT_BLOCKS, Link, Slots};
use super::digest::KeyHash;
use super::store::Seq;
use crate::clock::Timestamp;

/// A route's part of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane(u16);

impl Lane {
    /// The position of the lane: lanes are numbered from 0 in the order they were added.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// An event to be queued.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) seq: Seq,
    /// `None`: waits for no other.
    pub(super) key: Option<KeyHash>,
    /// Attempts so far.
    pub(super) attempts: u32,
    /// Not before this moment; zero: never tried.
    pub(super) due: Timestamp,
}

/// What a lane has to offer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// This event is taken; nobody else gets it until it is given back, put off or removed.
    Taken {
        slot: Slot,
        seq: Seq,
        /// The number of the attempt that begins, from 1.
        attempt: u32,
    },
    /// Nothing before this moment.
    Later(Timestamp),
    /// Nothing until something changes.
    Nothing,
}

/// No pause is longer: the most that `retry.max` can be. An event that is due later than this has its
/// time from a clock that was ahead.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_hours(7 * 24);

/// All undelivered events.
#[derive(Debug, Default)]
pub(super) struct Queue {
    slots: Slots,
    /// The last event of each key. The keys stand in the entries.
    tails: HashTable<Slot>,
    hashing: RandomState,
    lanes: Vec<LaneState>,
    len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Free,
    /// An earlier one of its key is undelivered.
    Waiting,
    /// In its lane, never tried.
    Fresh,
    /// In its lane, with a time.
    Timed,
    /// Somebody is delivering it.
    Taken,
}

#[derive(Debug, Default)]
struct LaneState {
    fresh: Fresh,
    timed: BinaryHeap<Reverse<(Timestamp, Slot)>>,
    /// Whose turn it is when both have something to offer: neither a storm of retries nor a storm
    /// of new events keeps the other waiting.
    timed_next: bool,
    undelivered: u64,
}

impl Queue {
    /// Adds a lane. There are as many as route names were ever configured: far below 65,536.
    pub(super) fn add_lane(&mut self) -> Lane {
        let lane = Lane(u16::try_from(self.lanes.len()).unwrap_or(u16::MAX));
        self.lanes.push(LaneState::default());
        lane
    }

    /// Makes room for this many more events of different keys at once.
    pub(super) fn reserve(&mut self, events: usize) {
        let Self { slots, tails, hashing, .. } = self;
        tails.reserve(events, |tail| hashing.hash_one(slots.at(*tail).key));
    }

    /// All undelivered events, also those that wait or are taken.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// The undelivered events of one lane.
    pub(super) fn undelivered(&self, lane: Lane) -> u64 {
        self.lanes.get(lane.index()).map_or(0, |state| state.undelivered)
    }

    /// Queues an event. It must be later than all events of its key that are queued.
    pub(super) fn push(&mut self, lane: Lane, item: Item) -> Slot {
        let slot = self.slots.occupy(Entry {
            seq: item.seq,
            due: item.due,
            attempts: item.attempts,
            next: None,
            key: item.key,
            lane,
            phase: Phase::Waiting,
        });
        self.len += 1;
        self.lane(lane).undelivered += 1;
        match item.key.and_then(|key| self.follow(key, slot)) {
            Some(earlier) => self.slots.at_mut(earlier).next = Some(Link::to(slot)),
            None => self.schedule(slot),
        }
        self.check_invariants();
        slot
    }

    /// Takes the next event of the lane that may go now.
    pub(super) fn take(&mut self, lane: Lane, now: Timestamp) -> Offer {
        let state = self.lane(lane);
        let due = state.timed.peek().map(|Reverse((due, _))| *due);
        let timed_ready = due.is_some_and(|due| is_due(due, now));
        let slot = if timed_ready && (state.timed_next || state.fresh.is_empty()) {
            state.timed_next = false;
            state.timed.pop().map(|Reverse((_, slot))| slot)
        } else {
            state.timed_next = true;
            state.fresh.take()
        };
        let Some(slot) = slot else {
            return due.map_or(Offer::Nothing, Offer::Later);
        };
        let entry = self.slots.at_mut(slot);
        entry.phase = Phase::Taken;
        let (seq, attempt) = (entry.seq, entry.attempts.saturating_add(1));
        self.check_invariants();
        Offer::Taken { slot, seq, attempt }
    }

    /// Whether the lane could offer something now.
    pub(super) fn has_ready(&self, lane: Lane, now: Timestamp) -> bool {
        self.lanes.get(lane.index()).is_some_and(|state| {
            let due = state.timed.peek().is_some_and(|Reverse((due, _))| is_due(*due, now));
            due || !state.fresh.is_empty()
        })
    }

    /// About `most` events that the lane will offer next among those never tried.
    pub(super) fn upcoming(
        &self,
        lane: Lane,
        most: usize,
    ) -> impl Iterator<Item = (Slot, Seq)> + '_ {
        let fresh = self.lanes.get(lane.index()).map(|state| state.fresh.upcoming(most));
        fresh.into_iter().flatten().map(|slot| (slot, self.slots.at(slot).seq))
    }

    /// Whether this event is still there and untried.
    pub(super) fn is_upcoming(&self, slot: Slot, seq: Seq) -> bool {
        let entry = self.slots.get(slot);
        entry.is_some_and(|entry| { entry.seq } == seq && entry.phase == Phase::Fresh)
    }

    /// A taken event was not tried after all: it may go again at `due`, with no attempt counted.
    pub(super) fn give_back(&mut self, slot: Slot, due: Timestamp) {
        let entry = self.slots.at_mut(slot);
        debug_assert_eq!(entry.phase, Phase::Taken, "only a taken event is put back");
        entry.due = due;
        entry.phase = Phase::Timed;
        let lane = entry.lane;
        self.lane(lane).timed.push(Reverse((due, slot)));
        self.check_invariants();
    }

    /// A taken event was tried in vain: it may go again at `due`.
    pub(super) fn put_off(&mut self, slot: Slot, due: Timestamp) {
        let entry = self.slots.at_mut(slot);
        entry.attempts = entry.attempts.saturating_add(1);
        self.give_back(slot, due);
    }

    /// The lane of a queued event.
    pub(super) fn lane_of(&self, slot: Slot) -> Lane {
        self.slots.at(slot).lane
    }

    /// A taken event is settled for good: the next of its key may go. Answers whether there is one.
    pub(super) fn remove(&mut self, slot: Slot) -> bool {
        let entry = self.slots.at_mut(slot);
        debug_assert_eq!(entry.phase, Phase::Taken, "only a taken event is settled");
        let (key, lane, next) = (entry.key, entry.lane, entry.next);
        match (next, key) {
            (Some(next), _) => self.schedule(next.slot()),
            (None, Some(key)) => self.forget_tail(key, slot),
            (None, None) => {}
        }
        self.len -= 1;
        self.lane(lane).undelivered -= 1;
        self.slots.free(slot);
        if self.len == 0 && self.slots.blocks() > KEPT_BLOCKS {
            self.forget_places();
        }
        self.check_invariants();
        next.is_some()
    }

    /// Makes the event the last of its key; answers with the one that was.
    fn follow(&mut self, key: KeyHash, slot: Slot) -> Option<Slot> {
        let Self { slots, tails, hashing, .. } = self;
        let hash = hashing.hash_one(Some(key));
        if let Some(tail) = tails.find_mut(hash, |tail| slots.at(*tail).key == Some(key)) {
            return Some(std::mem::replace(tail, slot));
        }
        tails.insert_unique(hash, slot, |tail| hashing.hash_one(slots.at(*tail).key));
        None
    }

    fn forget_tail(&mut self, key: KeyHash, slot: Slot) {
        let hash = self.hashing.hash_one(Some(key));
        if let Ok(tail) = self.tails.find_entry(hash, |tail| *tail == slot) {
            tail.remove();
        }
    }

    /// Gives the memory of a long backlog back: with nothing queued, no slot is in use.
    fn forget_places(&mut self) {
        self.slots = Slots::default();
        self.tails = HashTable::new();
        for state in &mut self.lanes {
            state.fresh = Fresh::default();
            state.timed = BinaryHeap::new();
        }
    }

    /// Hands an event that waits for no other to its lane.
    fn schedule(&mut self, slot: Slot) {
        let entry = self.slots.at_mut(slot);
        let (lane, due) = (entry.lane, entry.due);
        let never_tried = due == Timestamp::default();
        entry.phase = if never_tried { Phase::Fresh } else { Phase::Timed };
        // One that waited is late: it goes before everything that was accepted after it.
        let oldest = self.lane(lane).fresh.oldest();
        let seq = |slot| self.slots.at(slot).seq;
        let overdue = oldest.is_some_and(|oldest| seq(slot) < seq(oldest));
        let state = self.lane(lane);
        if !never_tried {
            state.timed.push(Reverse((due, slot)));
        } else if overdue {
            state.fresh.push_oldest(slot);
        } else {
            state.fresh.push(slot);
        }
    }

    #[expect(clippy::indexing_slicing, reason = "a lane is made by `add_lane` and never removed")]
    fn lane(&mut self, lane: Lane) -> &mut LaneState {
        &mut self.lanes[lane.index()]
    }
}

/// When an event of the file is due. A time that is too far ahead is none: in a lane it would have to
/// wait behind every other.
pub(super) fn sensible(due: Timestamp, now: Timestamp) -> Timestamp {
    if is_due(due, now) { due.min(now) } else { due }
}

fn is_due(due: Timestamp, now: Timestamp) -> bool {
    due <= now || due > now.plus(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests;
