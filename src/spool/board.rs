//! What the writer and those who deliver share: the queue, the bodies in memory, a bell for each
//! route, and the numbers of the status. Every lock is held for a moment and never across I/O.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::cache::Cache;
use super::event::RouteName;
use super::queue::{Item, Lane, Offer, Queue, Slot};
use super::status::Status;
use super::store::{Pending, Seq, Stored};
use crate::clock::Timestamp;

/// Bodies of arrivals kept in memory, in bytes: some seconds of the highest load.
const ARRIVALS_BYTES: usize = 16 << 20;
/// Bodies read ahead, in bytes. Apart from the arrivals, which may have filled their share with
/// events whose turn comes much later.
const AHEAD_BYTES: usize = 4 << 20;
/// Bodies read at once when one is missing: the cost of going to a blocking thread is shared.
const AHEAD_EVENTS: usize = 32;
/// How many queued events are looked at for that.
const AHEAD_DEPTH: usize = 64;

/// The shared state.
#[derive(Debug)]
pub(super) struct Board {
    state: Mutex<State>,
    /// Cancelled when leasing has ended.
    pub(super) stopped: CancellationToken,
    /// Numbers that change without the queue.
    pub(super) status: Status,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    arrivals: Cache,
    ahead: Cache,
    /// One for each lane: rings for one waiting lease when there is something for it.
    bells: Vec<Arc<Notify>>,
    lanes: HashMap<RouteName, Lane>,
    leasing: Leasing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leasing {
    Open,
    Stopped,
}

/// What a route has to offer.
#[derive(Debug)]
pub(super) enum Turn {
    /// This event is taken, its body at hand or to be read.
    Taken(Taken),
    /// Nothing before this moment, unless the bell rings.
    Later(Timestamp),
    /// Nothing until the bell rings.
    Nothing,
    /// Nothing any more.
    Stopped,
}

/// An event that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) slot: Slot,
    pub(super) seq: Seq,
    pub(super) attempt: u32,
    pub(super) stored: Option<Stored>,
    /// When the body must be read: those that will be wanted next.
    pub(super) ahead: Vec<(Slot, Seq)>,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                queue: Queue::default(),
                arrivals: Cache::new(ARRIVALS_BYTES),
                ahead: Cache::new(AHEAD_BYTES),
                bells: Vec::new(),
                lanes: HashMap::new(),
                leasing: Leasing::Open,
            }),
            stopped: CancellationToken::new(),
            status: Status::default(),
        }
    }

    /// Makes room for the backlog that is about to be loaded.
    pub(super) fn reserve(&self, events: usize) {
        self.lock().queue.reserve(events);
    }

    /// Queues an event that was on disk already.
    pub(super) fn load(&self, pending: &Pending) {
        let mut state = self.lock();
        let lane = state.lane(&pending.route);
        state.queue.push(lane, item(pending));
    }

    /// Queues an event that is pending again, and rings for it.
    pub(super) fn requeue(&self, pending: &Pending) {
        self.load(pending);
        let mut state = self.lock();
        let lane = state.lane(&pending.route);
        state.ring(lane);
    }

    /// Queues events that have just become durable, and rings for them.
    pub(super) fn push(&self, events: impl Iterator<Item = (Pending, Stored)>) {
        let mut state = self.lock();
        let mut rung: Vec<Lane> = Vec::new();
        for (pending, stored) in events {
            let lane = state.lane(&pending.route);
            state.queue.push(lane, item(&pending));
            state.arrivals.offer(pending.seq, stored);
            if !rung.contains(&lane) {
                rung.push(lane);
            }
        }
        for lane in rung {
            state.ring(lane);
        }
    }

    /// The bell of a route; a name heard for the first time gets one.
    pub(super) fn bell(&self, route: &RouteName) -> (Lane, Arc<Notify>) {
        let mut state = self.lock();
        let lane = state.lane(route);
        let bell = state.bells.get(lane.index()).map(Arc::clone);
        (lane, bell.unwrap_or_default())
    }

    /// Takes what may go now.
    pub(super) fn take(&self, lane: Lane, now: Timestamp) -> Turn {
        let mut state = self.lock();
        if state.leasing == Leasing::Stopped {
            return Turn::Stopped;
        }
        match state.queue.take(lane, now) {
            Offer::Later(due) => Turn::Later(due),
            Offer::Nothing => Turn::Nothing,
            Offer::Taken { slot, seq, attempt } => {
                // The bell rings once for many: whoever takes one passes the ring on.
                if state.queue.has_ready(lane, now) {
                    state.ring(lane);
                }
                let stored = state.arrivals.take(seq).or_else(|| state.ahead.take(seq));
                let ahead = match stored {
                    Some(_) => Vec::new(),
                    None => state.missing(lane),
                };
                Turn::Taken(Taken { slot, seq, attempt, stored, ahead })
            }
        }
    }

    /// Keeps bodies that were read ahead, unless their events are gone by now.
    pub(super) fn keep(&self, read: impl Iterator<Item = (Slot, Seq, Stored)>) {
        let mut state = self.lock();
        for (slot, seq, stored) in read {
            if state.queue.is_upcoming(slot, seq) {
                state.ahead.offer(seq, stored);
            }
        }
    }

    /// The event was not tried: due again at `due`.
    pub(super) fn give_back(&self, slot: Slot, due: Timestamp) {
        let mut state = self.lock();
        let lane = state.queue.lane_of(slot);
        state.queue.give_back(slot, due);
        state.ring(lane);
    }

    /// The event was tried in vain: due again at `due`.
    pub(super) fn put_off(&self, slot: Slot, due: Timestamp) {
        let mut state = self.lock();
        let lane = state.queue.lane_of(slot);
        state.queue.put_off(slot, due);
        state.ring(lane);
    }

    /// The event is settled for good.
    pub(super) fn remove(&self, slot: Slot) {
        let mut state = self.lock();
        let lane = state.queue.lane_of(slot);
        if state.queue.remove(slot) {
            state.ring(lane);
        }
    }

    /// All undelivered events.
    pub(super) fn pending(&self) -> u64 {
        self.lock().queue.len()
    }

    /// The routes that have undelivered events, with how many.
    pub(super) fn backlog(&self) -> Vec<(RouteName, u64)> {
        let state = self.lock();
        let counted = state.lanes.iter().map(|(name, lane)| {
            let undelivered = state.queue.undelivered(*lane);
            (RouteName::clone(name), undelivered)
        });
        let mut backlog: Vec<_> = counted.filter(|(_, undelivered)| *undelivered > 0).collect();
        backlog.sort();
        backlog
    }

    /// Ends leasing and wakes everybody who waits.
    pub(super) fn stop_leasing(&self) {
        let mut state = self.lock();
        state.leasing = Leasing::Stopped;
        self.stopped.cancel();
        for bell in &state.bells {
            bell.notify_waiters();
        }
    }

    /// A panic elsewhere leaves the state as it was between two of its changes.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn item(pending: &Pending) -> Item {
    let &Pending { seq, key, attempts, due, .. } = pending;
    Item { seq, key, attempts, due }
}

impl State {
    fn lane(&mut self, route: &RouteName) -> Lane {
        if let Some(lane) = self.lanes.get(route) {
            return *lane;
        }
        let lane = self.queue.add_lane();
        self.lanes.insert(RouteName::clone(route), lane);
        self.bells.push(Arc::default());
        lane
    }

    fn ring(&self, lane: Lane) {
        if let Some(bell) = self.bells.get(lane.index()) {
            bell.notify_one();
        }
    }

    /// The next events of the lane whose bodies are not in memory.
    fn missing(&self, lane: Lane) -> Vec<(Slot, Seq)> {
        let upcoming = self.queue.upcoming(lane, AHEAD_DEPTH);
        let missing =
            upcoming.filter(|(_, seq)| !self.arrivals.contains(*seq) && !self.ahead.contains(*seq));
        missing.take(AHEAD_EVENTS - 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::event::EventId;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1);

    fn stored() -> Stored {
        Stored { id: EventId::from_bytes([0; 16]), accepted: NOW, since: NOW, body: Bytes::new() }
    }

    /// A board with a backlog of `events` that is not in memory.
    fn board(events: i64) -> (Board, Lane) {
        let board = Board::new();
        let route = RouteName::from("actions");
        for seq in 1..=events {
            board.load(&Pending {
                seq: Seq(seq),
                route: RouteName::clone(&route),
                key: None,
                attempts: 0,
                due: Timestamp::default(),
            });
        }
        let (lane, _) = board.bell(&route);
        (board, lane)
    }

    fn taken(board: &Board, lane: Lane) -> Taken {
        match board.take(lane, NOW) {
            Turn::Taken(taken) => taken,
            other => panic!("nothing to take: {other:?}"),
        }
    }

    #[test]
    fn what_was_read_ahead_is_at_hand_for_its_turn() {
        let (board, lane) = board(2);
        let first = taken(&board, lane);
        assert!(first.stored.is_none());
        assert_eq!(first.ahead.len(), 1);
        board.keep(first.ahead.iter().map(|(slot, seq)| (*slot, *seq, stored())));
        assert_eq!(taken(&board, lane).stored, Some(stored()));
    }

    #[test]
    fn what_was_read_ahead_too_late_is_not_kept() {
        let (board, lane) = board(2);
        let first = taken(&board, lane);
        let second = taken(&board, lane);
        board.keep(first.ahead.iter().map(|(slot, seq)| (*slot, *seq, stored())));
        assert!(!board.lock().ahead.contains(second.seq), "nobody would ever take it out");
        board.remove(second.slot);
        board.keep(first.ahead.iter().map(|(slot, seq)| (*slot, *seq, stored())));
        assert!(!board.lock().ahead.contains(second.seq));
    }

    #[test]
    fn no_more_is_read_at_once_than_is_said() {
        let (board, lane) = board(100);
        assert_eq!(taken(&board, lane).ahead.len(), AHEAD_EVENTS - 1);
    }
}
