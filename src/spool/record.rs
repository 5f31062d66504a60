//! What the operator sees of an event, and what may be done with it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use super::digest::KeyHash;
use super::event::{EventId, Malformed, Received, RouteName};
use super::lease::Attempt;
use super::store::StoreError;
use crate::clock::Timestamp;

/// Where an event stands; `LIFECYCLE.md` draws the ways between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Undelivered: waiting for its turn or its time, or under way.
    Pending,
    /// The upstream has it.
    Delivered,
    /// Given up; kept until somebody replays or drops it.
    Dead,
    /// Not understood; kept raw.
    Quarantined,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Dead, Self::Quarantined];

    /// The word for it, on the command line and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Quarantined => "quarantined",
        }
    }

    /// The state with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// Which events are meant; what is not said is not asked.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Any of these; empty: all.
    pub states: Vec<State>,
    /// The route that took it.
    pub route: Option<RouteName>,
    /// The value that keeps events in order. What is in quarantine has none.
    pub key: Option<String>,
    /// Accepted at this moment or later.
    pub since: Timestamp,
}

impl Filter {
    /// Whether events in this state are meant.
    #[must_use]
    pub fn wants(&self, state: State) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }
}

/// The place of a record in a list: events in the order of acceptance, then the quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An event.
    Event(i64),
    /// A request in quarantine.
    Quarantine(i64),
}

impl Default for Place {
    /// Before the first.
    fn default() -> Self {
        Self::Event(i64::MIN)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(seq) => write!(f, "e{seq}"),
            Self::Quarantine(seq) => write!(f, "q{seq}"),
        }
    }
}

/// Not the text of a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the spool")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let number = |digits: &str| digits.parse().map_err(|_| NoPlace);
        if let Some(digits) = text.strip_prefix('e') {
            return number(digits).map(Self::Event);
        }
        text.strip_prefix('q').ok_or(NoPlace).and_then(number).map(Self::Quarantine)
    }
}

/// A line of a list.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it is.
    pub place: Place,
    /// The event's id, or the one it will have.
    pub id: EventId,
    /// Where it stands.
    pub state: State,
    /// The route that took it.
    pub route: RouteName,
    /// When it came.
    pub accepted: Timestamp,
    /// Attempts since it was accepted, or replayed.
    pub attempts: u32,
    /// How often it was replayed.
    pub replays: u32,
    /// Repeats that were recognised and not delivered.
    pub repeats: u32,
    /// Size of the body.
    pub bytes: u64,
    /// Pending: not tried again before; `None`: at once.
    pub due: Option<Timestamp>,
    /// When it was delivered or given up.
    pub settled: Option<Timestamp>,
    /// The upstream's last status.
    pub status: Option<u16>,
    /// Why it is where it is, in words: the last failure, or what was not understood.
    pub reason: Option<String>,
}

/// Some records, in the order of their places.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// No more than was asked for.
    pub records: Vec<Record>,
    /// Where to go on; `None`: that was all.
    pub next: Option<Place>,
    /// Damaged places passed over: each a record, or all that stood on a page.
    pub passed: u64,
}

/// All that is known of one event.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its line in a list.
    pub record: Record,
    /// What it holds.
    pub contents: Contents,
}

impl Story {
    /// About how many bytes it holds.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = match &self.contents {
            Contents::Event { body, attempts, received, .. } => {
                let received = received.as_ref().map_or(0, Received::bytes);
                let attempt =
                    |(_, attempt): &(u32, Attempt)| attempt.outcome.len() + attempt.answer.len();
                body.len() + received + attempts.iter().map(attempt).sum::<usize>()
            }
            Contents::Malformed(malformed) => malformed.bytes(),
        };
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Some stories, in the order of their places.
#[derive(Clone, Debug, Default)]
pub struct Stories {
    /// All that is known of each.
    pub stories: Vec<Story>,
    /// Those that are left out, because a page is damaged that they stand on.
    pub unreadable: Vec<EventId>,
    /// As in the [`Page`].
    pub passed: u64,
    /// Where to go on; `None`: that was all.
    pub next: Option<Place>,
}

impl Stories {
    /// Unreadable ones of one answer, at most.
    pub(super) const MOST_UNREADABLE: usize = 100;
}

/// What an event holds.
#[derive(Clone, Debug)]
pub enum Contents {
    /// It was understood.
    Event {
        /// What is delivered. Empty when it is missing from the file.
        body: Bytes,
        /// The hash of what keeps it in order; `None`: it waits for no other.
        key: Option<KeyHash>,
        /// The last failed attempts, the oldest first, with their numbers.
        attempts: Vec<(u32, Attempt)>,
        /// What it was made of, where that was kept.
        received: Option<Received>,
    },
    /// It was not: everything as it was received.
    Malformed(Malformed),
}

/// What became of an event that the operator named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operated {
    /// It is pending again.
    Replayed,
    /// It is gone.
    Dropped,
    /// Left alone: it is undelivered, and delivery is at it.
    Undelivered,
    /// Left in quarantine: it still cannot be understood, for this reason.
    NotUnderstood(String),
    /// There is no such event.
    Unknown,
    /// It is in the spool now, as it was where it came from.
    Imported,
    /// Left alone: the spool has an event with this id, or this very request in quarantine.
    Known,
}

/// What was found in the file.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// How many events are in each state, in the order of [`State::ALL`].
    pub counts: [u64; 4],
    /// Bytes of the file that hold something.
    pub bytes: u64,
    /// What is damaged, in words; at most [`Inspection::MOST_PROBLEMS`].
    pub problems: Vec<String>,
}

impl Inspection {
    /// More tell nothing new.
    pub const MOST_PROBLEMS: usize = 20;
}

/// How far compacting has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Size of the file before this step.
    pub file_bytes: u64,
    /// What is left to give back.
    pub left_bytes: u64,
    /// Whether to ask again.
    pub goes_on: bool,
}

/// What was read of a damaged file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvage {
    /// Events, and requests in quarantine, that could be read.
    pub saved: u64,
    /// Places that could not: each a record, or all that stood on a page.
    pub passed: u64,
}

/// A quarantined request, converted after all.
#[derive(Clone, Debug)]
pub struct Reread {
    /// What keeps events in order.
    pub key: Option<String>,
    /// What will be delivered.
    pub body: Bytes,
}

/// Converts with the configuration of now, or says why not. Made by whoever wires the spool to
/// conversion, since neither knows the other.
#[derive(Clone)]
pub struct Convert(Arc<Converting>);

type Converting = dyn Fn(&Malformed) -> Result<Reread, String> + Send + Sync;

impl Convert {
    /// Wraps the function that converts.
    pub fn new(
        convert: impl Fn(&Malformed) -> Result<Reread, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(convert))
    }

    pub(super) fn read(&self, malformed: &Malformed) -> Result<Reread, String> {
        (self.0)(malformed)
    }
}

impl fmt::Debug for Convert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Convert(…)")
    }
}

/// Why an operation did nothing.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The file cannot be read or written.
    #[error("the spool failed")]
    Store(#[source] StoreError),
    /// It does not fit under `spool.max_bytes`.
    #[error("the spool has reached spool.max_bytes")]
    Full,
    /// What is settled cannot be written just now.
    #[error("the spool cannot write")]
    Failing,
    /// The spool is closed.
    #[error("the spool is closed")]
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_text() {
        for place in [Place::default(), Place::Event(7), Place::Quarantine(0)] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in ["", "7", "e", "x7", "q1.5", "e99999999999999999999"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text:?}");
        }
    }

    #[test]
    fn a_filter_that_names_no_state_means_all() {
        assert!(State::ALL.into_iter().all(|state| Filter::default().wants(state)));
        let dead = Filter { states: vec![State::Dead], ..Filter::default() };
        assert!(dead.wants(State::Dead) && !dead.wants(State::Pending));
        assert_eq!(State::of_word("dead"), Some(State::Dead));
        assert_eq!(State::of_word("Dead"), None);
    }
}
