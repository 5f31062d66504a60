//! Direct delivery: now, with retries as long as the sender waits, and the sender is told what came
//! of it.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::breaker::Standing;
use super::outcome::{Failure, FailureKind, Outcome};
use super::policy::{Decision, Judgement, Try, judge};
use super::route::{Inner, Route, Tried, attempted};
use super::{DirectOutcome, Outgoing};
use crate::clock::{self, Timestamp};

impl Route {
    /// Forwards now, for a route with `delivery = "direct"`. What may help later is tried again
    /// after the pauses of `[retry]`, up to `retry.direct_time` in all; an upstream that is away is
    /// not waited for.
    pub async fn forward(&self, mut event: Outgoing, sender: IpAddr) -> DirectOutcome {
        let inner = self.current();
        let deadline = Instant::now() + inner.retry.direct_time;
        loop {
            let (tried, standing) = inner.try_now(&event, sender, deadline).await;
            let wait = inner.wait(&event, &tried, standing);
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(wait) = wait.filter(|wait| *wait < left) else {
                return inner.answer(&event, &tried);
            };
            inner.telemetry.retry(attempted(&event, &tried.outcome), wait);
            sleep(wait).await;
            event.attempt = event.attempt.saturating_add(1);
        }
    }
}

impl Inner {
    /// One attempt of an event that somebody waits for: within `upstream.timeout`, waiting for a
    /// place among `max_in_flight` included.
    async fn try_now(
        &self,
        event: &Outgoing,
        sender: IpAddr,
        deadline: Instant,
    ) -> (Tried, Standing) {
        let deadline = deadline.min(Instant::now() + self.upstream.timeout);
        let Ok(_place) = timeout_at(deadline, self.upstream.permit_for(sender)).await else {
            let cause =
                "upstream.max_in_flight, or half of it for one address, was reached all the time";
            return (Tried::not(FailureKind::Busy, cause, clock::now()), Standing::There);
        };
        let Some(pass) = self.upstream.breaker.pass() else {
            let cause = "the upstream is away, and another event probes";
            return (Tried::not(FailureKind::Away, cause, clock::now()), Standing::Away);
        };
        let tried = self.attempt(event, deadline).await;
        let standing = self.return_pass(pass, event, &tried);
        self.note_health(&tried, standing);
        (tried, standing)
    }

    /// How long to wait before the next attempt; `None`: there is none.
    fn wait(&self, event: &Outgoing, tried: &Tried, standing: Standing) -> Option<Duration> {
        let &Outgoing { attempt, accepted, .. } = event;
        let attempt = Try { attempt, since: accepted, now: tried.ended, standing };
        match self.decide(tried, attempt) {
            Decision::RetryAt(at) => Some(at.since(tried.ended)),
            // Away: everybody who sends now would wait in vain.
            Decision::PutBack(_) | Decision::Done | Decision::Dead(_) => None,
        }
    }

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
        Self { ended: now, outcome }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use tokio::sync::mpsc;
    use tokio::time::timeout;
    use tokio_util::task::TaskTracker;

    use super::super::fixture::{
        self, PATIENCE, SOON, Seen, counted, event, gate, route, serve, serve_status, status,
    };
    use super::super::settings::UpstreamSettings;
    use super::*;
    use crate::telemetry::Telemetry;

    const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    /// A route that makes one attempt, whose senders wait for much longer than a test.
    fn once(upstream: UpstreamSettings) -> (Route, Arc<Telemetry>) {
        let mut settings = fixture::route_settings(upstream);
        settings.retry.max_attempts = Some(1);
        settings.retry.direct_time = Duration::from_hours(1);
        fixture::route_of(&settings)
    }

    /// A route whose senders wait for so long.
    fn waiting(upstream: UpstreamSettings, direct_time: Duration) -> (Route, Arc<Telemetry>) {
        let mut settings = fixture::route_settings(upstream);
        settings.retry.direct_time = direct_time;
        fixture::route_of(&settings)
    }

    #[tokio::test]
    async fn what_may_help_later_is_tried_again_while_the_sender_waits() {
        let (seen, mut requests) = mpsc::unbounded_channel();
        let address = serve(move |request: Seen| {
            let attempt = request.headers["postgate-attempt"].to_str().expect("text").to_owned();
            let code = if attempt == "3" { 201 } else { 500 };
            seen.send((attempt, request.headers["webhook-id"].clone())).ok();
            async move { status(code) }
        })
        .await;
        let (route, telemetry) = waiting(fixture::http(address), PATIENCE);
        let event = event();
        assert_eq!(route.forward(event.clone(), SENDER).await, DirectOutcome::Delivered);
        for number in ["1", "2", "3"] {
            let (attempt, id) = requests.recv().await.expect("three requests");
            assert_eq!((attempt.as_str(), id), (number, event.id.to_string().parse().unwrap()));
        }
        assert!(counted(&telemetry, "delivered"), "{}", telemetry.encode());
        assert!(!counted(&telemetry, "unavailable"), "{}", telemetry.encode());
    }

    #[tokio::test]
    async fn the_sender_is_kept_no_longer_than_direct_time() {
        let (address, mut requests) = serve_status(500).await;
        let (route, telemetry) = waiting(fixture::http(address), SOON);
        let answered = timeout(PATIENCE, route.forward(event(), SENDER)).await;
        assert_eq!(answered, Ok(DirectOutcome::Unavailable));
        assert!(requests.recv().await.is_some());
        assert!(counted(&telemetry, "unavailable"), "{}", telemetry.encode());

        let (address, mut arrivals, _open) = gate().await;
        let (route, _telemetry) = waiting(fixture::http(address), SOON);
        let answered = timeout(PATIENCE / 2, route.forward(event(), SENDER)).await;
        assert_eq!(answered, Ok(DirectOutcome::Unavailable), "an attempt ends with it");
        assert_eq!(arrivals.recv().await, Some(()));
    }

    #[tokio::test]
    async fn a_pause_that_the_sender_would_not_wait_for_is_not_begun() {
        let (seen, mut requests) = mpsc::unbounded_channel();
        let address = serve(move |request: Seen| {
            seen.send(request).ok();
            async move {
                let mut response = status(429);
                response.headers_mut().insert("retry-after", 60.into());
                response
            }
        })
        .await;
        let (route, _telemetry) = waiting(fixture::http(address), Duration::from_mins(1));
        let answered = timeout(PATIENCE, route.forward(event(), SENDER)).await;
        assert_eq!(answered, Ok(DirectOutcome::Unavailable));
        assert!(requests.recv().await.is_some());
        assert!(requests.try_recv().is_err());
    }

    #[tokio::test]
    async fn an_upstream_that_is_away_is_not_waited_for() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let lost = UpstreamSettings {
            breaker_failures: 1,
            breaker_pause: Duration::from_hours(1),
            ..fixture::http(address)
        };
        let (route, telemetry) = waiting(lost, Duration::from_hours(1));
        for _ in 0..3 {
            let answered = timeout(PATIENCE, route.forward(event(), SENDER)).await;
            assert_eq!(answered, Ok(DirectOutcome::Unavailable));
        }
        let attempts = "postgate_delivery_seconds_count{route=\"actions\"} 1\n";
        assert!(telemetry.encode().contains(attempts), "{}", telemetry.encode());
    }

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
            let (route, telemetry) = once(fixture::http(address));
            let event = event();
            assert_eq!(route.forward(event.clone(), SENDER).await, told, "{code}");
            assert!(counted(&telemetry, outcome), "{}", telemetry.encode());
            let seen = requests.recv().await.expect("one request");
            assert_eq!(seen.body, event.body);
            assert_eq!(seen.headers["webhook-id"], event.id.to_string());
            assert_eq!(seen.headers["authorization"], "Bearer t0ken");
        }
    }

    #[tokio::test]
    async fn senders_of_one_address_leave_half_of_the_places_to_others() {
        let (address, mut arrivals, open) = gate().await;
        let (route, _telemetry) =
            route(UpstreamSettings { max_in_flight: 2, ..fixture::http(address) });
        let tasks = TaskTracker::new();
        let forward = |sender| {
            let route = route.clone();
            tasks.spawn(async move { route.forward(event(), sender).await })
        };
        let crowd: Vec<_> = (0..3).map(|_| forward(SENDER)).collect();
        assert_eq!(arrivals.recv().await, Some(()));
        let lone = forward(Ipv4Addr::LOCALHOST.into());
        assert_eq!(arrivals.recv().await, Some(()));
        open.add_permits(4);
        for forward in crowd.into_iter().chain([lone]) {
            assert_eq!(forward.await.expect("no panic"), DirectOutcome::Delivered);
        }
    }

    #[tokio::test]
    async fn max_in_flight_is_reached_and_not_passed() {
        let (address, mut arrivals, open) = gate().await;
        let (route, telemetry) =
            route(UpstreamSettings { max_in_flight: 2, ..fixture::http(address) });
        let tasks = TaskTracker::new();
        let forwards: Vec<_> = (1..=3)
            .map(|last| {
                let route = route.clone();
                tasks.spawn(async move { route.forward(event(), [127, 0, 0, last].into()).await })
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
            once(UpstreamSettings { max_in_flight: 1, timeout: SOON, ..fixture::http(address) });
        let _held = route.current().upstream.permit().await;
        let answered = timeout(PATIENCE, route.forward(event(), SENDER)).await;
        assert_eq!(answered, Ok(DirectOutcome::Unavailable));
        assert!(arrivals.try_recv().is_err(), "nothing was sent");
        assert!(counted(&telemetry, "unavailable"), "{}", telemetry.encode());
    }

    #[tokio::test]
    async fn the_timeout_bounds_an_attempt() {
        let (address, mut arrivals, _open) = gate().await;
        let (route, _telemetry) =
            once(UpstreamSettings { timeout: SOON, ..fixture::http(address) });
        let answered = timeout(PATIENCE, route.forward(event(), SENDER)).await;
        assert_eq!(answered, Ok(DirectOutcome::Unavailable));
        assert_eq!(arrivals.recv().await, Some(()));
    }
}
