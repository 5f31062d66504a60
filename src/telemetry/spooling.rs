//! Metrics and log lines.

use prometheus_client::registry::Registry;

/// Placeholder until its stage fills it.
#[derive(Debug, Default)]
pub struct SpoolMetrics {}

impl SpoolMetrics {
    pub(super) fn new(_registry: &mut Registry) -> Self {
        Self {}
    }
}
