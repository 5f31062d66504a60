//! Work that has an end, though nobody may wait for it any more. Over HTTP/2 the library drops a request
//! with its stream, and a sender ends that when it likes; what the disk or an upstream was handed by then
//! goes on, and whoever holds room for it must see the end.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Does this work where it is awaited. What is left of it when that ends early is one of these tasks.
pub(super) fn to_its_end<F>(work: F, tasks: &TaskTracker) -> ToItsEnd<F>
where
    F: Future + Send + 'static,
{
    ToItsEnd { left: Some(Box::pin(work)), tasks: tasks.clone() }
}

/// What [`to_its_end`] makes.
pub(super) struct ToItsEnd<F: Future + Send + 'static> {
    /// `None`: it has ended, or panicked.
    left: Option<Pin<Box<F>>>,
    tasks: TaskTracker,
}

impl<F: Future + Send + 'static> Future for ToItsEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(mut left) = self.left.take() else { return Poll::Pending };
        let polled = left.as_mut().poll(context);
        if polled.is_pending() {
            self.left = Some(left);
        }
        polled
    }
}

impl<F: Future + Send + 'static> Drop for ToItsEnd<F> {
    fn drop(&mut self) {
        // Without a runtime, the process is at its end.
        if let (Some(left), Ok(runtime)) = (self.left.take(), Handle::try_current()) {
            self.tasks.spawn_on(async { drop(left.await) }, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Work of two steps that counts how often it was done.
    async fn twice(done: Arc<AtomicUsize>) -> &'static str {
        tokio::task::yield_now().await;
        done.fetch_add(1, Ordering::SeqCst);
        "done"
    }

    #[tokio::test]
    async fn it_is_done_once_whoever_waits() {
        let (done, tasks) = (Arc::new(AtomicUsize::new(0)), TaskTracker::new());
        assert_eq!(to_its_end(twice(Arc::clone(&done)), &tasks).await, "done");
        assert!(tasks.is_empty(), "no task where it is waited for");

        let mut left = to_its_end(twice(Arc::clone(&done)), &tasks);
        tokio::select! {
            biased;
            _ = &mut left => panic!("too early"),
            () = std::future::ready(()) => drop(left),
        }
        assert_eq!((done.load(Ordering::SeqCst), tasks.len()), (1, 1));
        tasks.close();
        tasks.wait().await;
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_has_panicked_is_not_begun_again() {
        let tasks = TaskTracker::new();
        let broken = to_its_end(async { panic!("a bug, as ordered by the test") }, &tasks);
        assert!(TaskTracker::new().spawn(broken).await.is_err());
        assert!(tasks.is_empty());
    }
}
