//! Delivery. In: leases of the spool, or one event of a `direct` route. Out: verdicts. Never: a
//! sender's request, or a decision by an error's text.
//!
//! `queued` is the loop over leases, `direct` the tries of a direct event while its sender waits.
//! Both make attempts of a `route`: `request` makes the request, `client` sends it, `policy` says
//! what its outcome means, and the spool or the sender is told, and the operator. What one
//! upstream's routes share is in `upstream`; its `breaker` says whether it is tried at all.

mod breaker;
mod client;
mod connector;
mod direct;
#[cfg(test)]
mod fixture;
mod health;
mod line;
mod outcome;
mod policy;
mod queued;
mod request;
mod route;
mod settings;
mod signature;
mod tls;
mod upstream;

pub use request::reserved_header;
pub use route::Route;
pub use settings::{Envelope, RetrySettings, RouteSettings, UpstreamSettings, UpstreamUrl};
pub use signature::SecretError;
pub use tls::UpstreamTls;
pub use upstream::{BuildError, Upstream};

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::spool::EventId;

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
