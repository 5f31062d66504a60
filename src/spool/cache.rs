//! Bodies of events that were not yet tried, in memory, so that delivery need not read the file
//! while it keeps up. What comes while the cache is full is read back later; nothing is thrown out
//! for it, because the oldest are needed first.

use std::collections::HashMap;

use super::store::{Seq, Stored};

/// Bounded by bytes, each event counted with its overhead.
#[derive(Debug)]
pub(super) struct Cache {
    stored: HashMap<Seq, Stored>,
    bytes: usize,
    limit_bytes: usize,
}

impl Cache {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { stored: HashMap::new(), bytes: 0, limit_bytes }
    }

    /// Keeps the event when there is room.
    pub(super) fn offer(&mut self, seq: Seq, stored: Stored) {
        let cost = cost(&stored);
        if self.bytes.saturating_add(cost) > self.limit_bytes {
            return;
        }
        self.bytes += cost;
        if let Some(replaced) = self.stored.insert(seq, stored) {
            self.bytes -= self::cost(&replaced);
        }
    }

    pub(super) fn take(&mut self, seq: Seq) -> Option<Stored> {
        let stored = self.stored.remove(&seq)?;
        self.bytes -= cost(&stored);
        Some(stored)
    }

    pub(super) fn contains(&self, seq: Seq) -> bool {
        self.stored.contains_key(&seq)
    }
}

fn cost(stored: &Stored) -> usize {
    /// A map entry at half load, and the body's allocation.
    const OVERHEAD: usize = 192;
    stored.body.len().saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::clock::Timestamp;
    use crate::spool::EventId;

    fn stored(bytes: usize) -> Stored {
        Stored {
            id: EventId::from_bytes([0; 16]),
            accepted: Timestamp::default(),
            since: Timestamp::default(),
            body: Bytes::from(vec![0; bytes]),
        }
    }

    #[test]
    fn it_is_full_at_its_limit_and_room_comes_back() {
        let mut cache = Cache::new(2 * cost(&stored(100)));
        cache.offer(Seq(1), stored(100));
        cache.offer(Seq(2), stored(100));
        cache.offer(Seq(3), stored(0));
        assert!(cache.contains(Seq(2)) && !cache.contains(Seq(3)));
        assert_eq!(cache.take(Seq(1)), Some(stored(100)));
        cache.offer(Seq(3), stored(101));
        assert!(!cache.contains(Seq(3)), "one byte too many");
        cache.offer(Seq(3), stored(100));
        assert!(cache.contains(Seq(3)));
    }

    #[test]
    fn the_same_event_again_costs_nothing_more() {
        let mut cache = Cache::new(2 * cost(&stored(100)));
        cache.offer(Seq(1), stored(100));
        cache.offer(Seq(1), stored(100));
        cache.offer(Seq(2), stored(100));
        assert!(cache.contains(Seq(2)));
        assert_eq!(cache.take(Seq(9)), None);
    }
}
