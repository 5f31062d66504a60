//! Lines that strangers can bring about as fast as they like. Each reason, or route, gets a few a second; what
//! is more is counted, and told in one line when the second is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Enough to see who it is.
const LINES_A_SECOND: u64 = 10;

/// How often each thing has happened in this second.
#[derive(Debug, Default)]
pub(super) struct Flood<Of = &'static str>(Mutex<BTreeMap<Of, u64>>);

impl<Of: Ord> Flood<Of> {
    /// It has happened once more; whether it gets a line of its own.
    pub(super) fn has_line(&self, of: Of) -> bool {
        let mut seen = self.lock();
        let seen = seen.entry(of).or_default();
        *seen += 1;
        *seen <= LINES_A_SECOND
    }

    /// Begins another second; what had no line of its own in the last one, and how often.
    pub(super) fn next_second(&self) -> impl Iterator<Item = (Of, u64)> + use<Of> {
        let seen = std::mem::take(&mut *self.lock());
        let more = seen.into_iter().map(|(of, seen)| (of, seen.saturating_sub(LINES_A_SECOND)));
        more.filter(|&(_, more)| more > 0)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Of, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_lines_in_each_second() {
        let flood = Flood::default();
        for _ in 0..2 {
            let lines = (0..13).filter(|_| flood.has_line("a")).count();
            assert_eq!(lines, 10);
            assert!(flood.has_line("b"), "beside a flood");
            assert_eq!(flood.next_second().collect::<Vec<_>>(), [("a", 3)]);
            assert_eq!(flood.next_second().count(), 0);
        }
    }
}
