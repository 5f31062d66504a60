//! When to tell the operator that an upstream fails, and when that it answers again. Pure: the time
//! is an argument.
//!
//! An upstream that is down for a weekend fails thousands of times a second: that is one line when
//! it begins, one every ten minutes while it lasts, and one when it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// Between lines while the upstream keeps failing: about 430 of them in 72 hours.
const REMINDER: Duration = Duration::from_mins(10);
/// Between the lines of two failures with a success between them: an upstream that fails every
/// hundredth request is not down.
const RELAPSE: Duration = Duration::from_mins(1);

/// Whether an upstream answers, and what was said about it.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Repeats `Record::failing`, so that a success looks at one word and takes no lock.
    failing: AtomicBool,
    record: Mutex<Record>,
}

/// What is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// How long it has been failing.
    pub(super) lasting: Duration,
    /// Failed attempts since the last line, this one included.
    pub(super) failures: u64,
}

#[derive(Debug, Default)]
struct Record {
    /// Since when, while it fails.
    failing: Option<Timestamp>,
    /// The last line about a failure.
    told: Option<Timestamp>,
    /// The last line about its being away.
    told_away: Option<Timestamp>,
    /// The present failing was told, so its end will be.
    open: bool,
    failures: u64,
}

impl Health {
    /// Notes a failed attempt. The operator is to be told when there is a complaint.
    pub(super) fn failed(&self, now: Timestamp) -> Option<Complaint> {
        let mut record = self.record();
        self.failing.store(true, Ordering::Relaxed);
        let since = *record.failing.get_or_insert(now);
        record.failures = record.failures.saturating_add(1);
        let quiet = if record.open { REMINDER } else { RELAPSE };
        if record.told.is_some_and(|told| now.since(told) < quiet) {
            return None;
        }
        record.told = Some(now);
        record.open = true;
        Some(Complaint {
            lasting: now.since(since),
            failures: std::mem::take(&mut record.failures),
        })
    }

    /// Notes that it is away from now on, after a failed attempt was noted. Answers whether the
    /// operator is to be told.
    pub(super) fn lost(&self, now: Timestamp) -> bool {
        let mut record = self.record();
        if record.told_away.is_some_and(|told| now.since(told) < RELAPSE) {
            return false;
        }
        record.told_away = Some(now);
        record.open = true;
        true
    }

    /// Notes an attempt that the upstream took. Answers how long it had been failing, when that
    /// was told before and is over now.
    pub(super) fn answered(&self, now: Timestamp) -> Option<Duration> {
        if !self.failing.load(Ordering::Relaxed) {
            return None;
        }
        let mut record = self.record();
        self.failing.store(false, Ordering::Relaxed);
        let since = record.failing.take()?;
        std::mem::take(&mut record.open).then(|| now.since(since))
    }

    /// A panic elsewhere does not make the record wrong: each entry leaves it whole.
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn complaint(seconds: u64, failures: u64) -> Complaint {
        Complaint { lasting: Duration::from_secs(seconds), failures }
    }

    #[test]
    fn an_outage_has_a_beginning_reminders_and_an_end() {
        let health = Health::default();
        assert_eq!(health.answered(at(99)), None);
        assert_eq!(health.failed(at(100)), Some(complaint(0, 1)));
        assert_eq!(health.failed(at(101)), None);
        assert_eq!(health.failed(at(699)), None);
        assert_eq!(health.failed(at(700)), Some(complaint(600, 3)));
        assert_eq!(health.failed(at(701)), None);
        assert_eq!(health.answered(at(710)), Some(Duration::from_secs(610)));
        assert_eq!(health.answered(at(711)), None);
    }

    #[test]
    fn being_away_is_told_once_a_minute_and_so_is_its_end() {
        let health = Health::default();
        assert!(health.failed(at(0)).is_some());
        assert!(health.lost(at(1)));
        assert!(health.answered(at(2)).is_some());
        assert_eq!(health.failed(at(3)), None);
        assert!(!health.lost(at(60)));
        assert_eq!(health.answered(at(60)), None, "nothing was told of it");
        health.failed(at(61));
        assert!(health.lost(at(61)));
        assert!(health.answered(at(62)).is_some());
    }

    #[test]
    fn a_flapping_upstream_is_told_once_a_minute() {
        let health = Health::default();
        assert_eq!(health.failed(at(0)), Some(complaint(0, 1)));
        assert!(health.answered(at(1)).is_some());
        for second in 2..60 {
            assert_eq!(health.failed(at(second)), None, "{second}");
            assert_eq!(health.answered(at(second)), None, "{second}");
        }
        assert_eq!(health.failed(at(60)), Some(complaint(0, 59)));
        assert!(health.answered(at(61)).is_some());
    }

    #[test]
    fn a_relapse_that_lasts_is_told_after_a_minute() {
        let health = Health::default();
        assert!(health.failed(at(0)).is_some());
        assert!(health.answered(at(1)).is_some());
        assert_eq!(health.failed(at(2)), None);
        assert_eq!(health.failed(at(59)), None);
        assert_eq!(health.failed(at(60)), Some(complaint(58, 3)));
    }
}
