//! Whether writing works: what is noted of it, and what the log is told.

use std::time::Duration;

use super::Writer;
use crate::clock;
use crate::spool::status::Health;
use crate::spool::store::{Applied, Fault, Passed, StoreError};
use crate::telemetry::Tell;

/// A disk that fails and works by turns is told of no more often than this.
const TELL_PAUSE: Duration = Duration::from_secs(10);

impl Writer {
    /// Of work that nobody waits for. A damaged page in its way tells nothing of what comes.
    pub(super) fn note_outcome(&mut self, what: &'static str, failed: Option<&StoreError>) {
        match failed {
            Some(error) if error.fault() == Fault::Damaged => {
                self.metrics().passed(what, Some(error));
            }
            _ => self.note_health(failed),
        }
    }

    /// After a batch. Where nothing that came was kept, or the end of the batch was not reached, a trial
    /// tells whether that is so of these alone, or of all that come.
    pub(super) fn note_applied(&mut self, applied: &Result<Applied, StoreError>) {
        match applied {
            Ok(applied) if applied.kept_nothing() || self.is_short(applied) => {
                let probed = self.store.probe();
                self.note_health(probed.as_ref().err());
            }
            _ => self.note_health(applied.as_ref().err()),
        }
    }

    /// Whether something of the batch is left.
    pub(super) const fn is_short(&self, applied: &Applied) -> bool {
        applied.settled < self.settlements.len() || applied.written.len() < self.arrivals.len()
    }

    pub(super) fn note_passed(&self, passed: &Passed) {
        for what in &passed.pieces {
            self.metrics().passed(what, passed.cause.as_ref());
        }
    }

    pub(super) fn note_health(&mut self, failed: Option<&StoreError>) {
        let health = if failed.is_some() { Health::Failing } else { Health::Good };
        let changed = self.board.status.set_healthy(health);
        match failed {
            Some(error) => {
                let now = clock::instant();
                let tell = if self.told || now < self.tell_from {
                    Tell::Quietly
                } else {
                    (self.told, self.tell_from) = (true, now + TELL_PAUSE);
                    Tell::Aloud
                };
                self.metrics().commit_failed(error, error.fault().mend(), tell);
            }
            None if changed => {
                let told = std::mem::take(&mut self.told);
                self.metrics().recovered(if told { Tell::Aloud } else { Tell::Quietly });
            }
            None => {}
        }
    }
}
