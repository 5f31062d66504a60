//! What the operator changes. First everything is written that came before, so that the file says
//! what memory says.

use tokio::sync::oneshot;

use super::Writer;
use crate::spool::record::{Compaction, OperateError, State};
use crate::spool::store::{Change, Changed, Pending, Spare};

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
        let wanted = changes.iter().map(Change::bytes).fold(0, u64::saturating_add);
        let used = self.board.status.bytes();
        if wanted > 0 && used.saturating_add(wanted) > self.limits.max_bytes {
            return Err(OperateError::Full);
        }
        let made = self.store.change(changes);
        if let Err(error) = &made {
            self.note_outcome("change", Some(error));
        }
        let made = made.map_err(OperateError::Store)?;
        let (mut replayed, mut dropped, mut imported) = (0, 0, 0);
        let mut is_quarantine_other = false;
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
                Changed::Imported(pending, state) => {
                    imported += 1;
                    is_quarantine_other |= *state == State::Quarantined;
                    self.add(pending.as_ref(), *state);
                    continue;
                }
                Changed::Undelivered | Changed::Missing => continue,
            };
            match from {
                State::Dead => self.board.status.remove_dead(),
                State::Quarantined => {
                    self.board.status.remove_quarantined();
                    is_quarantine_other = true;
                }
                State::Pending | State::Delivered => {}
            }
        }
        self.metrics().operated(replayed, dropped, imported);
        self.measure();
        if is_quarantine_other {
            self.measure_quarantine();
        }
        Ok(made)
    }

    /// What was imported counts, and goes when it is pending. Its bytes in quarantine are measured.
    fn add(&self, pending: Option<&Pending>, state: State) {
        match (state, pending) {
            (State::Dead, _) => self.board.status.add_dead(),
            (State::Quarantined, _) => self.board.status.add_quarantined(0),
            (State::Pending, Some(pending)) => self.board.requeue(pending),
            (State::Pending | State::Delivered, _) => {}
        }
    }

    /// Gives a part of the free space back, all of it in the end.
    pub(super) fn compact(&mut self, answer: oneshot::Sender<Result<Compaction, OperateError>>) {
        let compacted = self.store.shrink(Spare::None);
        self.note_outcome("shrink", compacted.as_ref().err());
        answer.send(compacted.map_err(OperateError::Store)).unwrap_or_else(drop);
    }
}
