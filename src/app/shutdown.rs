//! The end of the gateway: an ordered list. Each step makes the next one safe, and none of them is
//! needed for the promise: what was acknowledged is on disk already.

use std::time::Duration;

use super::Gateway;

impl Gateway {
    /// Stops in order and returns when everything has ended, or has had its time.
    pub async fn stop(self) {
        // 1. Whoever balances load stops sending.
        self.readiness.stopping();

        // 2. No new connection; requests under way are answered.
        self.stop.cancel();
        give("requests", self.shutdown_time, self.front.wait()).await;

        // 3. No new delivery; those under way end, and their outcome is noted.
        self.spool.stop_leasing();
        give("deliveries", self.shutdown_time, self.deliveries.wait()).await;

        // 4. What is noted is committed, and the file is closed.
        self.spool.close().await;

        // 5. The operator could watch until here.
        self.admin.stop();
        tracing::info!("stopped");
    }
}

/// Waits for `work` until `deadline` has passed.
async fn give(work: &'static str, deadline: Duration, done: impl Future<Output = ()>) {
    if tokio::time::timeout(deadline, done).await.is_err() {
        tracing::warn!(work, ?deadline, "did not end in time; what is not delivered is kept");
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_has_its_time_and_no_more() {
        let time = Duration::from_secs(12);
        let (less, more) = (Duration::from_millis(11_999), Duration::from_millis(12_001));
        for (takes, waited) in [(less, less), (more, time)] {
            let began = Instant::now();
            let mut done = false;
            let work = async {
                sleep(takes).await;
                done = true;
            };
            give("work", time, work).await;
            assert_eq!((began.elapsed(), done), (waited, takes < time));
        }
    }
}
