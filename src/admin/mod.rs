//! The operator's listener, on a thread and runtime of its own. In: requests for `/livez`,
//! `/readyz`, `/metrics` and `/spool/…`. Out: answers, even when the data path is full. Never: a
//! postback.

mod access;
mod api;
mod body;
mod desk;
mod errand;
#[cfg(test)]
mod fixture;
mod import;
mod listener;
mod orphans;
mod places;
mod query;
mod readiness;
mod record;
mod reply;

pub use desk::{DAMAGED, Desk, NEXT, exported};
pub use errand::{MOST_IDS, MOST_LINES};
pub use listener::{AdminServer, CONNECTIONS};
pub use orphans::Configured;
pub use query::MOST_RECORDS;
pub use readiness::{Phase, Readiness};
pub use reply::Answer;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::spool::SpoolStatus;
use crate::telemetry::Telemetry;

/// How long one request is worked on at the most, which is as long as the command line waits: for
/// verifying a large spool.
const WORK_TIME: Duration = Duration::from_mins(10);

/// The `[admin]` section.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where to listen. Port 0 takes a free one; [`AdminServer::local_addr`] tells which.
    pub address: SocketAddr,
    /// What `/metrics` and `/spool/…` ask for as `Authorization: Bearer …`. Needed when `address`
    /// is not loopback; an empty one counts as none.
    pub token: Option<SecretString>,
}

impl AdminSettings {
    fn token(&self) -> Option<&str> {
        let token = self.token.as_ref()?.expose_secret();
        (!token.is_empty()).then_some(token)
    }
}

/// What the answers are made of.
pub struct AdminState {
    /// How far the process has come; shared with whoever starts and stops it.
    pub readiness: Readiness,
    /// What `/metrics` prints.
    pub telemetry: Arc<Telemetry>,
    spool_status: Box<dyn Fn() -> SpoolStatus + Send + Sync>,
    desk: Option<Desk>,
}

impl AdminState {
    /// `spool_status` is asked once for each `/readyz` and must not wait for the disk: the listener
    /// has one thread.
    pub fn new(
        readiness: Readiness,
        telemetry: Arc<Telemetry>,
        spool_status: impl Fn() -> SpoolStatus + Send + Sync + 'static,
    ) -> Self {
        Self { readiness, telemetry, spool_status: Box::new(spool_status), desk: None }
    }

    /// Answers `/spool/…` as well.
    #[must_use]
    pub fn with_desk(self, desk: Desk) -> Self {
        Self { desk: Some(desk), ..self }
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

/// Why the operator's listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Others could read the metrics. The configuration refuses it as well; this is the second
    /// lock.
    #[error("admin.address {0} is not loopback and admin.token is empty")]
    TokenMissing(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on admin.address {address}")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// No runtime or no thread could be had.
    #[error("cannot start the thread of the admin listener")]
    Thread(#[source] io::Error),
}

/// Listens from now on, on a thread of its own. Returns when the socket is bound.
///
/// # Errors
/// See [`AdminError`]; nothing listens then.
pub fn start(settings: &AdminSettings, state: AdminState) -> Result<AdminServer, AdminError> {
    let token = settings.token();
    if token.is_none() && !settings.address.ip().is_loopback() {
        return Err(AdminError::TokenMissing(settings.address));
    }
    let api = api::Api::new(token, state);
    AdminServer::start(settings.address, api)
}
