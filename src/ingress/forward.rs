//! The way of a `direct` route to the upstream: a function that whoever wires the front door puts
//! in, so that the front door knows nothing of delivery.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::spool::EventId;

/// Forwards an event of a `direct` route at once. Made by whoever wires the front door to delivery.
#[derive(Clone)]
pub struct Forward(Arc<dyn Fn(ForwardedEvent) -> Forwarding + Send + Sync>);

/// A forward under way.
pub type Forwarding = Pin<Box<dyn Future<Output = Forwarded> + Send>>;

/// An event to be forwarded at once.
#[derive(Clone, Debug)]
pub struct ForwardedEvent {
    /// Made at acceptance.
    pub id: EventId,
    /// When it was received.
    pub accepted: Timestamp,
    /// Who waits for the outcome.
    pub client: IpAddr,
    /// The canonical body.
    pub body: Bytes,
}

/// What the upstream made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// It took it.
    Delivered,
    /// It refused it: another try would not help.
    Refused,
    /// It is away or failing.
    Unavailable,
}

impl Forward {
    /// Wraps the function that forwards.
    pub fn new(forward: impl Fn(ForwardedEvent) -> Forwarding + Send + Sync + 'static) -> Self {
        Self(Arc::new(forward))
    }

    pub(super) fn start(&self, event: ForwardedEvent) -> Forwarding {
        (self.0)(event)
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward(…)")
    }
}
