//! What happens at the operator's listener.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::flood::Flood;

/// A failing accept is logged the first time, and then about every half minute: it is tried ten times a
/// second.
const ACCEPT_LOG_EVERY: u32 = 320;

/// Why a request to the operator's listener was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdminRefusal {
    /// 404.
    UnknownPath,
    /// 405.
    UnknownMethod,
    /// 401: no token, or another one.
    WrongToken,
    /// 403: a web page may be behind it, and there is no token.
    ForeignPage,
    /// 400: its query or its body says nothing that can be done.
    BadRequest,
    /// 404: it is about an event that is not there.
    UnknownEvent,
    /// 408: its body did not come.
    SlowBody,
    /// 503: the spool could not be read or written.
    SpoolFailed,
    /// 503: what it asks for took too long.
    SpoolSlow,
}

impl AdminRefusal {
    fn word(self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::UnknownMethod => "unknown_method",
            Self::WrongToken => "wrong_token",
            Self::ForeignPage => "foreign_page",
            Self::BadRequest => "bad_request",
            Self::UnknownEvent => "unknown_event",
            Self::SlowBody => "slow_body",
            Self::SpoolFailed => "spool_failed",
            Self::SpoolSlow => "spool_slow",
        }
    }
}

impl EncodeLabelValue for AdminRefusal {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        self.word().encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: AdminRefusal,
}

/// Refusals and failures of the operator's listener.
#[derive(Debug)]
pub struct AdminMetrics {
    refusals: Family<Reason, Counter>,
    accept_failures: Counter,
    refusals_told: Flood,
}

impl AdminMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            refusals: Family::default(),
            accept_failures: Counter::default(),
            refusals_told: Flood::default(),
        };
        registry.register(
            "admin_refusals",
            "Requests to the admin listener that were refused",
            metrics.refusals.clone(),
        );
        registry.register(
            "admin_accept_failures",
            "Failures to accept a connection to the admin listener",
            metrics.accept_failures.clone(),
        );
        metrics
    }

    /// A request was refused. Not a warning: a scanner that finds the port must not drown the log.
    pub fn refused(&self, reason: AdminRefusal) {
        self.refusals.get_or_create(&Reason { reason }).inc();
        if self.refusals_told.has_line(reason.word()) {
            tracing::info!(reason = reason.word(), "admin request refused");
        }
    }

    /// No connection could be accepted, most often for want of file descriptors, for the `streak`th time
    /// in a row.
    pub fn accept_failed(&self, error: &std::io::Error, streak: u32) {
        self.accept_failures.inc();
        if streak % ACCEPT_LOG_EVERY == 1 {
            tracing::warn!(%error, streak, "admin listener cannot accept");
        }
    }

    /// Tells of what had no line of its own in the last second.
    pub(super) fn tell_untold(&self) {
        for (reason, more) in self.refusals_told.next_second() {
            tracing::info!(reason, more, "admin requests refused, not told one by one");
        }
    }
}
