//! Lending and settling: from the queue to a [`Lease`], its body from memory or from the file, and
//! back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Spool;
use super::board::{Taken, Turn};
use super::event::RouteName;
use super::lease::{Attempt, Hold, Lease, Verdict};
use super::queue::Slot;
use super::store::{Seq, Settlement, StoreError, Stored};
use super::writer::Command;
use crate::clock::{self, Timestamp};

/// When the disk cannot read an event, it is tried again after this.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(10);
/// The longest sleep of a lease: after this the clock is looked at again, in case it was set.
const CLOCK_PAUSE: Duration = Duration::from_secs(30);

impl Spool {
    /// See [`Spool::lease`].
    pub(super) async fn wait_for(&self, route: &RouteName) -> Option<Lease> {
        let board = &self.shared.board;
        let (lane, bell) = board.bell(route);
        loop {
            let mut rung = std::pin::pin!(bell.notified());
            // From here on a ring is not missed.
            rung.as_mut().enable();
            let now = clock::now();
            match board.take(lane, now) {
                Turn::Stopped => return None,
                Turn::Nothing => rung.await,
                Turn::Later(due) => {
                    let wait = due.since(now).min(CLOCK_PAUSE);
                    tokio::select! {
                        () = rung => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Turn::Taken(taken) => {
                    if let Some(lease) = self.fill(route, taken).await {
                        return Some(lease);
                    }
                }
            }
        }
    }

    /// Makes a lease of what was taken; `None` when its body could not be had.
    async fn fill(&self, route: &RouteName, taken: Taken) -> Option<Lease> {
        let hold = Hold::new(Arc::clone(&self.shared.board), taken.slot, taken.seq);
        let stored = match taken.stored {
            Some(stored) => stored,
            None => match self.read(taken.seq, &taken.ahead).await {
                Ok(Some(stored)) => stored,
                Ok(None) => {
                    self.shared.telemetry.spool.body_missing(taken.seq.0);
                    self.bury(hold, taken.attempt);
                    return None;
                }
                Err(error) => {
                    let metrics = &self.shared.telemetry.spool;
                    metrics.unreadable(taken.seq.0, &error, error.fault().mend());
                    let due = clock::now().plus(UNREADABLE_PAUSE);
                    self.shared.board.give_back(hold.release(), due);
                    return None;
                }
            },
        };
        Some(Lease {
            id: stored.id,
            route: RouteName::clone(route),
            accepted: stored.accepted,
            since: stored.since,
            attempt: taken.attempt,
            body: stored.body,
            hold,
        })
    }

    /// Reads one body for now and some for the next leases.
    async fn read(&self, seq: Seq, ahead: &[(Slot, Seq)]) -> Result<Option<Stored>, StoreError> {
        let bodies = Arc::clone(&self.shared.bodies);
        let wanted: Vec<Seq> = std::iter::once(seq).chain(ahead.iter().map(|a| a.1)).collect();
        let loading = tokio::task::spawn_blocking(move || bodies.load(&wanted));
        let loaded = loading.await.map_err(|panic| StoreError::Read(Box::new(panic)))??;
        let mut found = None;
        let mut kept = Vec::with_capacity(ahead.len());
        for (read, stored) in loaded {
            if read == seq {
                found = Some(stored);
            } else if let Some((slot, _)) = ahead.iter().find(|(_, wanted)| *wanted == read) {
                kept.push((*slot, read, stored));
            }
        }
        self.shared.board.keep(kept.into_iter());
        Ok(found)
    }

    /// An event without a body: only damage to the file makes one.
    fn bury(&self, hold: Hold, attempt: u32) {
        let why = Attempt {
            at: clock::now(),
            status: None,
            outcome: "the body is missing from the spool".to_owned(),
            answer: Bytes::new(),
        };
        self.settle_hold(hold, attempt, why, Verdict::Dead);
    }

    /// See [`Spool::settle`].
    pub(super) fn settle_hold(
        &self,
        hold: Hold,
        attempts: u32,
        attempt: Attempt,
        verdict: Verdict,
    ) {
        // Sent first: once the event is free, somebody else may settle it, and the writer must
        // see that later. An error means that the writer has ended: it is delivered again.
        let settlement =
            Command::Settle(Settlement { seq: hold.seq(), attempts, attempt, verdict });
        self.shared.commands.send(settlement).unwrap_or_else(drop);
        let board = &self.shared.board;
        let slot = hold.release();
        match verdict {
            Verdict::RetryAt(due) => board.put_off(slot, due.max(Timestamp::from_millis(1))),
            Verdict::PutBack(due) => board.give_back(slot, due.max(Timestamp::from_millis(1))),
            Verdict::Dead => {
                board.status.add_dead();
                board.remove(slot);
            }
            Verdict::Done => board.remove(slot),
        }
    }
}
