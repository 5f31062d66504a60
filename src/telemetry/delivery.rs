//! What the operator sees of deliveries. Every label is an operator's own name for a route.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::clock;

/// Upper bounds of `delivery_seconds`: from a healthy local upstream to the default
/// `upstream.timeout` and beyond.
const SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// Attempts at the upstreams, by route.
#[derive(Debug)]
pub struct DeliveryMetrics {
    deliveries: Family<OutcomeLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    in_flight: Family<RouteLabels, Gauge>,
    away: Family<UpstreamLabels, Gauge>,
    /// Of all upstreams together, for readiness.
    all_away: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    route: Arc<str>,
    outcome: &'static str,
}

impl DeliveryMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            deliveries: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            in_flight: Family::default(),
            away: Family::default(),
            all_away: Gauge::default(),
        };
        registry.register(
            "deliveries",
            "Attempts at the upstream by what came of them: delivered, retry, dead; of direct \
             routes delivered, retry, refused, unavailable",
            metrics.deliveries.clone(),
        );
        registry.register(
            "delivery_seconds",
            "Time of one attempt, in seconds",
            metrics.seconds.clone(),
        );
        registry.register("deliveries_in_flight", "Attempts under way", metrics.in_flight.clone());
        registry.register(
            "upstream_away",
            "1 while the upstream does not answer and one event at a time is tried; more where \
             several settings lead to the same address",
            metrics.away.clone(),
        );
        metrics
    }

    /// How many upstreams are away now.
    #[must_use]
    pub fn away(&self) -> u64 {
        u64::try_from(self.all_away.get()).unwrap_or_default()
    }

    /// The handles of one route to an upstream of this name: looked up once, at start-up. Makes
    /// their series appear at zero.
    #[must_use]
    pub fn route(&self, route: &Arc<str>, upstream: &str) -> RouteDelivery {
        let upstream: Arc<str> = upstream.into();
        let labels = RouteLabels { route: Arc::clone(route) };
        let count = |outcome| {
            self.deliveries
                .get_or_create_owned(&OutcomeLabels { route: Arc::clone(route), outcome })
        };
        RouteDelivery {
            route: Arc::clone(route),
            delivered: count("delivered"),
            retry: count("retry"),
            dead: count("dead"),
            refused: count("refused"),
            unavailable: count("unavailable"),
            seconds: self.seconds.get_or_create_owned(&labels),
            in_flight: self.in_flight.get_or_create_owned(&labels),
            away: self
                .away
                .get_or_create_owned(&UpstreamLabels { upstream: Arc::clone(&upstream) }),
            all_away: self.all_away.clone(),
            upstream,
        }
    }
}

/// One route's part of the metrics, and its log lines.
#[derive(Clone, Debug)]
pub struct RouteDelivery {
    route: Arc<str>,
    upstream: Arc<str>,
    delivered: Counter,
    retry: Counter,
    dead: Counter,
    refused: Counter,
    unavailable: Counter,
    seconds: Histogram,
    in_flight: Gauge,
    away: Gauge,
    all_away: Gauge,
}

/// An upstream that is away: shown in metrics and readiness until this is dropped.
#[derive(Debug)]
pub struct Away {
    upstream: Gauge,
    all: Gauge,
}

impl Drop for Away {
    fn drop(&mut self) {
        self.upstream.dec();
        self.all.dec();
    }
}

/// One attempt, for a log line.
#[derive(Clone, Copy)]
pub struct Attempted<'a> {
    /// The event's id.
    pub event: &'a dyn Display,
    /// Its number, from 1.
    pub attempt: u32,
    /// What came of it, without a byte of the answer's body.
    pub outcome: &'a dyn Display,
}

/// An attempt under way: counted, and timed when dropped.
#[derive(Debug)]
pub struct InFlight<'a> {
    of: &'a RouteDelivery,
    began: Instant,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.of.in_flight.dec();
        self.of.seconds.observe(self.began.elapsed().as_secs_f64());
    }
}

impl RouteDelivery {
    /// An attempt begins; it ends when the guard is dropped.
    #[must_use]
    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight { of: self, began: clock::instant() }
    }

    /// The upstream took the event.
    pub fn delivered(&self, tried: Attempted<'_>) {
        self.delivered.inc();
        tracing::debug!(
            route = %self.route,
            event = %tried.event,
            attempt = tried.attempt,
            outcome = %tried.outcome,
            "delivered"
        );
    }

    /// The event is tried again after `wait`.
    pub fn retry(&self, tried: Attempted<'_>, wait: Duration) {
        self.retry.inc();
        tracing::debug!(
            route = %self.route,
            event = %tried.event,
            attempt = tried.attempt,
            outcome = %tried.outcome,
            wait_ms = wait.as_millis(),
            "not delivered, will be tried again"
        );
    }

    /// The event is kept and not tried again: a person is needed.
    pub fn dead(&self, tried: Attempted<'_>, reason: &dyn Display) {
        self.dead.inc();
        tracing::error!(
            route = %self.route,
            event = %tried.event,
            attempt = tried.attempt,
            outcome = %tried.outcome,
            %reason,
            "dead letter"
        );
    }

    /// A direct event was refused for good. Nothing of it is kept here: a person is needed.
    pub fn refused(&self, tried: Attempted<'_>) {
        self.refused.inc();
        tracing::error!(
            route = %self.route,
            event = %tried.event,
            outcome = %tried.outcome,
            "refused by the upstream, and so was its sender"
        );
    }

    /// A direct event could not be forwarded; its sender is asked to try again.
    pub fn unavailable(&self, tried: Attempted<'_>) {
        self.unavailable.inc();
        tracing::debug!(
            route = %self.route,
            event = %tried.event,
            outcome = %tried.outcome,
            "not forwarded, the sender is asked to try again"
        );
    }

    /// The upstream is away from now on, until the answer is dropped.
    #[must_use]
    pub fn away(&self) -> Away {
        self.away.inc();
        self.all_away.inc();
        Away { upstream: self.away.clone(), all: self.all_away.clone() }
    }

    /// The upstream does not answer. The caller bounds how often this is said.
    pub fn lost(&self, outcome: &dyn Display) {
        tracing::warn!(
            route = %self.route,
            upstream = %self.upstream,
            %outcome,
            "the upstream is away: everything waits, one event at a time is tried until it answers"
        );
    }

    /// The upstream fails, or fails still. Each failure was counted before; the caller bounds how
    /// often this is said.
    pub fn failing(&self, outcome: &dyn Display, failures: u64, lasting: Duration) {
        tracing::warn!(
            route = %self.route,
            upstream = %self.upstream,
            %outcome,
            failures,
            lasting_s = lasting.as_secs(),
            "the upstream fails"
        );
    }

    /// The upstream answers again.
    pub fn recovered(&self, lasted: Duration) {
        tracing::info!(
            route = %self.route,
            upstream = %self.upstream,
            lasted_s = lasted.as_secs(),
            "the upstream answers again"
        );
    }
}
