//! One route's way to its upstream, for what is queued and for what is direct: one attempt.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::outcome::Outcome;
use super::policy::{Judgement, judge};
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
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
    pub(super) outcome: Outcome,
}

impl Route {
    /// Makes ready what does not differ between events. `upstream` is made of `settings.upstream`,
    /// or of equal settings of another route.
    #[must_use]
    pub fn new(settings: &RouteSettings, upstream: Arc<Upstream>, telemetry: &Telemetry) -> Self {
        Self { inner: Arc::new(ArcSwap::from_pointee(Inner::new(settings, upstream, telemetry))) }
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
            telemetry: telemetry.delivery.route(&settings.name),
            upstream,
        }
    }

    /// One attempt, over at `deadline` at the latest.
    pub(super) async fn attempt(&self, event: &Outgoing, deadline: Instant) -> Tried {
        let _in_flight = self.telemetry.begin();
        let began = clock::now();
        let request = self.template.request(event, began);
        let outcome = self.upstream.client.send(request, deadline).await;
        Tried { began, ended: clock::now(), outcome }
    }

    /// A refusal is an answer of an upstream that works.
    pub(super) fn note_health(&self, tried: &Tried) {
        let upstream = &*self.upstream;
        if judge(&tried.outcome) == Judgement::Later {
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

/// The attempt as the operator is to see it.
pub(super) fn attempted<'a>(event: &'a Outgoing, outcome: &'a Outcome) -> Attempted<'a> {
    Attempted { event: &event.id, attempt: event.attempt, outcome }
}
