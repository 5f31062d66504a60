//! Delivery. In: leases of the spool. Out: verdicts. Never: a sender's request, or a decision by an error's text.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;

use crate::clock::Timestamp;
use crate::spool::{EventId, RouteName, Spool};
use crate::telemetry::Telemetry;

/// `[upstream]`, for one route.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    pub url: UpstreamUrl,
    pub method: http::Method,
    pub timeout: Duration,
    /// Added to every request; values are secrets until proven otherwise.
    pub headers: Vec<(http::HeaderName, SecretString)>,
    /// PEM of the authorities to trust instead of the public ones.
    pub ca: Option<PathBuf>,
    /// PEM of the certificate and key to show to the upstream.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    pub max_in_flight: usize,
    pub signing_secret: Option<SecretString>,
    pub envelope: Envelope,
}

/// Where to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamUrl {
    /// `http` or `https`.
    Http(http::Uri),
    /// `unix:/path.sock:/request/path`.
    Unix {
        socket: PathBuf,
        path: http::uri::PathAndQuery,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    None,
    CloudEvents,
}

/// `[retry]`, for one route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySettings {
    pub initial: Duration,
    pub max: Duration,
    pub factor: f64,
    pub max_age: Duration,
    /// `None`: age alone decides.
    pub max_attempts: Option<u32>,
}

/// One route as delivery sees it.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    pub name: RouteName,
    /// `ce-source`.
    pub path: String,
    /// `ce-type` is `com.impact.postback.KIND`.
    pub kind: &'static str,
    pub upstream: UpstreamSettings,
    pub retry: RetrySettings,
}

/// One event on its way to the upstream.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub id: EventId,
    pub accepted: Timestamp,
    pub attempt: u32,
    pub body: Bytes,
}

#[derive(Debug, thiserror::Error)]
#[error("placeholder")]
pub struct BuildError;

/// One route's way to its upstream: client, headers, signature. Shared by queued and direct delivery.
#[derive(Debug)]
pub struct Upstream {}
impl Upstream {
    /// Routes with equal upstream settings should share one (same pool, same max_in_flight): the caller passes the same Arc.
    pub fn new(_settings: &UpstreamSettings) -> Result<Self, BuildError> {
        unimplemented!()
    }
}

/// What the sender of a `direct` route is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectOutcome {
    /// The upstream took it.
    Delivered,
    /// The upstream refused it: another try would not help. Its status.
    Refused(u16),
    /// The upstream is away or failing: try again.
    Unavailable,
}

/// A route's delivery: what the loop and `direct` need.
#[derive(Clone, Debug)]
pub struct Route {/* settings + Arc<Upstream> */}
impl Route {
    pub fn new(
        _settings: &RouteSettings,
        _upstream: Arc<Upstream>,
        _telemetry: Arc<Telemetry>,
    ) -> Self {
        unimplemented!()
    }
    /// Forwards once, now, for a route with `delivery = "direct"`.
    pub async fn forward(&self, _event: Outgoing) -> DirectOutcome {
        unimplemented!()
    }
    /// Delivers a route's events until leasing stops; returns when every delivery under way has ended.
    pub async fn run(self, _spool: Spool) {}
}
