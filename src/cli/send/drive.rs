//! Sends the events of a run: so many at once, each when it is due, until all are answered or
//! somebody has enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;

/// How much, and how fast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) count: u32,
    /// Requests under way at once, at most.
    pub(super) concurrency: u32,
    pub(super) pace: Pace,
}

/// Ends a run early.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    /// Starts nothing more.
    pub(super) soon: CancellationToken,
    /// Does not wait for answers either.
    pub(super) now: CancellationToken,
}

/// What is done with each event.
pub(super) trait Task: Send + Sync + 'static {
    /// Sends the event of this number, from 0, and says what came of it.
    fn send(&self, event: u32) -> impl Future<Output = Self::Outcome> + Send;

    /// Takes note of it. `took`: since the event was due, or since it was sent where nothing is.
    fn done(&self, event: u32, outcome: Self::Outcome, took: Duration);

    /// What came of an event.
    type Outcome: Send;
}

/// Sends everything; answers with the number of events that were started.
pub(super) async fn drive<T: Task>(load: Load, task: Arc<T>, stop: &Stop) -> u32 {
    let next = Arc::new(AtomicU32::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..load.concurrency.min(load.count) {
        workers.spawn(work(load, Arc::clone(&next), Arc::clone(&task), stop.clone()));
    }
    let started = workers.join_all().await;
    started.into_iter().sum()
}

/// One of those who send. Takes the next number, waits until it is due, and sends it.
async fn work<T: Task>(load: Load, next: Arc<AtomicU32>, task: Arc<T>, stop: Stop) -> u32 {
    let mut started = 0;
    loop {
        let event = next.fetch_add(1, Ordering::Relaxed);
        if event >= load.count || stop.soon.is_cancelled() {
            return started;
        }
        let due = load.pace.due(event);
        if let Some(due) = due
            && stop.soon.run_until_cancelled(sleep_until(due)).await.is_none()
        {
            return started;
        }
        let from = due.unwrap_or_else(Instant::now);
        started += 1;
        let Some(outcome) = stop.now.run_until_cancelled(task.send(event)).await else {
            return started;
        };
        task.done(event, outcome, from.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Sends nothing, and takes its time for it.
    #[derive(Default)]
    struct Idle {
        time: Duration,
        /// The event that takes long, and how long.
        stall: Option<(u32, Duration)>,
        sent: Mutex<Vec<(u32, Instant)>>,
        done: Mutex<Vec<(u32, Duration)>>,
    }

    impl Task for Idle {
        type Outcome = ();

        async fn send(&self, event: u32) {
            self.sent.lock().expect("whole").push((event, Instant::now()));
            let stall = self.stall.filter(|(stalled, _)| *stalled == event);
            tokio::time::sleep(stall.map_or(self.time, |(_, time)| time)).await;
        }

        fn done(&self, event: u32, (): (), took: Duration) {
            self.done.lock().expect("whole").push((event, took));
        }
    }

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn load(count: u32, concurrency: u32, rate: Option<f64>) -> Load {
        Load { count, concurrency, pace: Pace::new(Instant::now(), rate) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_to_the_last_event() {
        let task = Arc::new(Idle { time: 7 * MILLISECOND, ..Idle::default() });
        let load = load(3000, 8, Some(300.0));
        assert_eq!(drive(load, Arc::clone(&task), &Stop::default()).await, 3000);
        for (event, at) in task.sent.lock().unwrap().iter() {
            let late = *at - load.pace.due(*event).unwrap();
            // tokio's timer counts in milliseconds.
            assert!(late <= MILLISECOND, "{event} is {late:?} late");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_slow_answer_is_counted_from_when_it_was_due() {
        let stall = Some((10, Duration::from_secs(1)));
        let task = Arc::new(Idle { time: MILLISECOND, stall, ..Idle::default() });
        drive(load(200, 1, Some(100.0)), Arc::clone(&task), &Stop::default()).await;
        let done = task.done.lock().unwrap();
        let took = |event: usize| done[event].1;
        assert_eq!(took(9), MILLISECOND);
        assert_eq!(took(10), Duration::from_secs(1));
        // The next was due 10 ms after it and sent 990 ms late, and later ones catch up.
        assert_eq!(took(11), 991 * MILLISECOND);
        assert!(took(100) < took(50) && took(199) <= 2 * MILLISECOND, "{:?}", took(199));
        let end = task.sent.lock().unwrap().last().unwrap().1;
        assert!(end - task.sent.lock().unwrap()[0].1 <= Duration::from_millis(1992));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_so_many_are_under_way_and_no_more() {
        let task = Arc::new(Idle { time: 10 * MILLISECOND, ..Idle::default() });
        let start = Instant::now();
        drive(load(40, 4, None), Arc::clone(&task), &Stop::default()).await;
        assert_eq!(start.elapsed(), 100 * MILLISECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn it_stops_soon_with_the_answers_and_at_once_without() {
        let task = Arc::new(Idle { time: 50 * MILLISECOND, ..Idle::default() });
        let stop = Stop::default();
        let running = drive(load(1000, 2, Some(10.0)), Arc::clone(&task), &stop);
        let soon = async {
            tokio::time::sleep(Duration::from_millis(420)).await;
            stop.soon.cancel();
        };
        assert_eq!(tokio::join!(running, soon).0, 5);
        assert_eq!(task.done.lock().unwrap().len(), 5, "the one under way was waited for");

        let task = Arc::new(Idle { time: Duration::from_hours(1), ..Idle::default() });
        let running = drive(load(1000, 2, None), Arc::clone(&task), &stop);
        assert_eq!(running.await, 0, "nothing starts after the end");
        let stop = Stop::default();
        let running = drive(load(1000, 2, None), Arc::clone(&task), &stop);
        let now = async {
            tokio::time::sleep(MILLISECOND).await;
            stop.now.cancel();
        };
        assert_eq!(tokio::join!(running, now).0, 2);
        assert!(task.done.lock().unwrap().is_empty());
    }
}
