//! What delivery is told at start-up: `[upstream]`, `[retry]` and the route they belong to.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::UpstreamTls;
use crate::spool::RouteName;

/// `[upstream]`, for one route. Equal settings can share one [`Upstream`](super::Upstream).
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Where to deliver.
    pub url: UpstreamUrl,
    /// How to deliver; `POST` unless configured.
    pub method: http::Method,
    /// For a whole attempt: connecting, TLS, sending, and the answer. More than a day counts as a
    /// day.
    pub timeout: Duration,
    /// Added to every request; values are secrets until proven otherwise.
    /// Those that [`reserved_header`](super::reserved_header) names are left out.
    pub headers: Vec<(http::HeaderName, SecretString)>,
    /// Whom to believe, and what to show.
    pub tls: UpstreamTls,
    /// Requests under way at the same moment, over all routes that share the upstream; at least 1.
    pub max_in_flight: usize,
    /// Failures in a row after which one event at a time is tried; 0: never.
    pub breaker_failures: u32,
    /// The longest pause between two such attempts.
    pub breaker_pause: Duration,
    /// Signs every request after Standard Webhooks: `whsec_` and base64, or the bytes of the text.
    pub signing_secret: Option<SecretString>,
    /// What the body is wrapped in.
    pub envelope: Envelope,
}

impl UpstreamSettings {
    fn signing_secret(&self) -> Option<&str> {
        self.signing_secret.as_ref().map(ExposeSecret::expose_secret)
    }
}

impl PartialEq for UpstreamSettings {
    fn eq(&self, other: &Self) -> bool {
        let same_headers = self.headers.len() == other.headers.len()
            && self.headers.iter().zip(&other.headers).all(|(ours, theirs)| {
                ours.0 == theirs.0 && ours.1.expose_secret() == theirs.1.expose_secret()
            });
        same_headers
            && self.url == other.url
            && self.method == other.method
            && self.timeout == other.timeout
            && self.tls == other.tls
            && self.max_in_flight == other.max_in_flight
            && self.breaker_failures == other.breaker_failures
            && self.breaker_pause == other.breaker_pause
            && self.envelope == other.envelope
            && self.signing_secret() == other.signing_secret()
    }
}

/// Where to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamUrl {
    /// `http` or `https`.
    Http(http::Uri),
    /// `unix:/path.sock:/request/path`.
    Unix {
        /// The socket in the file system.
        socket: PathBuf,
        /// The path, and query if any, of the request.
        path: http::uri::PathAndQuery,
    },
}

/// What the body is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// The canonical body alone, `CloudEvents` attributes in headers (binary mode).
    None,
    /// One JSON object with the `CloudEvents` attributes and the body as `data` (structured mode).
    CloudEvents,
}

/// `[retry]`, for one route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySettings {
    /// The longest wait after the first attempt.
    pub initial: Duration,
    /// The longest wait after any attempt, whatever the upstream asks for.
    pub max: Duration,
    /// The growth of the longest wait from one attempt to the next.
    pub factor: f64,
    /// Since acceptance; an attempt that fails at or after this age is the last.
    pub max_age: Duration,
    /// The number of the last attempt. `None`: age alone decides.
    pub max_attempts: Option<u32>,
    /// How long the sender of a `direct` event is kept waiting, all attempts together.
    pub direct_time: Duration,
}

/// One route as delivery sees it.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// Names the route in the spool, in log lines and in metrics.
    pub name: RouteName,
    /// `ce-source`.
    pub path: String,
    /// `ce-type` is `com.impact.postback.KIND`.
    pub kind: &'static str,
    /// What its [`Upstream`](super::Upstream) was made of.
    pub upstream: UpstreamSettings,
    /// When to try again.
    pub retry: RetrySettings,
}
