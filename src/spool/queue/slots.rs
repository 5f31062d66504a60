//! Where the queued events live: in blocks that stay where they are, so that a growing backlog never
//! needs twice its memory for a moment, and a slot stays valid until it is freed.

use super::{Lane, Phase};
use crate::clock::Timestamp;
use crate::spool::digest::KeyHash;
use crate::spool::store::Seq;

/// The place of an event in memory. Valid until the event is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::spool) struct Slot(u32);

/// A slot that leaves room for `None` in its four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(std::num::NonZeroU32);

/// A queued event. Packed: to align its two long numbers would cost a million events 4 MB.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(4))]
pub(super) struct Entry {
    pub(super) seq: Seq,
    pub(super) due: Timestamp,
    pub(super) attempts: u32,
    /// The event that waits for this one, or the next free entry.
    pub(super) next: Option<Link>,
    pub(super) key: Option<KeyHash>,
    pub(super) lane: Lane,
    pub(super) phase: Phase,
}

/// Entries of one block: 144 KiB, about what an empty queue keeps.
const BLOCK: usize = 4096;
/// Blocks kept for reuse when the queue is empty: 2.25 MiB.
pub(super) const KEPT_BLOCKS: usize = 16;

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Slots {
    blocks: Vec<Vec<Entry>>,
    /// The first of the free entries, which are linked by `next`.
    free: Option<Link>,
}

impl Slots {
    /// A slot for the entry: a free one, or a new one.
    pub(super) fn occupy(&mut self, entry: Entry) -> Slot {
        if let Some(link) = self.free {
            let slot = link.slot();
            let place = self.at_mut(slot);
            let next = place.next;
            *place = entry;
            self.free = next;
            return slot;
        }
        let slot = Slot(u32::try_from(self.len()).unwrap_or(u32::MAX));
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(entry),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(entry);
                self.blocks.push(block);
            }
        }
        slot
    }

    pub(super) fn free(&mut self, slot: Slot) {
        let next = self.free.replace(Link::to(slot));
        let entry = self.at_mut(slot);
        entry.phase = Phase::Free;
        entry.key = None;
        entry.next = next;
    }

    /// Entries that were ever occupied, those that are free again included.
    pub(super) fn len(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1);
        full.saturating_mul(BLOCK).saturating_add(self.blocks.last().map_or(0, Vec::len))
    }

    pub(super) const fn blocks(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Entry> {
        let (block, place) = slot.position();
        self.blocks.get(block)?.get(place)
    }

    #[expect(clippy::indexing_slicing, reason = "a slot is made by `occupy`, blocks never shrink")]
    pub(super) fn at(&self, slot: Slot) -> &Entry {
        let (block, place) = slot.position();
        &self.blocks[block][place]
    }

    #[expect(clippy::indexing_slicing, reason = "a slot is made by `occupy`, blocks never shrink")]
    pub(super) fn at_mut(&mut self, slot: Slot) -> &mut Entry {
        let (block, place) = slot.position();
        &mut self.blocks[block][place]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.blocks.iter().flatten()
    }
}

impl Slot {
    fn position(self) -> (usize, usize) {
        let index = usize::try_from(self.0).unwrap_or(usize::MAX);
        (index / BLOCK, index % BLOCK)
    }
}

impl Link {
    /// Links count from 1.
    pub(super) const fn to(slot: Slot) -> Self {
        Self(std::num::NonZeroU32::MIN.saturating_add(slot.0))
    }

    pub(super) const fn slot(self) -> Slot {
        Slot(self.0.get() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: i64) -> Entry {
        let due = Timestamp::default();
        let (lane, phase) = (Lane(0), Phase::Waiting);
        Entry { seq: Seq(seq), due, attempts: 0, next: None, key: None, lane, phase }
    }

    #[test]
    fn an_entry_stays_small() {
        assert_eq!(size_of::<Entry>(), 36);
        assert_eq!(size_of::<Option<Link>>(), 4);
    }

    #[test]
    fn slots_hold_across_blocks_and_freed_ones_come_first() {
        let mut slots = Slots::default();
        let all: Vec<_> = (0..10_000).map(|seq| slots.occupy(entry(seq))).collect();
        assert_eq!((slots.len(), slots.blocks()), (10_000, 3));
        for (seq, slot) in (0..).zip(&all) {
            assert_eq!({ slots.at(*slot).seq }, Seq(seq));
        }
        for freed in [4095, 4096] {
            slots.free(all[freed]);
        }
        assert_eq!([slots.occupy(entry(1)), slots.occupy(entry(2))], [all[4096], all[4095]]);
        assert_eq!(slots.len(), 10_000);
        assert!(slots.get(Slot(10_000)).is_none());
    }
}
