//! What happens at the operator's listener.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

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
}

impl AdminRefusal {
    fn word(self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::UnknownMethod => "unknown_method",
            Self::WrongToken => "wrong_token",
            Self::ForeignPage => "foreign_page",
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
}

impl AdminMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self { refusals: Family::default(), accept_failures: Counter::default() };
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
        tracing::info!(reason = reason.word(), "admin request refused");
    }

    /// No connection could be accepted, most often for want of file descriptors.
    pub fn accept_failed(&self, error: &std::io::Error) {
        self.accept_failures.inc();
        tracing::warn!(%error, "admin listener cannot accept");
    }
}
