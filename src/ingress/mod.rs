//! The front door. In: connections. Out: receipts of the spool, and replies. Never: a byte of a body read before the
//! address is admitted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::event::Rules;
use crate::spool::RouteName;

/// `[allowlist]` after its files are read.
#[derive(Clone, Debug, Default)]
pub struct AllowlistSettings {
    pub ranges: Vec<ipnet::IpNet>,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    pub allow_any: bool,
}

/// The part of `[limits]` that concerns requests.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    pub header_time: Duration,
    pub header_bytes: usize,
    pub headers: usize,
    pub body_bytes: usize,
    pub body_time: Duration,
}

/// One `[[routes]]` entry as the front door sees it.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    pub name: RouteName,
    pub path: String,
    pub methods: Vec<http::Method>,
    pub delivery: Delivery,
    pub rules: Rules,
    pub on_malformed: OnMalformed,
    pub secret: Option<RouteSecret>,
    pub reply: ReplySettings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Queued,
    Direct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMalformed {
    Quarantine,
    Accept,
}

#[derive(Clone, Debug)]
pub struct RouteSecret {
    pub place: SecretPlace,
    pub value: SecretString,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    Header(http::HeaderName),
    Query(String),
}

#[derive(Clone, Debug)]
pub struct ReplySettings {
    pub success_status: http::StatusCode,
    /// `{id}` stands for the event's id.
    pub success_body: String,
    /// Empty: problem+json.
    pub error_body: String,
}

/// The answer of a `direct` forward; made by whoever wires ingress to delivery.
pub type Forward = Arc<
    dyn Fn(ForwardedEvent) -> std::pin::Pin<Box<dyn Future<Output = Forwarded> + Send>>
        + Send
        + Sync,
>;

/// An event to be forwarded at once.
#[derive(Clone, Debug)]
pub struct ForwardedEvent {
    pub id: crate::spool::EventId,
    pub accepted: crate::clock::Timestamp,
    pub body: bytes::Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    Delivered,
    Refused,
    Unavailable,
}

/// Whose request it is, as far as is known.
pub type Client = IpAddr;
