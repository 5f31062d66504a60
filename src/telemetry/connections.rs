//! What becomes of connections before there is a request, or without one.

use std::error::Error;
use std::io;
use std::net::IpAddr;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::flood::Flood;

/// A failing accept is logged the first time, and then about every half minute: its pause grows to
/// a second.
const ACCEPT_LOG_EVERY: u32 = 32;

/// The counts of connections.
#[derive(Debug)]
pub struct ConnectionMetrics {
    admitted: Counter,
    open: Gauge,
    full: Counter,
    refused: Family<ReasonLabel, Counter>,
    handshake_failures: Family<ReasonLabel, Counter>,
    broken: Family<ReasonLabel, Counter>,
    accept_failures: Counter,
    full_told: Flood,
    refused_told: Flood,
    handshakes_told: Flood,
    broken_told: Flood,
}

/// Why a connection was closed before a byte was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionRefusal {
    /// Not in the allowlist, and no trusted proxy.
    Address,
    /// `limits.connections_per_address` is reached.
    TooMany,
}

/// Why a handshake did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeFailure {
    /// `limits.handshake_time` has passed.
    TooSlow,
    /// The client left without a word, as checks of balancers do.
    Left,
    /// It spoke something else, could not agree with us, or broke off.
    Failed,
}

/// How a connection ended that was let in and brought no request, no HTTP, or frames without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BrokenConnection {
    /// No whole head came within `limits.header_time`.
    Silent,
    /// The head of a request cannot be read.
    NotHttp,
    /// It was cut off before its first request was whole.
    Cut,
    /// It brought more frames of HTTP/2 that ask for nothing than a client has reason to send.
    Flood,
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl ConnectionMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            admitted: Counter::default(),
            open: Gauge::default(),
            full: Counter::default(),
            refused: Family::default(),
            handshake_failures: Family::default(),
            broken: Family::default(),
            accept_failures: Counter::default(),
            full_told: Flood::default(),
            refused_told: Flood::default(),
            handshakes_told: Flood::default(),
            broken_told: Flood::default(),
        };
        metrics.register(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let admitted = self.admitted.clone();
        registry.register("connections", "Connections admitted by their peer address", admitted);
        let open = self.open.clone();
        registry.register("connections_open", "Admitted connections that are open", open);
        let full = self.full.clone();
        registry.register("connections_full", "Times that limits.connections was reached", full);
        let refused = self.refused.clone();
        registry.register("connections_refused", "Connections closed at once", refused);
        let broken = self.broken.clone();
        registry.register("connections_broken", "Connections that brought no request", broken);
        let failures = self.accept_failures.clone();
        let help = "Failed accepts, such as too many open files";
        registry.register("accept_failures", help, failures);
        let failures = self.handshake_failures.clone();
        registry.register("handshake_failures", "TLS handshakes that failed", failures);
    }

    /// A connection was let in by its peer address.
    #[must_use]
    pub fn admitted(&self) -> OpenConnection {
        self.admitted.inc();
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// Every place is taken: whoever comes now waits in the kernel.
    pub fn full(&self, connections: usize) {
        self.full.inc();
        if self.full_told.has_line("connections") {
            tracing::warn!(connections, "limits.connections is reached; new connections wait");
        }
    }

    /// A connection was closed before anything was read.
    /// `client` is the peer, or whom its PROXY header names.
    pub fn refused(&self, peer: IpAddr, client: IpAddr, refusal: ConnectionRefusal) {
        let reason = match refusal {
            ConnectionRefusal::Address => "address",
            ConnectionRefusal::TooMany => "too_many",
        };
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
        if self.refused_told.has_line(reason) {
            tracing::info!(%peer, %client, reason, "connection refused");
        }
    }

    /// A trusted proxy did not say whose its connection is.
    pub fn proxy_header_refused(&self, peer: IpAddr, error: &dyn Error) {
        let reason = "proxy_header";
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
        if self.refused_told.has_line(reason) {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%peer, reason, %error, cause, "connection refused");
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
    pub fn handshake_failed(&self, client: IpAddr, failure: HandshakeFailure, error: &dyn Error) {
        let reason = match failure {
            HandshakeFailure::TooSlow => "too_slow",
            HandshakeFailure::Left => "left",
            HandshakeFailure::Failed => "failed",
        };
        self.handshake_failures.get_or_create(&ReasonLabel { reason }).inc();
        let cause = error.source().map(ToString::to_string);
        // Balancers do it every few seconds.
        if failure == HandshakeFailure::Left {
            tracing::debug!(%client, reason, %error, cause, "no TLS");
        } else if self.handshakes_told.has_line(reason) {
            tracing::info!(%client, reason, %error, cause, "no TLS");
        }
    }

    /// A connection ended before its first request was whole, or by something that is not HTTP.
    pub fn broken(&self, client: IpAddr, broken: BrokenConnection, error: Option<&dyn Error>) {
        let reason = match broken {
            BrokenConnection::Silent => "silent",
            BrokenConnection::NotHttp => "not_http",
            BrokenConnection::Cut => "cut",
            BrokenConnection::Flood => "flood",
        };
        self.broken.get_or_create(&ReasonLabel { reason }).inc();
        let error = error.map(tracing::field::display);
        // What is not HTTP was told as a refused request, with the rule that it breaks.
        if broken == BrokenConnection::NotHttp {
            tracing::debug!(%client, reason, error, "connection broken");
        } else if self.broken_told.has_line(reason) {
            tracing::info!(%client, reason, error, "connection broken");
        }
    }

    /// Tells of what had no line of its own in the last second.
    pub(super) fn tell_untold(&self) {
        for (_, more) in self.full_told.next_second() {
            tracing::warn!(more, "limits.connections is reached, not told one by one");
        }
        for (reason, more) in self.refused_told.next_second() {
            tracing::info!(reason, more, "connections refused, not told one by one");
        }
        for (reason, more) in self.handshakes_told.next_second() {
            tracing::info!(reason, more, "no TLS, not told one by one");
        }
        for (reason, more) in self.broken_told.next_second() {
            tracing::info!(reason, more, "connections broken, not told one by one");
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
    fn what_happened_is_counted_under_its_reason() {
        let mut registry = Registry::with_prefix("postgate");
        let connections = ConnectionMetrics::new(&mut registry);
        let peer = IpAddr::from([192, 0, 2, 1]);
        let error = io::Error::from(io::ErrorKind::Other);

        let open = connections.admitted();
        connections.full(1);
        connections.refused(peer, peer, ConnectionRefusal::TooMany);
        connections.handshake_failed(peer, HandshakeFailure::Failed, &error);
        connections.broken(peer, BrokenConnection::Silent, None);
        connections.accept_failed(&error, 1);

        let text = encoded(&registry);
        for line in [
            "postgate_connections_open 1",
            "postgate_connections_total 1",
            "postgate_connections_full_total 1",
            "postgate_connections_refused_total{reason=\"too_many\"} 1",
            "postgate_handshake_failures_total{reason=\"failed\"} 1",
            "postgate_connections_broken_total{reason=\"silent\"} 1",
            "postgate_accept_failures_total 1",
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
