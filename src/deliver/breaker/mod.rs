//! The breaker of one upstream. After repeated failures it lets one event at a time try, with pauses
//! between, until the upstream answers: an outage costs few attempts, and its end is noticed soon.
//!
//! `state` is the machine; here it meets the clock, those who wait, and the operator.

mod state;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::state::{Change, Leave, Rules, State, Ticket};
use crate::clock;
use crate::telemetry::Away;

pub(super) use self::state::Evidence;

/// Whether an upstream is tried at all.
#[derive(Debug)]
pub(super) struct Breaker {
    /// Repeats `State::is_calm`, so that who delivers takes no lock while all is well.
    calm: AtomicBool,
    inner: Mutex<Inner>,
    /// Wakes those who wait for their leave.
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// There while it is open: the operator sees it.
    away: Option<Away>,
}

/// The right to one attempt. Dropped without an outcome, another may have it.
#[derive(Debug)]
pub(super) struct Pass {
    breaker: Arc<Breaker>,
    ticket: Ticket,
}

/// How the upstream stands after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It answered, or has not failed often enough.
    There,
    /// This attempt opened the breaker.
    Lost,
    /// The breaker is open: this attempt was a probe, or began before.
    Away,
}

impl Breaker {
    /// `failures` in a row open it, 0 never; `longest_pause` is that between two probes.
    pub(super) fn new(failures: u32, longest_pause: Duration) -> Arc<Self> {
        let state = State::new(Rules { failures, longest_pause });
        Arc::new(Self {
            calm: AtomicBool::new(true),
            inner: Mutex::new(Inner { state, away: None }),
            changed: Notify::new(),
        })
    }

    /// Leave for one attempt, now or not at all.
    pub(super) fn pass(self: &Arc<Self>) -> Option<Pass> {
        let ticket = if self.calm.load(Ordering::Acquire) {
            Ticket::Free
        } else {
            match self.lock().state.ask(clock::instant()) {
                Leave::Given(ticket) => ticket,
                Leave::At(_) | Leave::AfterProbe => return None,
            }
        };
        Some(Pass { breaker: Arc::clone(self), ticket })
    }

    /// Waits until [`Breaker::pass`] would give one, without taking it: who waits for an event to
    /// try with keeps nobody else from trying.
    pub(super) async fn ready(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on a change is not missed.
            changed.as_mut().enable();
            if self.calm.load(Ordering::Acquire) {
                return;
            }
            let leave = self.lock().state.look(clock::instant());
            match leave {
                Leave::Given(_) => return,
                Leave::AfterProbe => changed.await,
                Leave::At(until) => {
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(Instant::from_std(until)) => {}
                    }
                }
            }
        }
    }

    /// A panic elsewhere does not make the state wrong: each entry leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Repeats what changed for those who take no lock, and for those who wait.
    fn tell(&self, inner: &Inner) {
        self.calm.store(inner.state.is_calm(), Ordering::Release);
        self.changed.notify_waiters();
    }
}

impl Pass {
    /// The attempt had no answer. `away` shows the operator that the upstream is away, for as long
    /// as it is kept.
    pub(super) fn failed(self, evidence: Evidence, away: impl FnOnce() -> Away) -> Standing {
        let mut inner = self.breaker.lock();
        let change = inner.state.failed(self.ticket, evidence, clock::instant(), &mut Rng::new());
        if change == Change::Opened {
            inner.away = Some(away());
        }
        self.breaker.tell(&inner);
        match change {
            Change::Opened => Standing::Lost,
            _ if inner.state.is_open() => Standing::Away,
            Change::None => Standing::There,
        }
    }

    /// The upstream answered.
    pub(super) fn answered(self) -> Standing {
        if !self.breaker.calm.load(Ordering::Acquire) {
            let mut inner = self.breaker.lock();
            inner.state.answered();
            inner.away = None;
            self.breaker.tell(&inner);
        }
        Standing::There
    }
}

impl Drop for Pass {
    /// After an outcome this changes nothing: the probe of this number is no longer under way.
    fn drop(&mut self) {
        if let Ticket::Probe(_) = self.ticket {
            let mut inner = self.breaker.lock();
            inner.state.abandoned(self.ticket, clock::instant());
            self.breaker.tell(&inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{PATIENCE, SOON};
    use super::*;
    use crate::telemetry::{RouteDelivery, Telemetry};

    const LONGEST: Duration = Duration::from_millis(20);

    fn route(telemetry: &Telemetry) -> RouteDelivery {
        telemetry.delivery.route(&"actions".into(), "shop.example")
    }

    fn fail(pass: Pass, route: &RouteDelivery) -> Standing {
        pass.failed(Evidence::Unreachable, || route.away())
    }

    fn shows(telemetry: &Telemetry, away: u64) -> bool {
        let line = format!("postgate_upstream_away{{upstream=\"shop.example\"}} {away}\n");
        telemetry.encode().contains(&line) && telemetry.delivery.away() == away
    }

    async fn ready(breaker: &Breaker) {
        tokio::time::timeout(PATIENCE, breaker.ready()).await.expect("it becomes ready");
    }

    #[tokio::test]
    async fn an_outage_from_its_beginning_to_its_end() {
        let telemetry = Telemetry::new();
        let route = route(&telemetry);
        let breaker = Breaker::new(2, LONGEST);
        let in_flight = breaker.pass().expect("all is well");
        assert_eq!(fail(breaker.pass().expect("all is well"), &route), Standing::There);
        assert!(shows(&telemetry, 0));
        assert_eq!(fail(breaker.pass().expect("one failure"), &route), Standing::Lost);
        assert!(shows(&telemetry, 1));
        assert_eq!(fail(in_flight, &route), Standing::Away);

        ready(&breaker).await;
        let probe = breaker.pass().expect("the pause is over");
        assert!(breaker.pass().is_none(), "one probe at a time");
        let early = tokio::time::timeout(SOON, breaker.ready()).await;
        assert!(early.is_err(), "ready while another probes");
        assert_eq!(fail(probe, &route), Standing::Away);

        ready(&breaker).await;
        let probe = breaker.pass().expect("the pause is over");
        let waiting = async { tokio::join!(ready(&breaker), ready(&breaker)) };
        let (_, standing) = tokio::join!(waiting, async { probe.answered() });
        assert_eq!(standing, Standing::There);
        assert!(shows(&telemetry, 0));
        let passes: Vec<_> = (0..10).map(|_| breaker.pass().expect("all is well")).collect();
        assert_eq!(passes.len(), 10);
    }

    #[tokio::test]
    async fn a_probe_that_was_dropped_is_given_to_the_next() {
        let telemetry = Telemetry::new();
        let route = route(&telemetry);
        let breaker = Breaker::new(1, LONGEST);
        fail(breaker.pass().expect("all is well"), &route);
        ready(&breaker).await;
        let probe = breaker.pass().expect("the pause is over");
        let ((), ()) = tokio::join!(ready(&breaker), async { drop(probe) });
        assert!(breaker.pass().is_some());
    }

    #[test]
    fn an_upstream_that_is_no_longer_used_is_not_away() {
        let telemetry = Telemetry::new();
        let route = route(&telemetry);
        let breaker = Breaker::new(1, LONGEST);
        fail(breaker.pass().expect("all is well"), &route);
        assert!(shows(&telemetry, 1));
        drop(breaker);
        assert!(shows(&telemetry, 0));
    }
}
