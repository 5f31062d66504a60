//! How far the process has come, as the orchestrator wants to know it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A stage in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not yet serving: the spool is being opened or the listener bound.
    Starting,
    /// Serving.
    Ready,
    /// Shutdown has begun. There is no way back.
    Stopping,
}

/// The shared handle: `app` sets it, `/readyz` reads it. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    serving: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// A process in [`Phase::Starting`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The listener serves. After [`Readiness::stopping`] it changes nothing: a late start must not
    /// turn it green.
    pub fn ready(&self) {
        self.flags.serving.store(true, Ordering::SeqCst);
    }

    /// Shutdown begins: red from now on, so that no new postback is sent here while the last ones
    /// are answered.
    pub fn stopping(&self) {
        self.flags.stopping.store(true, Ordering::SeqCst);
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.flags.stopping.load(Ordering::SeqCst) {
            Phase::Stopping
        } else if self.flags.serving.load(Ordering::SeqCst) {
            Phase::Ready
        } else {
            Phase::Starting
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_from_starting_to_ready_to_stopping_on_every_clone() {
        let readiness = Readiness::new();
        let shared = readiness.clone();
        assert_eq!(shared.phase(), Phase::Starting);
        readiness.ready();
        assert_eq!(shared.phase(), Phase::Ready);
        readiness.stopping();
        assert_eq!(shared.phase(), Phase::Stopping);
    }

    #[test]
    fn stopping_is_final() {
        let readiness = Readiness::new();
        readiness.stopping();
        readiness.ready();
        assert_eq!(readiness.phase(), Phase::Stopping);
    }
}
