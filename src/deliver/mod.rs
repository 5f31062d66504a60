//! Delivery. In: leases of the spool, or one event of a `direct` route. Out: verdicts. Never: a sender's request, or
//! a decision by an error's text.
//!
//! An attempt is one straight line: [`request`] makes it, [`client`] sends it, [`policy`] says what its outcome means,
//! the spool is told, the operator is told. What one upstream's routes share is in [`upstream`].

mod client;
mod connector;
mod health;
mod outcome;
mod policy;
mod request;
mod settings;
mod signature;
mod tls;
mod upstream;

pub use request::reserved_header;
pub use settings::{Envelope, RetrySettings, RouteSettings, UpstreamSettings, UpstreamUrl};
pub use signature::SecretError;
pub use upstream::{BuildError, Upstream};

use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use self::outcome::{Failure, FailureKind, Outcome};
use self::policy::{Decision, Judgement, Try};
use self::request::Template;
use crate::clock::{self, Timestamp};
use crate::spool::{Attempt, EventId, Lease, RouteName, Spool};
use crate::telemetry::{Attempted, RouteDelivery, Telemetry};

/// One event on its way to the upstream.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The same on every attempt and replay.
    pub id: EventId,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The canonical body.
    pub body: Bytes,
}

/// What the sender of a `direct` route is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectOutcome {
    /// The upstream took it.
    Delivered,
    /// The upstream refused it: another try would not help. Its status.
    Refused(u16),
    /// The upstream is away, failing or busy: try again.
    Unavailable,
}

/// A route's delivery, queued and direct. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Route {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: RouteName,
    template: Template,
    retry: RetrySettings,
    upstream: Arc<Upstream>,
    telemetry: RouteDelivery,
}

/// One attempt and what follows from it.
#[derive(Debug)]
struct Tried {
    began: Timestamp,
    ended: Timestamp,
    outcome: Outcome,
}

impl Route {
    /// Makes ready what does not differ between events. `upstream` is made of `settings.upstream`, or of equal
    /// settings of another route.
    #[must_use]
    pub fn new(settings: &RouteSettings, upstream: Arc<Upstream>, telemetry: &Telemetry) -> Self {
        Self {
            inner: Arc::new(Inner {
                name: Arc::clone(&settings.name),
                template: Template::new(&upstream.target, &settings.path, settings.kind),
                retry: settings.retry,
                telemetry: telemetry.delivery.route(&settings.name),
                upstream,
            }),
        }
    }

    /// Delivers the route's events until leasing stops; returns when every delivery under way has ended.
    ///
    /// A lease is taken first and a place at the upstream second: a place held by a route without events would be
    /// missing to the routes that share the upstream.
    pub async fn run(self, spool: Spool) {
        let deliveries = TaskTracker::new();
        while let Some(lease) = spool.lease(&self.inner.name).await {
            let permit = self.inner.upstream.permit().await;
            let (route, spool) = (self.clone(), spool.clone());
            deliveries.spawn(async move {
                route.inner.deliver(lease, &spool).await;
                drop(permit);
            });
        }
        deliveries.close();
        deliveries.wait().await;
    }

    /// Forwards once, now, for a route with `delivery = "direct"`. Takes at most `upstream.timeout`, waiting for a
    /// place among `max_in_flight` included.
    pub async fn forward(&self, event: Outgoing) -> DirectOutcome {
        let inner = &self.inner;
        let deadline = Instant::now() + inner.upstream.timeout;
        let tried = match timeout_at(deadline, inner.upstream.permit()).await {
            Ok(_permit) => inner.attempt(&event, deadline).await,
            Err(_elapsed) => Tried::busy(clock::now()),
        };
        inner.answer(&event, &tried)
    }
}

impl Inner {
    async fn deliver(&self, lease: Lease, spool: &Spool) {
        let event = Outgoing {
            id: lease.id,
            accepted: lease.accepted,
            attempt: lease.attempt,
            body: lease.body.clone(),
        };
        let deadline = Instant::now() + self.upstream.timeout;
        let tried = self.attempt(&event, deadline).await;
        let decision = self.decide(&event, &tried);
        spool.settle(lease, record(&tried, decision), decision.into());
        self.report(&event, &tried, decision);
    }

    async fn attempt(&self, event: &Outgoing, deadline: Instant) -> Tried {
        let _in_flight = self.telemetry.begin();
        let began = clock::now();
        let request = self.template.request(event, began);
        let outcome = self.upstream.client.send(request, deadline).await;
        Tried {
            began,
            ended: clock::now(),
            outcome,
        }
    }

    fn decide(&self, event: &Outgoing, tried: &Tried) -> Decision {
        let attempt = Try {
            attempt: event.attempt,
            accepted: event.accepted,
            now: tried.ended,
        };
        policy::decide(&tried.outcome, attempt, &self.retry, &mut Rng::new())
    }

    fn report(&self, event: &Outgoing, tried: &Tried, decision: Decision) {
        let attempted = attempted(event, &tried.outcome);
        match decision {
            Decision::Done => self.telemetry.delivered(attempted),
            Decision::RetryAt(at) => self.telemetry.retry(attempted, at.since(tried.ended)),
            Decision::Dead(reason) => self.telemetry.dead(attempted, &reason),
        }
        self.note_health(tried);
    }

    /// Reports a direct attempt, and says what its sender is to be told.
    fn answer(&self, event: &Outgoing, tried: &Tried) -> DirectOutcome {
        let attempted = attempted(event, &tried.outcome);
        let told = match (policy::judge(&tried.outcome), tried.outcome.status()) {
            (Judgement::Taken, _) => {
                self.telemetry.delivered(attempted);
                DirectOutcome::Delivered
            }
            (Judgement::Refused, Some(status)) => {
                self.telemetry.refused(attempted);
                DirectOutcome::Refused(status)
            }
            (Judgement::Refused, None) | (Judgement::Later, _) => {
                self.telemetry.unavailable(attempted);
                DirectOutcome::Unavailable
            }
        };
        self.note_health(tried);
        told
    }

    /// A refusal is an answer of an upstream that works.
    fn note_health(&self, tried: &Tried) {
        let upstream = &*self.upstream;
        if policy::judge(&tried.outcome) == Judgement::Later {
            if let Some(complaint) = upstream.health.failed(tried.ended) {
                self.telemetry.failing(
                    &upstream.label,
                    &tried.outcome,
                    complaint.failures,
                    complaint.lasting,
                );
            }
        } else if let Some(lasted) = upstream.health.answered(tried.ended) {
            self.telemetry.recovered(&upstream.label, lasted);
        }
    }
}

impl Tried {
    /// Ended before it began: no place was free.
    fn busy(now: Timestamp) -> Self {
        Self {
            began: now,
            ended: now,
            outcome: Outcome::Failed(Failure {
                kind: FailureKind::Busy,
                cause: "upstream.max_in_flight was reached all the time".to_owned(),
            }),
        }
    }
}

fn attempted<'a>(event: &'a Outgoing, outcome: &'a Outcome) -> Attempted<'a> {
    Attempted {
        event: &event.id,
        attempt: event.attempt,
        outcome,
    }
}

/// What the history of the event keeps.
fn record(tried: &Tried, decision: Decision) -> Attempt {
    let outcome = match decision {
        Decision::Dead(reason) => format!("{}; {reason}", tried.outcome.history()),
        Decision::Done | Decision::RetryAt(_) => tried.outcome.history(),
    };
    Attempt {
        at: tried.began,
        status: tried.outcome.status(),
        outcome,
    }
}
