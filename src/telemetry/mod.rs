//! What the operator sees: log lines and metrics. In: things that happened. Out: one log line and
//! one count for each. Never: bodies, secrets, query strings or customer data, at any level.
//!
//! A log line and its counter come from one function, so that they cannot disagree. Each stage has
//! its own file here.

mod connections;
mod delivery;
mod flood;
mod front;
mod lines;
mod log;
mod operator;
mod reload;
mod spooling;

pub use connections::{
    BrokenConnection, ConnectionMetrics, ConnectionRefusal, HandshakeFailure, OpenConnection,
};
pub use delivery::{Attempted, Away, DeliveryMetrics, InFlight, RouteDelivery};
pub use front::{FrontMetrics, HeadFault, RouteMetrics};
pub use log::{Log, LogError, LogFormat, LogSettings, causes, start_log};
pub use operator::{AdminMetrics, AdminRefusal};
pub use reload::{ReloadMetrics, WARN_DAYS};
pub use spooling::{SpoolMetrics, SpoolNumbers, SpoolRefusal, Tell};

use prometheus_client::registry::Registry;

/// Every metric of the process, and the registry that `/metrics` prints.
#[derive(Debug)]
pub struct Telemetry {
    /// Connections, from the socket to their first request.
    pub connections: ConnectionMetrics,
    /// Requests, refusals, acceptances.
    pub front: FrontMetrics,
    /// Commits, sizes, backlog.
    pub spool: SpoolMetrics,
    /// Attempts at the upstream and what came of them.
    pub delivery: DeliveryMetrics,
    /// Refusals at the operator's listener.
    pub admin: AdminMetrics,
    /// Configurations taken over or refused while running, and the certificate's end.
    pub reload: ReloadMetrics,
    registry: Registry,
}

impl Telemetry {
    /// Registers every metric under the prefix `postgate_`.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("postgate");
        log::register(&mut registry);
        Self {
            connections: ConnectionMetrics::new(&mut registry),
            front: FrontMetrics::new(&mut registry),
            spool: SpoolMetrics::new(&mut registry),
            delivery: DeliveryMetrics::new(&mut registry),
            admin: AdminMetrics::new(&mut registry),
            reload: ReloadMetrics::new(&mut registry),
            registry,
        }
    }

    /// Tells of what strangers have brought about in the last second and had no line of its own. To be
    /// called each second: they decide how much there is.
    pub fn tell_untold(&self) {
        self.connections.tell_untold();
        self.front.tell_untold();
        self.admin.tell_untold();
    }

    /// The `OpenMetrics` text of everything counted so far.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a `String` cannot fail; a metric that refused to encode would only be
        // missing.
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}
