//! Direct delivery: one try, now, and the sender is told what came of it.

use tokio::time::{Instant, timeout_at};

use super::outcome::{Failure, FailureKind, Outcome};
use super::policy::{Judgement, judge};
use super::route::{Inner, Route, Tried, attempted};
use super::{DirectOutcome, Outgoing};
use crate::clock::{self, Timestamp};

impl Route {
    /// Forwards once, now, for a route with `delivery = "direct"`. Takes at most
    /// `upstream.timeout`, waiting for a place among `max_in_flight` included.
    pub async fn forward(&self, event: Outgoing) -> DirectOutcome {
        let inner = self.current();
        let deadline = Instant::now() + inner.upstream.timeout;
        let Ok(_permit) = timeout_at(deadline, inner.upstream.permit()).await else {
            let cause = "upstream.max_in_flight was reached all the time";
            return inner.answer(&event, &Tried::not(FailureKind::Busy, cause, clock::now()));
        };
        let Some(pass) = inner.upstream.breaker.pass() else {
            let cause = "the upstream is away, and another event probes";
            return inner.answer(&event, &Tried::not(FailureKind::Away, cause, clock::now()));
        };
        let tried = inner.attempt(&event, deadline).await;
        let standing = inner.return_pass(pass, &event, &tried);
        inner.note_health(&tried, standing);
        inner.answer(&event, &tried)
    }
}

impl Inner {
    /// Reports a direct attempt, and says what its sender is to be told.
    fn answer(&self, event: &Outgoing, tried: &Tried) -> DirectOutcome {
        let attempted = attempted(event, &tried.outcome);
        match (judge(&tried.outcome), tried.outcome.status()) {
            (Judgement::Taken, _) => {
                self.telemetry.delivered(attempted);
                DirectOutcome::Delivered
            }
            (Judgement::Refused, Some(status)) => {
                self.telemetry.refused(attempted);
                DirectOutcome::Refused(status)
            }
            (Judgement::Refused, None) | (Judgement::Later, _) => {
                self.telemetry.unavailable(attempted);
                DirectOutcome::Unavailable
            }
        }
    }
}

impl Tried {
    /// Ended before it began.
    fn not(kind: FailureKind, cause: &'static str, now: Timestamp) -> Self {
        let outcome = Outcome::Failed(Failure { kind, cause: cause.to_owned() });
        Self { began: now, ended: now, outcome }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::super::fixture::{self, SOON, counted, event, gate, route, serve_status};
    use super::super::settings::UpstreamSettings;
    use super::*;

    #[tokio::test]
    async fn a_direct_sender_is_told_what_the_upstream_said() {
        for (code, told, outcome) in [
            (202, DirectOutcome::Delivered, "delivered"),
            (404, DirectOutcome::Refused(404), "refused"),
            (301, DirectOutcome::Refused(301), "refused"),
            (429, DirectOutcome::Unavailable, "unavailable"),
            (503, DirectOutcome::Unavailable, "unavailable"),
        ] {
            let (address, mut requests) = serve_status(code).await;
            let (route, telemetry) = route(fixture::http(address));
            let event = event();
            assert_eq!(route.forward(event.clone()).await, told, "{code}");
            assert!(counted(&telemetry, outcome), "{}", telemetry.encode());
            let seen = requests.recv().await.expect("one request");
            assert_eq!(seen.body, event.body);
            assert_eq!(seen.headers["webhook-id"], event.id.to_string());
            assert_eq!(seen.headers["authorization"], "Bearer t0ken");
            assert!(requests.try_recv().is_err(), "one try only");
        }
    }

    #[tokio::test]
    async fn max_in_flight_is_reached_and_not_passed() {
        let (address, mut arrivals, open) = gate().await;
        let (route, telemetry) =
            route(UpstreamSettings { max_in_flight: 2, ..fixture::http(address) });
        let tasks = TaskTracker::new();
        let forwards: Vec<_> = (0..3)
            .map(|_| {
                let route = route.clone();
                tasks.spawn(async move { route.forward(event()).await })
            })
            .collect();
        assert_eq!(arrivals.recv().await, Some(()));
        assert_eq!(arrivals.recv().await, Some(()));
        let in_flight = "postgate_deliveries_in_flight{route=\"actions\"} 2\n";
        assert!(telemetry.encode().contains(in_flight));
        let third = tokio::time::timeout(SOON, arrivals.recv()).await;
        assert!(third.is_err(), "no third while two are under way");

        open.add_permits(1);
        assert_eq!(arrivals.recv().await, Some(()));
        open.add_permits(2);
        for forward in forwards {
            assert_eq!(forward.await.expect("no panic"), DirectOutcome::Delivered);
        }
        let in_flight = "postgate_deliveries_in_flight{route=\"actions\"} 0\n";
        assert!(telemetry.encode().contains(in_flight));
    }

    #[tokio::test]
    async fn a_sender_that_finds_no_place_in_time_is_asked_to_try_again() {
        let (address, mut arrivals, _open) = gate().await;
        let (route, telemetry) =
            route(UpstreamSettings { max_in_flight: 1, timeout: SOON, ..fixture::http(address) });
        let _held = route.current().upstream.permit().await;
        assert_eq!(route.forward(event()).await, DirectOutcome::Unavailable);
        assert!(arrivals.try_recv().is_err(), "nothing was sent");
        assert!(counted(&telemetry, "unavailable"), "{}", telemetry.encode());
    }

    #[tokio::test]
    async fn the_timeout_bounds_an_attempt() {
        let (address, mut arrivals, _open) = gate().await;
        let (route, _telemetry) =
            route(UpstreamSettings { timeout: SOON, ..fixture::http(address) });
        assert_eq!(route.forward(event()).await, DirectOutcome::Unavailable);
        assert_eq!(arrivals.recv().await, Some(()));
    }
}
