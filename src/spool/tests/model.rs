//! The queue and the file, hand in hand, against the rules in the simplest form that can be thought
//! of: random appends, attempts, replays, crashes and restarts. Time is a number, and a seed decides
//! all: `POSTGATE_SEED=… cargo test --lib model` plays the same game again, and `POSTGATE_STEPS` makes it
//! longer.

mod incoming;
mod quarantine;

use std::collections::HashMap;

use self::incoming::arrived;
use self::quarantine::Raw;
use super::board::{Board, Taken, Turn};
use super::queue::{Lane, Slot};
use super::sqlite::{SqliteBodies, SqliteStore};
use super::store::{Arrival, Expiry, History, NewEvent, Order, Seq, Settlement, Share, Written};
use super::*;

/// Some seconds; CI plays ten times as many.
const STEPS: u64 = 10_000;
const WINDOW_MILLIS: u64 = 400;
/// Quarantine is full of nothing in this game.
const NO_BOUND: Share = Share { used: 0, most: u64::MAX };

/// What happens to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fate {
    state: State,
    attempts: u32,
    due: Timestamp,
    settled: Option<Timestamp>,
}

const NEW: Fate =
    Fate { state: State::Pending, attempts: 0, due: Timestamp::from_millis(0), settled: None };

#[derive(Debug)]
struct Known {
    id: EventId,
    seq: Seq,
    key: Option<u8>,
    body: u8,
    accepted: Timestamp,
    repeats: u32,
    replays: u32,
    now: Fate,
    /// As the file has it: what a crash leaves.
    saved: Fate,
    /// As the file will have it.
    unsaved: Option<Fate>,
    taken: Option<(Slot, u32)>,
}

/// The spool without its thread and its clock, and what it must look like.
struct Game {
    folder: tempfile::TempDir,
    random: fastrand::Rng,
    now: Timestamp,
    engine: Option<(SqliteStore, SqliteBodies)>,
    board: Board,
    lane: Lane,
    /// What is in the file, in the order of acceptance.
    model: Vec<Known>,
    /// The latest event of each key, of a body where there is none, whether it is in the file or not.
    latest: HashMap<(Option<u8>, u8), EventId>,
    /// What is in quarantine, in the order in which it came.
    raw: Vec<Raw>,
    unwritten: Vec<Settlement>,
}

impl Game {
    fn new(seed: u64) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let board = Board::new();
        let (lane, _) = board.bell(&route());
        let mut game = Self {
            folder,
            random: fastrand::Rng::with_seed(seed),
            now: NOON,
            engine: None,
            board,
            lane,
            model: Vec::new(),
            latest: HashMap::new(),
            raw: Vec::new(),
            unwritten: Vec::new(),
        };
        game.restart();
        game
    }

    fn store(&mut self) -> &mut SqliteStore {
        &mut self.engine.as_mut().unwrap().0
    }

    fn step(&mut self) {
        match self.random.u16(..1000) {
            0..150 => self.append(),
            150..500 => self.take(),
            500..850 => self.settle(),
            850..930 => self.now = self.now.plus(Duration::from_millis(self.random.u64(1..60))),
            930..950 => self.replay(),
            950..960 => self.discard(),
            960..980 => self.expire(),
            980..984 => self.import(),
            984..990 => self.misunderstand(),
            990..992 => self.admit(),
            992..993 => self.throw_away(),
            993..997 => drop(self.save(&[])),
            _ => self.restart(),
        }
        let pending = self.model.iter().filter(|known| known.now.state == State::Pending);
        assert_eq!(self.board.pending(), u64::try_from(pending.count()).unwrap());
    }

    /// By a clock that is off now and then.
    fn time(&mut self) -> Timestamp {
        let off = if self.random.u8(..8) == 0 { self.random.u64(..1000) } else { 500 };
        Timestamp::from_millis(self.now.as_millis() - 500 + off)
    }

    /// Some events in one commit, with what waits to be written.
    fn append(&mut self) {
        let some = (0..self.random.u8(1..3)).map(|_| {
            let key = (self.random.u8(..4) > 0).then(|| self.random.u8(..6));
            (key, self.random.u8(..3), self.time())
        });
        let some: Vec<_> = some.collect();
        let arrivals: Vec<_> =
            some.iter().map(|(key, body, at)| arrival(*key, *body, *at)).collect();
        let written = self.save(&arrivals);
        let mut queued = Vec::new();
        for ((key, body, accepted), (arrival, written)) in
            some.into_iter().zip(arrivals.into_iter().zip(written))
        {
            let latest = self.latest.get(&class(key, body)).copied();
            let repeat = self.model.iter_mut().find(|known| {
                Some(known.id) == latest
                    && known.body == body
                    && known.now.state != State::Dead
                    && accepted.as_millis().abs_diff(known.accepted.as_millis()) < WINDOW_MILLIS
            });
            if let Some(repeat) = repeat {
                assert_eq!(written, Written::Repeat(repeat.id));
                repeat.repeats += 1;
                continue;
            }
            let Written::Stored(seq) = written else { panic!("{written:?} is no repeat") };
            let id = arrival.id();
            self.add(Known { id, seq, key, body, accepted, ..arrived(NEW) });
            queued.extend(writer::queued(arrival, written));
        }
        self.board.push(queued.into_iter());
    }

    /// Writes what was settled, and these, as the writer does.
    fn save(&mut self, arrivals: &[Arrival]) -> Vec<Written> {
        let settlements = std::mem::take(&mut self.unwritten);
        let batch = Batch {
            settlements: &settlements,
            arrivals,
            expiry: None,
            history: History::Whole,
            quarantine: NO_BOUND,
        };
        let applied = self.store().apply(&batch).unwrap();
        for known in &mut self.model {
            known.saved = known.unsaved.take().unwrap_or(known.saved);
        }
        applied.written
    }

    /// Events that may be offered: each the first of its key, and nobody's yet.
    fn candidates(&self) -> Vec<&Known> {
        let pending = || self.model.iter().filter(|known| known.now.state == State::Pending);
        let first = |known: &&Known| {
            let of_key = pending().find(|other| other.key == known.key);
            known.key.is_none() || of_key.is_some_and(|first| first.seq == known.seq)
        };
        pending().filter(first).filter(|known| known.taken.is_none()).collect()
    }

    fn take(&mut self) {
        let turn = self.board.take(self.lane, self.now);
        let candidates = self.candidates();
        let soonest = candidates.iter().map(|known| known.now.due).min();
        match turn {
            Turn::Nothing => assert_eq!(soonest, None, "left waiting"),
            Turn::Later(due) => {
                assert_eq!(soonest, Some(due));
                assert!(due > self.now);
            }
            Turn::Taken(Taken { slot, seq, attempt, .. }) => {
                let offered = candidates.iter().find(|known| known.seq == seq);
                let offered = offered.expect("what is offered may go");
                assert!(offered.now.due <= self.now && attempt == offered.now.attempts + 1);
                let offered = self.model.iter_mut().find(|known| known.seq == seq).unwrap();
                offered.taken = Some((slot, attempt));
            }
            Turn::Stopped => panic!("nobody stopped it"),
        }
    }

    fn settle(&mut self) {
        let at = self.time();
        let taken = self.model.iter_mut().filter(|known| known.taken.is_some());
        let Some(known) = self.random.choice(taken.collect::<Vec<_>>()) else { return };
        let (slot, attempts) = known.taken.take().unwrap();
        let later = self.now.plus(Duration::from_millis(self.random.u64(..200)));
        let verdict = match self.random.u8(..16) {
            0..7 => Verdict::Done,
            7 => Verdict::Dead,
            8..10 => Verdict::PutBack(later),
            10..12 => {
                // The lease is dropped, which nobody writes down.
                known.now.due = self.now;
                return self.board.give_back(slot, self.now);
            }
            _ => Verdict::RetryAt(later),
        };
        known.now = match verdict {
            Verdict::Done => Fate { state: State::Delivered, settled: Some(at), ..known.now },
            Verdict::Dead => Fate { state: State::Dead, settled: Some(at), ..known.now },
            Verdict::RetryAt(due) => Fate { attempts, due, ..known.now },
            Verdict::PutBack(due) => Fate { due, ..known.now },
        };
        match verdict {
            Verdict::Done | Verdict::Dead => {
                known.now = Fate { attempts, due: NEW.due, ..known.now };
                self.board.remove(slot);
            }
            Verdict::RetryAt(due) => self.board.put_off(slot, due),
            Verdict::PutBack(due) => self.board.give_back(slot, due),
        }
        known.unsaved = Some(known.now);
        let attempt = Attempt { at, ..attempt(500) };
        self.unwritten.push(Settlement { seq: known.seq, attempts, attempt, verdict });
    }

    /// A settled event, by its place in the model.
    fn settled(&mut self) -> Option<usize> {
        let settled = self.model.iter().enumerate();
        let settled = settled.filter(|(_, known)| known.now.state != State::Pending);
        let settled: Vec<_> = settled.map(|(at, _)| at).collect();
        self.random.choice(settled)
    }

    fn replay(&mut self) {
        self.save(&[]);
        let Some(at) = self.settled() else { return };
        let mut known = self.model.remove(at);
        let revive = Change::Revive(known.seq, known.id);
        let done = self.store().change(&[revive]).unwrap().remove(0);
        let Changed::Queued(pending, from) = done else { panic!("{done:?}") };
        assert_eq!(from, known.now.state);
        self.board.requeue(&pending);
        (known.seq, known.now, known.saved) = (pending.seq, NEW, NEW);
        known.replays += 1;
        self.add(known);
    }

    fn discard(&mut self) {
        self.save(&[]);
        let Some(at) = self.settled() else { return };
        let known = self.model.remove(at);
        let discard = Change::Discard(Place::Event(known.seq.0), known.id);
        let done = self.store().change(&[discard]).unwrap().remove(0);
        assert!(matches!(done, Changed::Dropped(from) if from == known.now.state));
    }

    fn expire(&mut self) {
        self.save(&[]);
        let by = Timestamp::from_millis(self.now.as_millis() - self.random.u64(..300));
        let ahead_of = self.now.plus(Duration::from_millis(self.random.u64(..300)));
        let expiry = Some(Expiry { delivered_by: by, ahead_of, at_most: u32::MAX });
        let batch = Batch {
            settlements: &[],
            arrivals: &[],
            expiry,
            history: History::Whole,
            quarantine: NO_BOUND,
        };
        let expired = self.store().apply(&batch).unwrap().expired;
        let before = self.model.len();
        self.model.retain(|known| {
            let stays = |at| at > by && at <= ahead_of;
            known.now.state != State::Delivered || known.now.settled.is_none_or(stays)
        });
        assert_eq!(usize::try_from(expired).unwrap(), before - self.model.len());
    }

    /// Ends like a crash, or in order, and opens again: the file must say what the model says.
    fn restart(&mut self) {
        if self.engine.is_some() && self.random.bool() {
            self.save(&[]);
        }
        self.unwritten.clear();
        self.engine = None;
        let (mut store, bodies, _) = sqlite::open(&self.folder.path().join("spool.db")).unwrap();
        self.board = Board::new();
        (self.lane, _) = self.board.bell(&route());
        for known in &mut self.model {
            (known.now, known.unsaved, known.taken) = (known.saved, None, None);
        }
        let mut expected = self.model.iter().filter(|known| known.now.state == State::Pending);
        let board = &self.board;
        store
            .pending(&mut |pending| {
                let known = expected.next().expect("no more than there are");
                let found = (pending.seq, pending.attempts, pending.due, pending.key.is_some());
                let due = known.now.due;
                assert_eq!(found, (known.seq, known.now.attempts, due, known.key.is_some()));
                board.load(&pending);
            })
            .unwrap();
        assert!(expected.next().is_none(), "all of them");
        self.engine = Some((store, bodies));
        self.compare();
    }

    /// Every record against the model, and the file against its invariants.
    fn compare(&self) {
        let (_, bodies) = self.engine.as_ref().unwrap();
        let page = bodies.page(&Filter::default(), Place::default(), u32::MAX - 1).unwrap();
        let is_event = |record: &&Record| record.state != State::Quarantined;
        let found = page.records.iter().filter(is_event).map(|record| {
            (
                record.id,
                record.state,
                record.attempts,
                record.settled,
                record.repeats,
                record.replays,
            )
        });
        let expected = self.model.iter().map(|known| {
            let Fate { state, attempts, settled, .. } = known.saved;
            (known.id, state, attempts, settled, known.repeats, known.replays)
        });
        assert!(found.eq(expected), "{:?}\nis not\n{:?}", page.records, self.model);
        self.compare_quarantine(&page);
        assert_eq!(bodies.inspect().unwrap().problems, [""; 0]);
    }
}

/// What is compared with each other.
fn class(key: Option<u8>, body: u8) -> (Option<u8>, u8) {
    (key, if key.is_some() { 0 } else { body })
}

fn arrival(key: Option<u8>, body: u8, at: Timestamp) -> Arrival {
    let event = event_at(key.map(|key| key.to_string()).as_deref(), &body.to_string(), at);
    let (key, fingerprint) = digest::of_event(&event);
    let order = if event.key.is_some() { Order::Keyed } else { Order::Free };
    let Accepted { id, route, body, received, .. } = event;
    let (window, received) = (Duration::from_millis(WINDOW_MILLIS), received.map(Box::new));
    Arrival::Event(NewEvent { id, route, key, order, fingerprint, at, window, body, received })
}

#[test]
fn the_spool_agrees_with_its_model() {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let seed = number("POSTGATE_SEED").unwrap_or_else(|| fastrand::u64(..));
    let steps = number("POSTGATE_STEPS").unwrap_or(STEPS);
    println!("POSTGATE_SEED={seed} POSTGATE_STEPS={steps}");
    let mut game = Game::new(seed);
    for _ in 0..steps {
        game.step();
    }
    game.restart();
}
