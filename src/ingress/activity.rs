//! What goes on on a connection, as far as its end depends on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::strict::UnderWay;

/// What goes on on a connection.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Requests so far.
    begun: AtomicU64,
    /// Requests beyond this one do not count.
    last: AtomicU64,
    /// Those that count and have ended.
    ended: AtomicU64,
    /// When the last of them did, in milliseconds from `opened`.
    ended_at: AtomicU64,
    /// In HTTP/1, the head of another one.
    pub(super) head: UnderWay,
    /// A head of HTTP/1.1 broke a rule, and that was told.
    pub(super) told: AtomicBool,
    /// The connection has had all its requests, or is not to have another.
    pub(super) spent: Notify,
    /// More frames than a client has reason to send.
    pub(super) flooded: Notify,
}

/// A request under way, until dropped: answered, or left by its sender.
pub(super) struct Active {
    pub(super) activity: Arc<Activity>,
    /// Which one on its connection, from 1.
    pub(super) number: u64,
}

impl Activity {
    pub(super) fn new() -> Self {
        let zero = AtomicU64::default;
        let (begun, ended, ended_at) = (zero(), zero(), zero());
        let last = AtomicU64::new(u64::MAX);
        let (head, told) = (UnderWay::default(), AtomicBool::new(false));
        let (spent, flooded) = (Notify::new(), Notify::new());
        let opened = Instant::now();
        Self { opened, begun, last, ended, ended_at, head, told, spent, flooded }
    }

    pub(super) fn begin(self: &Arc<Self>) -> Active {
        let before = self.begun.fetch_add(1, Ordering::Relaxed);
        Active { activity: Arc::clone(self), number: before.saturating_add(1) }
    }

    pub(super) fn is_unused(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == 0
    }

    /// Whatever begins from now on does not count.
    pub(super) fn close(&self) {
        let begun = self.begun.load(Ordering::Relaxed);
        self.last.fetch_min(begun, Ordering::Relaxed);
    }

    /// `None`: a request is under way that counts.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let ended = self.ended.load(Ordering::Acquire);
        let ended_at = Duration::from_millis(self.ended_at.load(Ordering::Relaxed));
        let begun = self.begun.load(Ordering::Relaxed).min(self.last.load(Ordering::Relaxed));
        (ended == begun).then(|| self.opened + ended_at)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let Activity { opened, last, ended, ended_at, .. } = &*self.activity;
        if self.number > last.load(Ordering::Relaxed) {
            return;
        }
        let now = u64::try_from(opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        ended_at.fetch_max(now, Ordering::Relaxed);
        ended.fetch_add(1, Ordering::Release);
    }
}
