//! The one thread that writes: many events, one commit.
//!
//! It takes what has come, writes it in one transaction, and answers when the disk has it.
//! Settlements alone do not ask for a commit of their own: they ride on the next or wait a moment,
//! because losing one costs only a second delivery.

mod change;
mod health;
mod room;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use self::change::Changes;
use super::board::Board;
use super::error::AppendError;
use super::event::Receipt;
use super::record::{Compaction, OperateError};
use super::status::{Health, Room};
use super::store::{
    Applied, Arrival, Batch, Change, Changed, Expiry, History, Order, Pending, Settlement, Spare,
    Store, Stored, Written,
};
use crate::clock::{self, Timestamp};
use crate::telemetry::{SpoolMetrics, Telemetry};

/// Most commands of one commit: above this a longer batch no longer makes an event cheaper.
const BATCH_COMMANDS: usize = 512;
/// Most bytes of one commit, so that no answer waits for a large batch of others.
const BATCH_BYTES: u64 = 4 << 20;
/// How long settlements wait for company.
const SETTLE_PAUSE: Duration = Duration::from_millis(20);
/// How often a failing store is tried by itself, and delivered events are looked through.
const TICK: Duration = Duration::from_secs(1);
/// Delivered events deleted with one commit: as many as a full batch, so that deleting keeps up
/// with any rate of arrival.
const EXPIRE_AT_ONCE: u32 = 512;
/// Settlements that keep what the upstream answered while nothing can be written: 4 MiB of it.
const KEPT_ANSWERS: usize = 4096;
/// How soon the next are deleted, or more space is given back, when there is more of it.
const CLEAN_PAUSE: Duration = Duration::from_millis(50);

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Keep(Arrival, Ticket),
    Settle(Settlement),
    Change(Vec<Change>, oneshot::Sender<Result<Vec<Changed>, OperateError>>),
    Compact(oneshot::Sender<Result<Compaction, OperateError>>),
    Close,
}

/// Whom to answer, and the place in the queue that is free after that.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) answer: oneshot::Sender<Result<Receipt, AppendError>>,
    pub(super) place: OwnedSemaphorePermit,
}

/// The limits of the settings that concern writing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_bytes: u64,
    pub(super) quarantine_bytes: u64,
    /// How long a delivered event is kept: for the list, and to recognise repeats.
    pub(super) keep_delivered: Duration,
}

/// The thread's state.
pub(super) struct Writer {
    store: Box<dyn Store>,
    board: Arc<Board>,
    telemetry: Arc<Telemetry>,
    limits: Limits,
    commands: Receiver<Command>,
    arrivals: Vec<Arrival>,
    /// One for each arrival.
    tickets: Vec<Ticket>,
    settlements: Vec<Settlement>,
    /// What the operator asked for.
    changes: Vec<Changes>,
    /// When the settlements must be written; meaningless without any.
    settle_by: Instant,
    next_tick: Instant,
    /// The last deletion left more to delete.
    expire_more: bool,
    /// There is more free space to give back.
    shrink_more: bool,
    /// The log has it that writing fails.
    told: bool,
    /// Before this the log is not told that it fails.
    tell_from: Instant,
}

/// Whether commands may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commands {
    Open,
    Ended,
}

impl Writer {
    pub(super) fn new(
        store: Box<dyn Store>,
        board: Arc<Board>,
        telemetry: Arc<Telemetry>,
        limits: Limits,
        commands: Receiver<Command>,
    ) -> Self {
        let now = clock::instant();
        Self {
            store,
            board,
            telemetry,
            limits,
            commands,
            arrivals: Vec::with_capacity(BATCH_COMMANDS),
            tickets: Vec::with_capacity(BATCH_COMMANDS),
            settlements: Vec::with_capacity(BATCH_COMMANDS),
            changes: Vec::new(),
            settle_by: now,
            next_tick: now,
            expire_more: false,
            shrink_more: false,
            told: false,
            tell_from: now,
        }
    }

    /// Writes until it is told to close, or until nobody is left who could tell it.
    pub(super) fn run(mut self) {
        while self.gather() == Commands::Open {
            self.work(clock::instant());
        }
        self.finish();
    }

    /// Waits for a command or for something to fall due, then takes all that is there.
    fn gather(&mut self) -> Commands {
        let wait = self.next_deadline().saturating_duration_since(clock::instant());
        let mut next = match self.commands.recv_timeout(wait) {
            Ok(command) => command,
            Err(RecvTimeoutError::Timeout) => return Commands::Open,
            Err(RecvTimeoutError::Disconnected) => return Commands::Ended,
        };
        let (mut commands, mut bytes) = (1, 0_u64);
        loop {
            match next {
                Command::Keep(arrival, ticket) => {
                    bytes = bytes.saturating_add(arrival.bytes());
                    self.arrivals.push(arrival);
                    self.tickets.push(ticket);
                }
                Command::Settle(settlement) => self.remember(settlement),
                Command::Change(changes, answer) => {
                    self.changes.push((changes, answer));
                    return Commands::Open;
                }
                Command::Compact(answer) => self.compact(answer),
                Command::Close => return Commands::Ended,
            }
            if commands >= BATCH_COMMANDS || bytes >= BATCH_BYTES {
                return Commands::Open;
            }
            next = match self.commands.try_recv() {
                Ok(command) => command,
                Err(TryRecvError::Empty) => return Commands::Open,
                Err(TryRecvError::Disconnected) => return Commands::Ended,
            };
            commands += 1;
        }
    }

    fn next_deadline(&self) -> Instant {
        if self.settlements.is_empty() {
            self.next_tick
        } else {
            self.settle_by.min(self.next_tick)
        }
    }

    fn remember(&mut self, settlement: Settlement) {
        if self.settlements.is_empty() {
            self.settle_by = clock::instant() + SETTLE_PAUSE;
        }
        self.settlements.push(settlement);
    }

    fn work(&mut self, now: Instant) {
        let tick = now >= self.next_tick;
        let settle = !self.settlements.is_empty()
            && (!self.changes.is_empty()
                || now >= self.settle_by
                || self.settlements.len() >= BATCH_COMMANDS);
        if self.writes_again(tick) {
            let expire = tick || (self.expire_more && !self.arrivals.is_empty());
            if !self.arrivals.is_empty() || settle || expire {
                self.make_room();
                self.commit(expire.then(|| self.expiry()));
            }
        } else if !self.arrivals.is_empty() || now >= self.settle_by {
            self.keep_settlements();
        }
        self.change();
        if tick {
            self.shrink();
            let more = self.expire_more || self.shrink_more;
            self.next_tick = now + if more { CLEAN_PAUSE } else { TICK };
            self.measure();
            self.look_for_room();
        }
    }

    /// Whether writing works, as far as is known. What has failed is tried before anything is
    /// entrusted to it again: a commit may succeed where only the copying of the log fails, and
    /// would let it grow without end.
    fn writes_again(&mut self, tick: bool) -> bool {
        let failing = self.board.status.health() == Health::Failing;
        let wanted = tick || !self.arrivals.is_empty() || !self.changes.is_empty();
        if failing && wanted {
            let probed = self.store.probe();
            self.note_health(probed.as_ref().err());
        }
        self.board.status.health() == Health::Good
    }

    /// Gives some of the space back that a backlog has left behind.
    fn shrink(&mut self) {
        if self.board.status.health() == Health::Failing {
            return;
        }
        let shrunk = self.store.shrink(Spare::Some);
        self.note_outcome("shrink", shrunk.as_ref().err());
        self.shrink_more = shrunk.is_ok_and(|shrunk| shrunk.goes_on);
    }

    /// What is past its time by now.
    fn expiry(&self) -> Expiry {
        let keep = u64::try_from(self.limits.keep_delivered.as_millis()).unwrap_or(u64::MAX);
        let now = clock::now();
        Expiry {
            delivered_by: Timestamp::from_millis(now.as_millis().saturating_sub(keep)),
            ahead_of: now.plus(self.limits.keep_delivered),
            at_most: EXPIRE_AT_ONCE,
        }
    }

    fn commit(&mut self, expiry: Option<Expiry>) {
        let began = clock::instant();
        let applied = self.store.apply(&Batch {
            settlements: &self.settlements,
            arrivals: &self.arrivals,
            expiry,
            history: self.history(),
            quarantine: self.quarantine(),
        });
        self.note_applied(&applied);
        match applied {
            Ok(applied) => {
                self.note_passed(&applied.passed);
                if !self.arrivals.is_empty() || !self.settlements.is_empty() {
                    let arrivals = u32::try_from(self.arrivals.len()).unwrap_or(u32::MAX);
                    self.metrics().committed(began.elapsed(), arrivals);
                }
                if expiry.is_some() {
                    self.expire_more = applied.expires_more && applied.expired > 0;
                    self.metrics().expired(applied.expired);
                }
                let is_short = self.is_short(&applied);
                self.settlements.drain(..applied.settled);
                self.publish(&applied);
                if is_short {
                    self.keep_settlements();
                }
            }
            Err(_) => self.keep_settlements(),
        }
    }

    /// History yields to events: past half of the limit only what made a dead letter is kept.
    fn history(&self) -> History {
        if self.board.status.bytes() < self.limits.max_bytes / 2 {
            History::Whole
        } else {
            History::Ends
        }
    }

    /// Lets delivery have what is durable, then answers.
    fn publish(&mut self, applied: &Applied) {
        let mut receipts = Vec::with_capacity(self.arrivals.len());
        let mut stored = Vec::with_capacity(self.arrivals.len());
        let done = applied.written.len();
        for (arrival, written) in self.arrivals.drain(..done).zip(&applied.written) {
            let id = arrival.id();
            receipts.push(match *written {
                Written::Stored(_) => Ok(Receipt::Stored(id)),
                Written::Repeat(first) | Written::Known(first) => Ok(Receipt::Repeat(first)),
                Written::Quarantined => {
                    self.board.status.add_quarantined(arrival.bytes());
                    Ok(Receipt::Stored(id))
                }
                Written::Refused => Err(AppendError::QuarantineFull),
                Written::Unwritable => Err(AppendError::Failed),
            });
            stored.extend(queued(arrival, *written));
        }
        if receipts.contains(&Err(AppendError::QuarantineFull)) {
            self.note_quarantine(Room::Full);
        }
        self.board.push(stored.into_iter());
        for (ticket, receipt) in self.tickets.drain(..done).zip(receipts) {
            answer(ticket, receipt);
        }
    }

    /// While nothing can be written: the senders of the arrivals send again, but nobody repeats a
    /// settlement. The last of each event says all; so the list cannot outgrow the backlog.
    fn keep_settlements(&mut self) {
        self.arrivals.clear();
        for ticket in self.tickets.drain(..) {
            answer(ticket, Err(AppendError::Failed));
        }
        self.settlements.reverse();
        self.settlements.sort_by_key(|settlement| settlement.seq);
        self.settlements.dedup_by_key(|settlement| settlement.seq);
        for settlement in self.settlements.iter_mut().skip(KEPT_ANSWERS) {
            settlement.attempt.answer = Bytes::new();
        }
        self.settle_by = clock::instant() + TICK;
    }

    /// Writes what is left and closes the file.
    fn finish(&mut self) {
        if !self.arrivals.is_empty() || !self.settlements.is_empty() {
            self.make_room();
            self.commit(None);
        }
        if !self.settlements.is_empty() {
            // Once more: the first failure may have been caused by the arrivals.
            self.commit(None);
        }
        if !self.settlements.is_empty() {
            self.metrics().settlements_lost(self.settlements.len());
        }
        self.measure();
        match self.store.close() {
            Ok(()) => self.metrics().closed(),
            Err(error) => self.metrics().close_failed(&error),
        }
    }

    fn measure(&mut self) {
        match self.store.bytes() {
            Ok(bytes) => self.board.status.set_bytes(bytes),
            Err(error) => self.note_outcome("measure", Some(&error)),
        }
    }

    fn metrics(&self) -> &SpoolMetrics {
        &self.telemetry.spool
    }
}

/// What the queue gets of an arrival: new events only.
pub(super) fn queued(arrival: Arrival, written: Written) -> Option<(Pending, Stored)> {
    let (Arrival::Event(event), Written::Stored(seq)) = (arrival, written) else {
        return None;
    };
    let pending = Pending {
        seq,
        route: event.route,
        key: (event.order == Order::Keyed).then_some(event.key),
        attempts: 0,
        due: Timestamp::default(),
    };
    let stored = Stored { id: event.id, accepted: event.at, since: event.at, body: event.body };
    Some((pending, stored))
}

/// Nobody waits any more when the sender has left; the event is kept all the same.
fn answer(ticket: Ticket, result: Result<Receipt, AppendError>) {
    // First, so that whoever has the answer finds the place free.
    drop(ticket.place);
    ticket.answer.send(result).unwrap_or_else(drop);
}
