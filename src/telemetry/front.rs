//! What the front door tells: connections, refusals, acceptances.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::flood::Flood;

/// The route of a refusal that came before a route was found.
const NO_ROUTE: &str = "";

/// A failing accept is logged the first time, and then about every half minute: its pause grows to
/// a second.
const ACCEPT_LOG_EVERY: u32 = 32;

/// The front door's metrics.
#[derive(Debug)]
pub struct FrontMetrics {
    connections: Counter,
    connections_open: Gauge,
    connections_refused: Family<ReasonLabel, Counter>,
    connections_broken: Family<ReasonLabel, Counter>,
    accept_failures: Counter,
    handshake_failures: Counter,
    refusals: Family<RefusalLabel, Counter>,
    probes: Family<MethodLabel, Counter>,
    accepted: Family<AcceptedLabel, Counter>,
    repeated: Family<RouteLabel, Counter>,
    quarantined: Family<RouteLabel, Counter>,
    forwarded: Family<RouteLabel, Counter>,
    accept_seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
    connections_told: Flood,
    requests_told: Flood,
    quarantined_told: Arc<Flood<Arc<str>>>,
}

/// Why a connection was closed before a byte was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionRefusal {
    /// Not in the allowlist, and no trusted proxy.
    Address,
    /// `limits.connections_per_address` is reached.
    TooMany,
}

/// How a connection ended that was let in and brought no request, or no HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BrokenConnection {
    /// No whole head came within `limits.header_time`.
    Silent,
    /// The head of a request cannot be read, or is too large.
    NotHttp,
    /// It was cut off before its first request was whole.
    Cut,
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

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
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
            connections: Counter::default(),
            connections_open: Gauge::default(),
            connections_refused: Family::default(),
            connections_broken: Family::default(),
            accept_failures: Counter::default(),
            handshake_failures: Counter::default(),
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
            connections_told: Flood::default(),
            requests_told: Flood::default(),
            quarantined_told: Arc::default(),
        };
        metrics.register(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let connections = self.connections.clone();
        registry.register("connections", "Connections admitted by their peer address", connections);
        let open = self.connections_open.clone();
        registry.register("connections_open", "Admitted connections that are open", open);
        let refused = self.connections_refused.clone();
        registry.register("connections_refused", "Connections closed at once", refused);
        let broken = self.connections_broken.clone();
        registry.register("connections_broken", "Connections that brought no request", broken);
        let failures = self.accept_failures.clone();
        registry.register(
            "accept_failures",
            "Failed accepts, such as too many open files",
            failures,
        );
        let failures = self.handshake_failures.clone();
        registry.register("handshake_failures", "TLS handshakes that failed", failures);
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

    /// A connection was let in by its peer address.
    #[must_use]
    pub fn connection_admitted(&self) -> OpenConnection {
        self.connections.inc();
        self.connections_open.inc();
        OpenConnection(self.connections_open.clone())
    }

    /// A connection was closed before anything was read.
    /// `client` is the peer, or whom its PROXY header names.
    pub fn connection_refused(&self, peer: IpAddr, client: IpAddr, refusal: ConnectionRefusal) {
        let reason = match refusal {
            ConnectionRefusal::Address => "address",
            ConnectionRefusal::TooMany => "too_many",
        };
        self.connections_refused.get_or_create(&ReasonLabel { reason }).inc();
        if self.connections_told.has_line(reason) {
            tracing::info!(%peer, %client, reason, "connection refused");
        }
    }

    /// A trusted proxy did not say whose its connection is.
    pub fn proxy_header_refused(&self, peer: IpAddr, error: &dyn Error) {
        let reason = "proxy_header";
        self.connections_refused.get_or_create(&ReasonLabel { reason }).inc();
        if self.connections_told.has_line(reason) {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%peer, reason, %error, cause, "connection refused");
        }
    }

    /// Tells of what was refused or not understood in the last second and had no line of its own. To be called each
    /// second: strangers decide how many there are.
    pub fn tell_refusals(&self) {
        for (reason, more) in self.connections_told.next_second() {
            tracing::info!(reason, more, "connections refused, not told one by one");
        }
        for (reason, more) in self.requests_told.next_second() {
            tracing::warn!(reason, more, "requests refused, not told one by one");
        }
        for (route, more) in self.quarantined_told.next_second() {
            tracing::error!(%route, more, "requests kept in quarantine, not told one by one");
        }
    }

    /// No connection could be accepted, for the `streak`th time in a row.
    pub fn accept_failed(&self, error: &io::Error, streak: u32) {
        self.accept_failures.inc();
        if streak % ACCEPT_LOG_EVERY == 1 {
            tracing::error!(%error, streak, "cannot accept connections; is the limit of open files reached?");
        }
    }

    /// A handshake did not end well.
    pub fn handshake_failed(&self, peer: IpAddr, error: &dyn Error) {
        self.handshake_failures.inc();
        let cause = error.source().map(ToString::to_string);
        tracing::debug!(%peer, %error, cause, "no TLS");
    }

    /// A connection ended before its first request was whole, or by something that is not HTTP.
    pub fn connection_broken(
        &self,
        peer: IpAddr,
        broken: BrokenConnection,
        error: Option<&dyn Error>,
    ) {
        let reason = match broken {
            BrokenConnection::Silent => "silent",
            BrokenConnection::NotHttp => "not_http",
            BrokenConnection::Cut => "cut",
        };
        self.connections_broken.get_or_create(&ReasonLabel { reason }).inc();
        let error = error.map(tracing::field::display);
        tracing::debug!(%peer, reason, error, "connection broken");
    }

    /// The head of a request breaks a rule of HTTP, so that no request came of it.
    pub fn head_refused(&self, client: IpAddr, what: &'static str) {
        let label = RefusalLabel { route: Arc::from(NO_ROUTE), reason: "grammar" };
        self.refusals.get_or_create(&label).inc();
        if self.requests_told.has_line(label.reason) {
            tracing::warn!(%client, reason = label.reason, what, status = 400, "request refused");
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

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
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

        let open = front.connection_admitted();
        let route = front.route(&name, &["json", "xml"]);
        route.accepted(&"id", 1, Duration::from_millis(1));
        route.repeated(&"id", Duration::from_millis(1));
        route.quarantined(&"id", &"why");
        front.request_refused(peer, &"peer", Some(&name), "secret", 401);
        front.request_refused(peer, &"peer", None, "path", 404);
        front.head_refused(peer, "what");
        front.probed(peer, "HEAD");
        front.connection_refused(peer, peer, ConnectionRefusal::TooMany);
        front.connection_broken(peer, BrokenConnection::Silent, None);
        front.accept_failed(&io::ErrorKind::Other.into(), 1);

        let text = encoded(&registry);
        for line in [
            "postgate_connections_open 1",
            "postgate_connections_total 1",
            "postgate_events_accepted_total{route=\"in\",format=\"xml\"} 1",
            "postgate_events_accepted_total{route=\"in\",format=\"json\"} 0",
            "postgate_events_repeated_total{route=\"in\"} 1",
            "postgate_events_quarantined_total{route=\"in\"} 1",
            "postgate_requests_refused_total{route=\"in\",reason=\"secret\"} 1",
            "postgate_requests_refused_total{route=\"\",reason=\"path\"} 1",
            "postgate_requests_refused_total{route=\"\",reason=\"grammar\"} 1",
            "postgate_probes_total{method=\"HEAD\"} 1",
            "postgate_connections_refused_total{reason=\"too_many\"} 1",
            "postgate_connections_broken_total{reason=\"silent\"} 1",
            "postgate_accept_failures_total 1",
            "postgate_accept_seconds_count{route=\"in\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        drop(open);
        assert!(encoded(&registry).contains("postgate_connections_open 0"));
    }

    fn encoded(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }
}
