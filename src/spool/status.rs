//! The numbers of the spool: written by the writer and by settling, read by anybody, never locked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::store::Census;
use crate::telemetry::SpoolNumbers;

/// Numbers for readiness and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolStatus {
    /// The last commit succeeded.
    pub healthy: bool,
    /// There was no room for the last that came.
    pub full: bool,
    /// Undelivered events, also those that wait for their time or for an earlier one.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
    /// Different requests in quarantine.
    pub quarantined: u64,
    /// What of the file they take, about.
    pub quarantine_bytes: u64,
    /// There was no room in quarantine for the last that came.
    pub quarantine_full: bool,
    /// Bytes of the file that hold something, at the last commit. The write-ahead log beside it
    /// is not counted.
    pub bytes: u64,
}

impl SpoolStatus {
    /// What the gauges show of it.
    #[must_use]
    pub const fn numbers(self) -> SpoolNumbers {
        let Self { pending, dead, quarantined, quarantine_bytes, bytes, .. } = self;
        SpoolNumbers { pending, dead, quarantined, quarantine_bytes, bytes }
    }
}

/// The same numbers where they change.
#[derive(Debug, Default)]
pub(super) struct Status {
    failing: AtomicBool,
    full: AtomicBool,
    dead: AtomicU64,
    quarantined: AtomicU64,
    quarantine_bytes: AtomicU64,
    quarantine_full: AtomicBool,
    bytes: AtomicU64,
}

impl Status {
    pub(super) fn start(&self, census: &Census, bytes: u64) {
        self.dead.store(census.dead, Ordering::Relaxed);
        self.quarantined.store(census.quarantined, Ordering::Relaxed);
        self.set_quarantine_bytes(census.quarantine_bytes);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Notes whether writing works; answers whether that is news.
    pub(super) fn set_healthy(&self, healthy: Health) -> bool {
        let failing = healthy == Health::Failing;
        self.failing.swap(failing, Ordering::Relaxed) != failing
    }

    pub(super) fn health(&self) -> Health {
        if self.failing.load(Ordering::Relaxed) { Health::Failing } else { Health::Good }
    }

    /// Notes whether there is room; answers whether that is news.
    pub(super) fn set_room(&self, room: Room) -> bool {
        let full = room == Room::Full;
        self.full.swap(full, Ordering::Relaxed) != full
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add_dead(&self) {
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_quarantined(&self, bytes: u64) {
        self.quarantined.fetch_add(1, Ordering::Relaxed);
        self.quarantine_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_quarantine_bytes(&self, bytes: u64) {
        self.quarantine_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn quarantine_bytes(&self) -> u64 {
        self.quarantine_bytes.load(Ordering::Relaxed)
    }

    /// Notes whether quarantine has room; answers whether that is news.
    pub(super) fn set_quarantine_room(&self, room: Room) -> bool {
        let full = room == Room::Full;
        self.quarantine_full.swap(full, Ordering::Relaxed) != full
    }

    /// A dead letter was replayed or dropped. May come before its [`Status::add_dead`]: the number
    /// then wraps, for that moment.
    pub(super) fn remove_dead(&self) {
        self.dead.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn remove_quarantined(&self) {
        self.quarantined.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, pending: u64) -> SpoolStatus {
        SpoolStatus {
            healthy: self.health() == Health::Good,
            full: self.full.load(Ordering::Relaxed),
            pending,
            dead: unwrapped(self.dead.load(Ordering::Relaxed)),
            quarantined: self.quarantined.load(Ordering::Relaxed),
            quarantine_bytes: self.quarantine_bytes(),
            quarantine_full: self.quarantine_full.load(Ordering::Relaxed),
            bytes: self.bytes(),
        }
    }
}

/// A number that has wrapped below zero for a moment counts as zero.
fn unwrapped(number: u64) -> u64 {
    if i64::try_from(number).is_ok() { number } else { 0 }
}

/// Whether the last commit succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    Failing,
}

/// Whether there was room for the last that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    Full,
}
