//! How long the head of a request may take. hyper's own time-out runs from the answer before it, so
//! that with it a connection could not be idle for longer than a head may take.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

/// The heads of one connection, one after the other.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Duration,
    /// Only for a head that did not come in one piece: most do, and cost nothing here.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    request: u64,
    until: Pin<Box<Sleep>>,
}

impl Pace {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, running: None }
    }

    /// Bytes have come; of the head of this request some, and not all.
    pub(super) fn follow(&mut self, under_way: Option<u64>) {
        if self.running.as_ref().map(|running| running.request) != under_way {
            let until = || Box::pin(tokio::time::sleep(self.limit));
            self.running = under_way.map(|request| Running { request, until: until() });
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
