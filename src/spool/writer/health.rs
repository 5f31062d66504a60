//! Whether writing works: what is noted of it, and what the log is told.

use std::time::Duration;

use super::Writer;
use crate::clock;
use crate::spool::status::Health;
use crate::spool::store::{Fault, Passed, StoreError};
use crate::telemetry::Tell;

/// A disk that fails and works by turns is told of no more often than this.
const TELL_PAUSE: Duration = Duration::from_secs(10);

impl Writer {
    /// Of work that nobody waits for. A damaged page in its way tells nothing of what comes.
    pub(super) fn note_outcome(&mut self, what: &'static str, failed: Option<&StoreError>) {
        match failed {
            Some(error) if error.fault() == Fault::Damaged => {
                self.metrics().passed(&[(what, 1)], Some(error));
            }
            _ => self.note_health(failed),
        }
    }

    pub(super) fn note_passed(&mut self, passed: &Passed) {
        let pieces = [
            ("arrival", passed.arrivals),
            ("settlement", passed.settlements),
            ("attempt", passed.attempts),
            ("expiry", passed.expired),
        ];
        self.metrics().passed(&pieces, passed.cause.as_ref());
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
