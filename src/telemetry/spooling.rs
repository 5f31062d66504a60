//! What the spool tells: commits, sizes, refusals, health.

use std::path::Path;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::causes;

/// The spool's metrics, under `postgate_spool_`.
#[derive(Debug)]
pub struct SpoolMetrics {
    commit_seconds: Histogram,
    batch_events: Histogram,
    bytes: Gauge,
    quarantine_bytes: Gauge,
    events: Family<StateLabel, Gauge>,
    healthy: Gauge,
    refusals: Family<RefusalLabel, Counter>,
    commit_failures: Counter,
    read_failures: Counter,
    passed: Family<WhatLabel, Counter>,
    expired: Counter,
    operated: Family<OperationLabel, Counter>,
}

/// Why an event was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpoolRefusal {
    /// `spool.max_bytes` is reached.
    Full,
    /// Quarantine has its share.
    QuarantineFull,
    /// Too much waits for the disk.
    Busy,
    /// The commit failed.
    Failed,
    /// The spool is closed.
    Closed,
}

/// The numbers that the gauges show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolNumbers {
    /// Undelivered events.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
    /// Different requests in quarantine.
    pub quarantined: u64,
    /// What of the file they take.
    pub quarantine_bytes: u64,
    /// Bytes of the file that hold something.
    pub bytes: u64,
}

/// Whether a change of health is news: one that follows close on another is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// As an ERROR, or INFO.
    Aloud,
    /// At most as DEBUG.
    Quietly,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhatLabel {
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

impl SpoolMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            // From 0.1 ms, a disk with its own battery, to 6.5 s, a disk in trouble.
            commit_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 17)),
            batch_events: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            bytes: Gauge::default(),
            quarantine_bytes: Gauge::default(),
            events: Family::default(),
            healthy: Gauge::default(),
            refusals: Family::default(),
            commit_failures: Counter::default(),
            read_failures: Counter::default(),
            passed: Family::default(),
            expired: Counter::default(),
            operated: Family::default(),
        };
        metrics.register(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("spool");
        let commit = self.commit_seconds.clone();
        registry.register("commit_seconds", "Time of a commit, fsync included", commit);
        let batch = self.batch_events.clone();
        registry.register("batch_events", "Arrivals in a commit", batch);
        let bytes = self.bytes.clone();
        registry.register("bytes", "Bytes of the file that hold something", bytes);
        let bytes = self.quarantine_bytes.clone();
        registry.register("quarantine_bytes", "Bytes of the requests in quarantine", bytes);
        let events = self.events.clone();
        registry.register("events", "Events by state", events);
        let healthy = self.healthy.clone();
        registry.register("healthy", "1 while the last commit succeeded", healthy);
        let refusals = self.refusals.clone();
        registry.register("refusals", "Events not accepted, by reason", refusals);
        let failures = self.commit_failures.clone();
        registry.register("commit_failures", "Commits that were rolled back", failures);
        let failures = self.read_failures.clone();
        registry.register("read_failures", "Bodies that could not be read", failures);
        let passed = self.passed.clone();
        registry.register("damage_passed", "What damaged pages kept from being written", passed);
        let expired = self.expired.clone();
        registry.register("expired", "Delivered events deleted", expired);
        let operated = self.operated.clone();
        registry.register(
            "operated",
            "Events replayed, dropped or imported by the operator",
            operated,
        );
    }

    /// The spool is open.
    pub fn opened(&self, path: &Path, numbers: SpoolNumbers, took: Duration) {
        self.healthy.set(1);
        self.numbers(numbers);
        tracing::info!(
            path = %path.display(),
            pending = numbers.pending,
            dead = numbers.dead,
            quarantined = numbers.quarantined,
            bytes = numbers.bytes,
            took_ms = took.as_millis(),
            "spool opened"
        );
    }

    /// The folder of `spool.path` was made.
    pub fn folder_made(&self, path: &Path) {
        tracing::info!(path = %path.display(), "made the folder of the spool");
    }

    /// The file had the format of an earlier version.
    pub fn brought_up(&self, path: &Path, from: i64, to: i64) {
        tracing::info!(path = %path.display(), from, to, "brought the spool to this version's format");
    }

    /// Some events in the file cannot be read.
    pub fn damaged(&self, path: &Path, places: u64) {
        tracing::error!(
            path = %path.display(),
            places,
            mend = "`postgate spool verify` says how",
            "pages of the spool are damaged: it goes on without the events on them"
        );
    }

    /// The file is at rest.
    pub fn closed(&self) {
        tracing::info!("spool closed");
    }

    /// The file could not be brought to rest. Nothing is lost: the next open takes longer.
    pub fn close_failed(&self, error: &dyn std::error::Error) {
        tracing::warn!(error = %causes(error), "spool not closed cleanly; nothing is lost");
    }

    /// Settlements could not be written before the end: their events are delivered once more.
    pub fn settlements_lost(&self, settlements: usize) {
        tracing::error!(
            settlements,
            "spool closed with unwritten settlements: \
             these events will be delivered again"
        );
    }

    /// A batch is durable.
    pub fn committed(&self, took: Duration, arrivals: u32) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.batch_events.observe(f64::from(arrivals));
    }

    /// The gauges' new values.
    pub fn numbers(&self, numbers: SpoolNumbers) {
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.bytes, numbers.bytes);
        set(&self.quarantine_bytes, numbers.quarantine_bytes);
        let states = [
            ("pending", numbers.pending),
            ("dead", numbers.dead),
            ("quarantined", numbers.quarantined),
        ];
        for (state, value) in states {
            set(&self.events.get_or_create(&StateLabel { state }), value);
        }
    }

    /// A damaged page kept this from being written. Each kind is logged once: the file does not mend
    /// by itself, and the counters tell how much it is.
    pub fn passed(&self, what: &'static str, error: Option<&impl std::error::Error>) {
        let counter = self.passed.get_or_create(&WhatLabel { what }).clone();
        if counter.inc() == 0 {
            tracing::error!(
                what,
                error = error.map(|error| causes(error)),
                mend = "`postgate spool verify` says how",
                "the spool goes on beside a damaged page; told once, and counted from now on"
            );
        }
    }

    /// A commit failed. Told when it is news: the disk must be looked at. `mend` says how, as far as
    /// the engine's code tells.
    pub fn commit_failed(&self, error: &dyn std::error::Error, mend: &str, tell: Tell) {
        self.commit_failures.inc();
        self.healthy.set(0);
        if tell == Tell::Aloud {
            tracing::error!(
                error = %causes(error),
                mend,
                "the spool cannot write; nothing is accepted until it can, and delivery goes on"
            );
        } else {
            tracing::debug!(error = %causes(error), "the spool still cannot write");
        }
    }

    /// Writing works again.
    pub fn recovered(&self, tell: Tell) {
        self.healthy.set(1);
        if tell == Tell::Aloud {
            tracing::info!("the spool can write again");
        }
    }

    /// `spool.max_bytes` is reached.
    pub fn became_full(&self, bytes: u64, max_bytes: u64) {
        tracing::error!(
            bytes,
            max_bytes,
            "the spool is full; nothing is accepted: mend the upstream, drop dead letters, or \
             raise spool.max_bytes"
        );
    }

    /// There is room again.
    pub fn has_room(&self, bytes: u64) {
        tracing::info!(bytes, "the spool has room again");
    }

    /// Quarantine has reached its share. Events that are understood are still accepted.
    pub fn quarantine_full(&self, bytes: u64, quarantine_bytes: u64) {
        tracing::error!(
            bytes,
            quarantine_bytes,
            "quarantine is full; nothing more is kept that is not understood: mend the template or \
             the route and replay, drop what is not needed, or raise spool.quarantine_share"
        );
    }

    /// There is room again.
    pub fn quarantine_has_room(&self, bytes: u64) {
        tracing::info!(bytes, "quarantine has room again");
    }

    /// Something was not accepted. Counted only: the change of state was logged.
    pub fn refused(&self, reason: SpoolRefusal) {
        let reason = match reason {
            SpoolRefusal::Full => "full",
            SpoolRefusal::QuarantineFull => "quarantine_full",
            SpoolRefusal::Busy => "busy",
            SpoolRefusal::Failed => "failed",
            SpoolRefusal::Closed => "closed",
        };
        self.refusals.get_or_create(&RefusalLabel { reason }).inc();
    }

    /// Delivered events were deleted.
    pub fn expired(&self, events: u32) {
        self.expired.inc_by(u64::from(events));
    }

    /// The operator replayed, dropped and imported events.
    pub fn operated(&self, replayed: u64, dropped: u64, imported: u64) {
        for (operation, events) in [("replay", replayed), ("drop", dropped), ("import", imported)] {
            if events > 0 {
                self.operated.get_or_create(&OperationLabel { operation }).inc_by(events);
                tracing::info!(operation, events, "the operator changed the spool");
            }
        }
    }

    /// The body of an event could not be read; it is tried again.
    pub fn unreadable(&self, seq: i64, error: &dyn std::error::Error, mend: &str) {
        self.read_failures.inc();
        tracing::error!(
            seq,
            error = %causes(error),
            mend,
            "the spool cannot read an event; trying again, and going on with the others"
        );
    }

    /// The body of an event is not in the file.
    pub fn body_missing(&self, seq: i64) {
        self.read_failures.inc();
        tracing::error!(seq, "an event has no body in the spool: it was made a dead letter");
    }
}
