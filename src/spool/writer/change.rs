//! What the operator changes. First everything is written that came before, so that the file says
//! what memory says.

use tokio::sync::oneshot;

use super::Writer;
use crate::spool::record::{OperateError, State};
use crate::spool::store::{Change, Changed};

/// Changes, and whom to answer.
pub(super) type Changes = (Vec<Change>, oneshot::Sender<Result<Vec<Changed>, OperateError>>);

impl Writer {
    /// Carries out what was asked for; each request is one transaction.
    pub(super) fn change(&mut self) {
        for (changes, answer) in std::mem::take(&mut self.changes) {
            // Whoever asked may have left; what was done is done.
            answer.send(self.change_all(&changes)).unwrap_or_else(drop);
        }
    }

    fn change_all(&mut self, changes: &[Change]) -> Result<Vec<Changed>, OperateError> {
        if !self.settlements.is_empty() {
            // They could not be written, so the file is behind.
            return Err(OperateError::Failing);
        }
        let made = self.store.change(changes);
        self.note_health(made.as_ref().err());
        let made = made.map_err(OperateError::Store)?;
        let (mut replayed, mut dropped) = (0, 0);
        let mut left_quarantine = false;
        for change in &made {
            let from = match change {
                Changed::Queued(pending, from) => {
                    self.board.requeue(pending);
                    replayed += 1;
                    *from
                }
                Changed::Dropped(from) => {
                    dropped += 1;
                    *from
                }
                Changed::Undelivered | Changed::Missing => continue,
            };
            match from {
                State::Dead => self.board.status.remove_dead(),
                State::Quarantined => {
                    self.board.status.remove_quarantined();
                    left_quarantine = true;
                }
                State::Pending | State::Delivered => {}
            }
        }
        self.metrics().operated(replayed, dropped);
        self.measure();
        if left_quarantine {
            self.measure_quarantine();
        }
        Ok(made)
    }
}
