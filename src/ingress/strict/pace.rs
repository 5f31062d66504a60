//! How long the head of a request may take. hyper's own time-out runs from the answer before it, so
//! that with it a connection could not be idle for longer than a head may take.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

/// Whether some of a head has come and not all, for whoever ends idle connections.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct UnderWay(Arc<AtomicBool>);

impl UnderWay {
    pub(in super::super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The heads of one connection, one after the other.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Duration,
    /// Only for a head that did not come in one piece: most do, and cost nothing here.
    running: Option<Running>,
    under_way: UnderWay,
}

#[derive(Debug)]
struct Running {
    request: u64,
    until: Pin<Box<Sleep>>,
}

impl Pace {
    pub(super) fn new(limit: Duration, under_way: UnderWay) -> Self {
        Self { limit, running: None, under_way }
    }

    /// Bytes have come; of the head of this request some, and not all.
    pub(super) fn follow(&mut self, head: Option<u64>) {
        if self.running.as_ref().map(|running| running.request) != head {
            let until = || Box::pin(tokio::time::sleep(self.limit));
            self.running = head.map(|request| Running { request, until: until() });
            self.under_way.0.store(head.is_some(), Ordering::Relaxed);
        }
    }

    /// Ready when the head under way has taken too long.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.running {
            Some(running) => running.until.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}
