//! Queued delivery: the loop over a route's leases, and the verdict on each.

use fastrand::Rng;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::Outgoing;
use super::policy::{self, Decision, Try};
use super::route::{Inner, Route, Tried, attempted};
use crate::spool::{Attempt, Lease, Spool};

impl Route {
    /// Delivers the route's events until leasing stops; returns when every delivery under way has
    /// ended.
    ///
    /// A lease is taken first and a place at the upstream second: a place held by a route without
    /// events would be missing to the routes that share the upstream.
    pub async fn run(self, spool: Spool) {
        let deliveries = TaskTracker::new();
        while let Some(lease) = spool.lease(&self.inner.name).await {
            let permit = self.inner.upstream.permit().await;
            let (route, spool) = (self.clone(), spool.clone());
            deliveries.spawn(async move {
                route.inner.deliver(lease, &spool).await;
                drop(permit);
            });
        }
        deliveries.close();
        deliveries.wait().await;
    }
}

impl Inner {
    async fn deliver(&self, lease: Lease, spool: &Spool) {
        let event = Outgoing {
            id: lease.id,
            accepted: lease.accepted,
            attempt: lease.attempt,
            body: lease.body.clone(),
        };
        let deadline = Instant::now() + self.upstream.timeout;
        let tried = self.attempt(&event, deadline).await;
        let decision = self.decide(&event, &tried);
        spool.settle(lease, record(&tried, decision), decision.into());
        self.report(&event, &tried, decision);
    }

    fn decide(&self, event: &Outgoing, tried: &Tried) -> Decision {
        let attempt = Try {
            attempt: event.attempt,
            accepted: event.accepted,
            now: tried.ended,
        };
        policy::decide(&tried.outcome, attempt, &self.retry, &mut Rng::new())
    }

    fn report(&self, event: &Outgoing, tried: &Tried, decision: Decision) {
        let attempted = attempted(event, &tried.outcome);
        match decision {
            Decision::Done => self.telemetry.delivered(attempted),
            Decision::RetryAt(at) => self.telemetry.retry(attempted, at.since(tried.ended)),
            Decision::Dead(reason) => self.telemetry.dead(attempted, &reason),
        }
        self.note_health(tried);
    }
}

/// What the history of the event keeps.
fn record(tried: &Tried, decision: Decision) -> Attempt {
    let outcome = match decision {
        Decision::Dead(reason) => format!("{}; {reason}", tried.outcome.history()),
        Decision::Done | Decision::RetryAt(_) => tried.outcome.history(),
    };
    Attempt {
        at: tried.began,
        status: tried.outcome.status(),
        outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::{self, PATIENCE, counted, event, route, serve_status};
    use super::*;

    #[tokio::test]
    async fn a_queued_attempt_is_decided_recorded_and_counted() {
        for (code, outcome, history) in [
            (200, "delivered", "answered 200 OK"),
            (500, "retry", "answered 500 Internal Server Error"),
            (
                410,
                "dead",
                "answered 410 Gone; another attempt would not help",
            ),
        ] {
            let (address, _requests) = serve_status(code).await;
            let (route, telemetry) = route(fixture::http(address));
            let event = event();
            let tried = route.inner.attempt(&event, Instant::now() + PATIENCE).await;
            let decision = route.inner.decide(&event, &tried);
            route.inner.report(&event, &tried, decision);
            match decision {
                Decision::Done => assert_eq!(code, 200),
                Decision::Dead(_) => assert_eq!(code, 410),
                Decision::RetryAt(at) => {
                    assert_eq!(code, 500);
                    assert!(at.since(tried.ended) <= Duration::from_secs(1));
                }
            }
            let record = record(&tried, decision);
            assert_eq!(record.status, Some(code));
            assert_eq!(record.outcome, history);
            assert!(counted(&telemetry, outcome), "{}", telemetry.encode());
        }
    }
}
