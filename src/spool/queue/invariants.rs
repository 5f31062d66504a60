//! What must hold after every change of the queue.

use super::{Phase, Queue};

impl Queue {
    /// Panics in debug builds when the parts disagree. Only for small queues: it looks at all.
    pub(super) fn check_invariants(&self) {
        const SMALL: u64 = 64;
        if !cfg!(debug_assertions) || self.len > SMALL || self.slots.len() > 4096 {
            return;
        }
        let count = |phase| {
            let entries = self.slots.iter().filter(|entry| entry.phase == phase);
            entries.count()
        };
        let used = self.slots.len() - count(Phase::Free);
        assert_eq!(u64::try_from(used), Ok(self.len), "every event is counted once");
        let per_lane: u64 = self.lanes.iter().map(|state| state.undelivered).sum();
        assert_eq!(per_lane, self.len, "every event is in one lane");
        let fresh: usize = self.lanes.iter().map(|state| state.fresh.len()).sum();
        assert_eq!(fresh, count(Phase::Fresh), "a fresh event is in its lane once");
        let timed: usize = self.lanes.iter().map(|state| state.timed.len()).sum();
        assert_eq!(timed, count(Phase::Timed), "a timed event is in its lane once");
        for entry in self.slots.iter().filter(|entry| entry.phase != Phase::Free) {
            if let Some(next) = entry.next {
                let next = self.slots.at(next.slot());
                assert_eq!(next.phase, Phase::Waiting, "one of a key goes at a time");
                assert_eq!(next.key, entry.key, "only events of one key wait for each other");
                assert!({ next.seq } > { entry.seq }, "the earlier goes first");
            }
        }
        let followed = self.slots.iter().filter(|e| e.phase != Phase::Free && e.next.is_some());
        assert_eq!(followed.count(), count(Phase::Waiting), "a waiting event waits for one");
        let last = |entry: &&super::Entry| entry.key.is_some() && entry.next.is_none();
        let used = self.slots.iter().filter(|entry| entry.phase != Phase::Free);
        assert_eq!(used.filter(last).count(), self.tails.len(), "the last of each key is known");
        for tail in &self.tails {
            assert!(last(&self.slots.at(*tail)), "nobody waits for the last of a key");
        }
    }
}
