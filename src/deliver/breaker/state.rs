//! The breaker's state machine. Pure: the time and the random numbers are arguments.
//!
//! ```text
//!            repeated failures             the pause is over
//!  closed ─────────────────────▶ open ─────────────────────▶ probing
//!    ▲                            │ ▲                            │
//!    │        an answer           │ └────── no answer: longer ───┤
//!    └────────────────────────────┴─────────── an answer ────────┘
//! ```

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::spool::EventId;

/// The first pause before a probe. A restarted system is back within seconds.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What the operator set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Failures in a row that open it; 0: it never opens.
    pub(super) failures: u32,
    /// The longest pause between two probes.
    pub(super) longest_pause: Duration,
}

/// What a failed attempt says about the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Evidence {
    /// It could not even be connected to, whatever the event was.
    Unreachable,
    /// There was no answer of its own to this event. The event may be what it cannot bear, so that
    /// the same one says nothing new when it fails again.
    Unanswered(EventId),
}

/// The right to one attempt, as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ticket {
    Free,
    /// Of this number: an outcome that comes when the next one is under way says nothing of that.
    Probe(u64),
}

/// The answer to who wants to make an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    Given(Ticket),
    /// Not before this moment.
    At(Instant),
    /// Not before a probe has ended.
    AfterProbe,
}

/// What a failure changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened,
}

/// Whether an upstream may be tried.
#[derive(Debug)]
pub(super) struct State {
    rules: Rules,
    phase: Phase,
    /// Given out so far.
    probes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed {
        /// In a row.
        failures: u32,
        /// The event of the last one that counted.
        blamed: Option<EventId>,
    },
    Open {
        until: Instant,
        /// Pauses so far, this one included.
        pauses: u32,
    },
    Probing {
        number: u64,
        pauses: u32,
    },
}

/// Closed, and nothing was counted.
const CALM: Phase = Phase::Closed { failures: 0, blamed: None };

impl State {
    pub(super) const fn new(rules: Rules) -> Self {
        Self { rules, phase: CALM, probes: 0 }
    }

    /// Closed without a failure: attempts and answers change nothing.
    pub(super) const fn is_calm(&self) -> bool {
        matches!(self.phase, Phase::Closed { failures: 0, .. })
    }

    pub(super) const fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Closed { .. })
    }

    /// What [`State::ask`] would answer.
    pub(super) fn look(&self, now: Instant) -> Leave {
        match self.phase {
            Phase::Closed { .. } => Leave::Given(Ticket::Free),
            Phase::Open { until, .. } if now < until => Leave::At(until),
            Phase::Open { .. } => Leave::Given(Ticket::Probe(self.probes.saturating_add(1))),
            Phase::Probing { .. } => Leave::AfterProbe,
        }
    }

    /// Gives leave for one attempt. Its outcome must be told, or that it was abandoned.
    pub(super) fn ask(&mut self, now: Instant) -> Leave {
        let leave = self.look(now);
        if let (Leave::Given(Ticket::Probe(number)), Phase::Open { pauses, .. }) =
            (leave, self.phase)
        {
            self.probes = number;
            self.phase = Phase::Probing { number, pauses };
        }
        self.check_invariants();
        leave
    }

    /// An attempt had no answer.
    pub(super) fn failed(
        &mut self,
        ticket: Ticket,
        evidence: Evidence,
        now: Instant,
        rng: &mut Rng,
    ) -> Change {
        let change = match self.phase {
            Phase::Closed { failures, blamed } => {
                let (failures, blamed) = match evidence {
                    Evidence::Unreachable => (failures.saturating_add(1), blamed),
                    Evidence::Unanswered(event) if blamed == Some(event) => (failures, blamed),
                    Evidence::Unanswered(event) => (failures.saturating_add(1), Some(event)),
                };
                if self.rules.failures == 0 || failures < self.rules.failures {
                    self.phase = Phase::Closed { failures, blamed };
                    Change::None
                } else {
                    self.open(1, now, rng);
                    Change::Opened
                }
            }
            Phase::Probing { number, pauses } if ticket == Ticket::Probe(number) => {
                self.open(pauses.saturating_add(1), now, rng);
                Change::None
            }
            // Begun before it opened.
            Phase::Open { .. } | Phase::Probing { .. } => Change::None,
        };
        self.check_invariants();
        change
    }

    /// The upstream answered an attempt, whenever that began.
    pub(super) fn answered(&mut self) {
        self.phase = CALM;
        self.check_invariants();
    }

    /// An attempt ended without an outcome: another may probe.
    pub(super) fn abandoned(&mut self, ticket: Ticket, now: Instant) {
        if let Phase::Probing { number, pauses } = self.phase
            && ticket == Ticket::Probe(number)
        {
            self.phase = Phase::Open { until: now, pauses };
        }
        self.check_invariants();
    }

    fn open(&mut self, pauses: u32, now: Instant, rng: &mut Rng) {
        let until = now + pause(pauses, self.rules.longest_pause, rng);
        self.phase = Phase::Open { until, pauses };
    }

    /// Held after every entry, in debug builds.
    fn check_invariants(&self) {
        match self.phase {
            Phase::Closed { failures, blamed } => {
                debug_assert!(
                    self.rules.failures == 0 || failures < self.rules.failures,
                    "closed means that fewer failures than the limit were counted"
                );
                debug_assert!(failures > 0 || blamed.is_none(), "who is blamed was counted");
            }
            Phase::Open { pauses, .. } => {
                debug_assert!(self.rules.failures > 0, "without a limit it never opens");
                debug_assert!(pauses > 0, "open begins with a pause");
            }
            Phase::Probing { number, pauses } => {
                debug_assert_eq!(number, self.probes, "the last probe is the one under way");
                debug_assert!(pauses > 0, "a probe follows a pause");
            }
        }
    }
}

/// Doubles up to the longest. The second half of it is drawn at random: gateways that were cut off
/// together do not come back together, and none comes back at once.
fn pause(number: u32, longest: Duration, rng: &mut Rng) -> Duration {
    let doubled =
        FIRST_PAUSE.saturating_mul(1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX));
    let half = doubled.min(longest) / 2;
    half + half.mul_f64(rng.f64())
}

#[cfg(test)]
mod tests;
