//! One route's way to its upstream, for what is queued and for what is direct: one attempt.

use std::sync::Arc;

use arc_swap::ArcSwap;
use fastrand::Rng;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::breaker::{Pass, Standing};
use super::outcome::Outcome;
use super::policy::{self, Decision, Judgement, Try, evidence, judge};
use super::request::Template;
use super::settings::{RetrySettings, RouteSettings};
use super::{Outgoing, Upstream};
use crate::clock::{self, Timestamp};
use crate::spool::RouteName;
use crate::telemetry::{Attempted, RouteDelivery, Telemetry};

/// A route's delivery, queued and direct. Cheap to clone, and all clones are one.
#[derive(Clone, Debug)]
pub struct Route {
    inner: Arc<ArcSwap<Inner>>,
    /// Rung for a loop that waits for an upstream that is no longer the route's.
    pub(super) replaced: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) name: RouteName,
    template: Template,
    pub(super) retry: RetrySettings,
    pub(super) upstream: Arc<Upstream>,
    pub(super) telemetry: RouteDelivery,
}

/// One attempt and what follows from it.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) ended: Timestamp,
    pub(super) outcome: Outcome,
}

impl Route {
    /// Makes ready what does not differ between events. `upstream` is made of `settings.upstream`,
    /// or of equal settings of another route.
    #[must_use]
    pub fn new(settings: &RouteSettings, upstream: Arc<Upstream>, telemetry: &Telemetry) -> Self {
        let inner = Inner::new(settings, upstream, telemetry);
        Self { inner: Arc::new(ArcSwap::from_pointee(inner)), replaced: Arc::default() }
    }

    /// Other settings for the route of this name, from the next attempt on; those under way end as
    /// they began.
    pub fn replace(
        &self,
        settings: &RouteSettings,
        upstream: Arc<Upstream>,
        telemetry: &Telemetry,
    ) {
        self.inner.store(Arc::new(Inner::new(settings, upstream, telemetry)));
        self.replaced.notify_one();
    }

    /// How an attempt that begins now is made.
    pub(super) fn current(&self) -> Arc<Inner> {
        self.inner.load_full()
    }
}

impl Inner {
    fn new(settings: &RouteSettings, upstream: Arc<Upstream>, telemetry: &Telemetry) -> Self {
        Self {
            name: Arc::clone(&settings.name),
            template: Template::new(&upstream.target, &settings.path, settings.kind),
            retry: settings.retry,
            telemetry: telemetry.delivery.route(&settings.name, &upstream.label),
            upstream,
        }
    }

    /// One attempt, over at `deadline` at the latest.
    pub(super) async fn attempt(&self, event: &Outgoing, deadline: Instant) -> Tried {
        let _in_flight = self.telemetry.begin();
        let began = clock::now();
        let request = || self.template.request(event, began);
        let outcome = self.upstream.client.send(request, deadline).await;
        Tried { ended: clock::now(), outcome }
    }

    /// What becomes of the event after this attempt.
    pub(super) fn decide(&self, tried: &Tried, attempt: Try) -> Decision {
        policy::decide(&tried.outcome, attempt, &self.retry, &mut Rng::new())
    }

    /// Tells the breaker how its leave was used, and what that says of the upstream.
    pub(super) fn return_pass(&self, pass: Pass, event: &Outgoing, tried: &Tried) -> Standing {
        match evidence(&tried.outcome, event.id) {
            Some(evidence) => pass.failed(evidence, || self.telemetry.away()),
            None => pass.answered(),
        }
    }

    /// A refusal is an answer of an upstream that works.
    pub(super) fn note_health(&self, tried: &Tried, standing: Standing) {
        let health = &self.upstream.health;
        if judge(&tried.outcome) == Judgement::Later {
            if let Some(complaint) = health.failed(tried.ended) {
                self.telemetry.failing(&tried.outcome, complaint.failures, complaint.lasting);
            }
            if standing == Standing::Lost && health.lost(tried.ended) {
                self.telemetry.lost(&tried.outcome);
            }
        } else if let Some(lasted) = health.answered(tried.ended) {
            self.telemetry.recovered(lasted);
        }
    }
}

/// The attempt as the operator is to see it.
pub(super) fn attempted<'a>(event: &'a Outgoing, outcome: &'a Outcome) -> Attempted<'a> {
    Attempted { event: &event.id, attempt: event.attempt, outcome }
}
