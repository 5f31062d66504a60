//! What the front door tells of requests: refusals, acceptances.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::flood::Flood;

/// The route of a refusal that came before a route was found.
const NO_ROUTE: &str = "";

/// The counts of requests.
#[derive(Debug)]
pub struct FrontMetrics {
    refusals: Family<RefusalLabel, Counter>,
    probes: Family<MethodLabel, Counter>,
    accepted: Family<AcceptedLabel, Counter>,
    repeated: Family<RouteLabel, Counter>,
    quarantined: Family<RouteLabel, Counter>,
    forwarded: Family<RouteLabel, Counter>,
    accept_seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
    requests_told: Flood,
    quarantined_told: Arc<Flood<Arc<str>>>,
}

/// Why no request came of a head of HTTP/1.1, which has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// It breaks this rule of HTTP: 400.
    Grammar(&'static str),
    /// It is larger than `limits.header_bytes`, or has more lines than `limits.headers`: 431.
    Size,
    /// It has grown large, and `limits.bodies_bytes` are held: 503.
    NoRoom,
}

/// One route's counters, looked up once.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    route: Arc<str>,
    /// In the order of the formats that [`FrontMetrics::route`] was given.
    accepted: Vec<Counter>,
    repeated: Counter,
    quarantined: Counter,
    quarantined_told: Arc<Flood<Arc<str>>>,
    forwarded: Counter,
    accept_seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabel {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    route: Arc<str>,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AcceptedLabel {
    route: Arc<str>,
    format: &'static str,
}

impl FrontMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            refusals: Family::default(),
            probes: Family::default(),
            accepted: Family::default(),
            repeated: Family::default(),
            quarantined: Family::default(),
            forwarded: Family::default(),
            // From 0.25 ms, one commit of a fast disk, to 8 s, when the sender gives up.
            accept_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
            }),
            requests_told: Flood::default(),
            quarantined_told: Arc::default(),
        };
        metrics.register(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let refusals = self.refusals.clone();
        registry.register("requests_refused", "Requests answered with an error", refusals);
        let probes = self.probes.clone();
        registry.register("probes", "HEAD and OPTIONS: answered, nothing received", probes);
        let accepted = self.accepted.clone();
        registry.register("events_accepted", "Events made durable", accepted);
        let repeated = self.repeated.clone();
        registry.register("events_repeated", "Events recognised as a repeat", repeated);
        let quarantined = self.quarantined.clone();
        registry.register("events_quarantined", "Requests not understood and kept", quarantined);
        let forwarded = self.forwarded.clone();
        registry.register("events_forwarded", "Events taken by the upstream at once", forwarded);
        let seconds = self.accept_seconds.clone();
        registry.register("accept_seconds", "From a request's head to its good answer", seconds);
    }

    /// The counters of one route; an event's format is told by its place in `formats`.
    #[must_use]
    pub fn route(&self, name: &Arc<str>, formats: &[&'static str]) -> RouteMetrics {
        let label = RouteLabel { route: Arc::clone(name) };
        let accepted = |&format: &&'static str| {
            let label = AcceptedLabel { route: Arc::clone(name), format };
            self.accepted.get_or_create(&label).clone()
        };
        RouteMetrics {
            route: Arc::clone(name),
            accepted: formats.iter().map(accepted).collect(),
            repeated: self.repeated.get_or_create(&label).clone(),
            quarantined: self.quarantined.get_or_create(&label).clone(),
            quarantined_told: Arc::clone(&self.quarantined_told),
            forwarded: self.forwarded.get_or_create(&label).clone(),
            accept_seconds: self.accept_seconds.get_or_create(&label).clone(),
        }
    }

    /// Tells of what was refused or not understood in the last second and had no line of its own.
    pub(super) fn tell_untold(&self) {
        for (reason, more) in self.requests_told.next_second() {
            tracing::warn!(reason, more, "requests refused, not told one by one");
        }
        for (route, more) in self.quarantined_told.next_second() {
            tracing::error!(%route, more, "requests kept in quarantine, not told one by one");
        }
    }

    /// A head was answered before a request came of it.
    pub fn head_refused(&self, client: IpAddr, fault: HeadFault) {
        let (reason, status, what) = match fault {
            HeadFault::Grammar(rule) => ("grammar", 400, rule),
            HeadFault::Size => {
                ("head_size", 431, "past limits.header_bytes, or lines past limits.headers")
            }
            HeadFault::NoRoom => ("bodies_bytes", 503, "a large head, past limits.bodies_bytes"),
        };
        let label = RefusalLabel { route: Arc::from(NO_ROUTE), reason };
        self.refusals.get_or_create(&label).inc();
        if self.requests_told.has_line(reason) {
            tracing::warn!(%client, reason, what, status, "request refused");
        }
    }

    /// Somebody asked what would be answered, and sent no event.
    pub fn probed(&self, client: IpAddr, method: &'static str) {
        self.probes.get_or_create(&MethodLabel { method }).inc();
        tracing::debug!(%client, method, "probed");
    }

    /// A request's client is in the list. `by` is the rule that told who it is. Not counted: what
    /// becomes of the request is.
    pub fn client_admitted(&self, client: IpAddr, by: &dyn std::fmt::Display) {
        tracing::debug!(%client, %by, "client admitted");
    }

    /// A request was answered with an error. `by` is the rule that told who the client is.
    pub fn request_refused(
        &self,
        client: IpAddr,
        by: &dyn std::fmt::Display,
        route: Option<&Arc<str>>,
        reason: &'static str,
        status: u16,
    ) {
        let route = route.cloned().unwrap_or_else(|| Arc::from(NO_ROUTE));
        if self.requests_told.has_line(reason) {
            tracing::warn!(%route, %client, %by, reason, status, "request refused");
        }
        self.refusals.get_or_create(&RefusalLabel { route, reason }).inc();
    }
}

impl RouteMetrics {
    /// An event is on disk.
    pub fn accepted(&self, id: &dyn std::fmt::Display, format: usize, took: Duration) {
        if let Some(counter) = self.accepted.get(format) {
            counter.inc();
        }
        self.accept_seconds.observe(took.as_secs_f64());
        tracing::debug!(route = %self.route, event = %id, "accepted");
    }

    /// An event was sent again.
    pub fn repeated(&self, id: &dyn std::fmt::Display, took: Duration) {
        self.repeated.inc();
        self.accept_seconds.observe(took.as_secs_f64());
        tracing::debug!(route = %self.route, event = %id, "repeat of an event that is known");
    }

    /// The upstream of a `direct` route took an event.
    pub fn forwarded(&self, id: &dyn std::fmt::Display, took: Duration) {
        self.forwarded.inc();
        self.accept_seconds.observe(took.as_secs_f64());
        tracing::debug!(route = %self.route, event = %id, "forwarded");
    }

    /// A request was not understood, and is kept.
    pub fn quarantined(&self, id: &dyn std::fmt::Display, why: &dyn std::fmt::Display) {
        self.quarantined.inc();
        if self.quarantined_told.has_line(Arc::clone(&self.route)) {
            tracing::error!(route = %self.route, event = %id, %why, "not understood; kept in quarantine");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_counted_under_its_labels() {
        let mut registry = Registry::with_prefix("postgate");
        let front = FrontMetrics::new(&mut registry);
        let peer = IpAddr::from([192, 0, 2, 1]);
        let name = Arc::from("in");

        let route = front.route(&name, &["json", "xml"]);
        route.accepted(&"id", 1, Duration::from_millis(1));
        route.repeated(&"id", Duration::from_millis(1));
        route.quarantined(&"id", &"why");
        front.request_refused(peer, &"peer", Some(&name), "secret", 401);
        front.request_refused(peer, &"peer", None, "path", 404);
        front.head_refused(peer, HeadFault::Grammar("what"));
        front.head_refused(peer, HeadFault::Size);
        front.head_refused(peer, HeadFault::NoRoom);
        front.probed(peer, "HEAD");

        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "postgate_events_accepted_total{route=\"in\",format=\"xml\"} 1",
            "postgate_events_accepted_total{route=\"in\",format=\"json\"} 0",
            "postgate_events_repeated_total{route=\"in\"} 1",
            "postgate_events_quarantined_total{route=\"in\"} 1",
            "postgate_requests_refused_total{route=\"in\",reason=\"secret\"} 1",
            "postgate_requests_refused_total{route=\"\",reason=\"path\"} 1",
            "postgate_requests_refused_total{route=\"\",reason=\"grammar\"} 1",
            "postgate_requests_refused_total{route=\"\",reason=\"head_size\"} 1",
            "postgate_requests_refused_total{route=\"\",reason=\"bodies_bytes\"} 1",
            "postgate_probes_total{method=\"HEAD\"} 1",
            "postgate_accept_seconds_count{route=\"in\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
