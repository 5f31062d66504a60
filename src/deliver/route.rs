//! One route's way to its upstream: the loop over its leases, and the one try of a direct event.

use std::sync::Arc;

use fastrand::Rng;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::outcome::{Failure, FailureKind, Outcome};
use super::policy::{self, Decision, Judgement, Try};
use super::request::Template;
use super::settings::{RetrySettings, RouteSettings};
use super::{DirectOutcome, Outgoing, Upstream};
use crate::clock::{self, Timestamp};
use crate::spool::{Attempt, Lease, RouteName, Spool};
use crate::telemetry::{Attempted, RouteDelivery, Telemetry};

/// A route's delivery, queued and direct. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Route {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: RouteName,
    template: Template,
    retry: RetrySettings,
    upstream: Arc<Upstream>,
    telemetry: RouteDelivery,
}

/// One attempt and what follows from it.
#[derive(Debug)]
struct Tried {
    began: Timestamp,
    ended: Timestamp,
    outcome: Outcome,
}

impl Route {
    /// Makes ready what does not differ between events. `upstream` is made of `settings.upstream`,
    /// or of equal settings of another route.
    #[must_use]
    pub fn new(settings: &RouteSettings, upstream: Arc<Upstream>, telemetry: &Telemetry) -> Self {
        Self {
            inner: Arc::new(Inner {
                name: Arc::clone(&settings.name),
                template: Template::new(&upstream.target, &settings.path, settings.kind),
                retry: settings.retry,
                telemetry: telemetry.delivery.route(&settings.name),
                upstream,
            }),
        }
    }

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

    /// Forwards once, now, for a route with `delivery = "direct"`. Takes at most
    /// `upstream.timeout`, waiting for a place among `max_in_flight` included.
    pub async fn forward(&self, event: Outgoing) -> DirectOutcome {
        let inner = &self.inner;
        let deadline = Instant::now() + inner.upstream.timeout;
        let tried = match timeout_at(deadline, inner.upstream.permit()).await {
            Ok(_permit) => inner.attempt(&event, deadline).await,
            Err(_elapsed) => Tried::busy(clock::now()),
        };
        inner.answer(&event, &tried)
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

    async fn attempt(&self, event: &Outgoing, deadline: Instant) -> Tried {
        let _in_flight = self.telemetry.begin();
        let began = clock::now();
        let request = self.template.request(event, began);
        let outcome = self.upstream.client.send(request, deadline).await;
        Tried {
            began,
            ended: clock::now(),
            outcome,
        }
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

    /// Reports a direct attempt, and says what its sender is to be told.
    fn answer(&self, event: &Outgoing, tried: &Tried) -> DirectOutcome {
        let attempted = attempted(event, &tried.outcome);
        let told = match (policy::judge(&tried.outcome), tried.outcome.status()) {
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
        };
        self.note_health(tried);
        told
    }

    /// A refusal is an answer of an upstream that works.
    fn note_health(&self, tried: &Tried) {
        let upstream = &*self.upstream;
        if policy::judge(&tried.outcome) == Judgement::Later {
            if let Some(complaint) = upstream.health.failed(tried.ended) {
                self.telemetry.failing(
                    &upstream.label,
                    &tried.outcome,
                    complaint.failures,
                    complaint.lasting,
                );
            }
        } else if let Some(lasted) = upstream.health.answered(tried.ended) {
            self.telemetry.recovered(&upstream.label, lasted);
        }
    }
}

impl Tried {
    /// Ended before it began: no place was free.
    fn busy(now: Timestamp) -> Self {
        Self {
            began: now,
            ended: now,
            outcome: Outcome::Failed(Failure {
                kind: FailureKind::Busy,
                cause: "upstream.max_in_flight was reached all the time".to_owned(),
            }),
        }
    }
}

fn attempted<'a>(event: &'a Outgoing, outcome: &'a Outcome) -> Attempted<'a> {
    Attempted {
        event: &event.id,
        attempt: event.attempt,
        outcome,
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
    use std::net::SocketAddr;
    use std::time::Duration;

    use tokio::sync::mpsc;
    use tokio_util::task::TaskTracker;

    use bytes::Bytes;

    use super::super::fixture::{self, PATIENCE, SOON, serve, serve_status, status};
    use super::super::settings::UpstreamSettings;
    use super::*;
    use crate::spool::EventId;

    fn route(upstream: UpstreamSettings) -> (Route, Arc<Telemetry>) {
        let settings = RouteSettings {
            name: "actions".into(),
            path: "/postback/actions".to_owned(),
            kind: "action",
            upstream,
            retry: RetrySettings {
                initial: Duration::from_secs(1),
                max: Duration::from_mins(10),
                factor: 2.0,
                max_age: Duration::from_hours(1),
                max_attempts: None,
            },
        };
        let upstream = Upstream::new(&settings.upstream).expect("good settings");
        let telemetry = Arc::new(Telemetry::new());
        (
            Route::new(&settings, Arc::new(upstream), &telemetry),
            telemetry,
        )
    }

    fn event() -> Outgoing {
        let accepted = clock::now();
        Outgoing {
            id: EventId::new(accepted),
            accepted,
            attempt: 1,
            body: Bytes::from_static(br#"{"event":"action"}"#),
        }
    }

    fn counted(telemetry: &Telemetry, outcome: &str) -> bool {
        let line =
            format!("postgate_deliveries_total{{route=\"actions\",outcome=\"{outcome}\"}} 1\n");
        telemetry.encode().contains(&line)
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

    /// An upstream that reports each request and holds it until it is let go.
    async fn gate() -> (
        SocketAddr,
        mpsc::UnboundedReceiver<()>,
        Arc<tokio::sync::Semaphore>,
    ) {
        let open = Arc::new(tokio::sync::Semaphore::new(0));
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let held = Arc::clone(&open);
        let address = serve(move |_| {
            arrived.send(()).ok();
            let held = Arc::clone(&held);
            async move {
                held.acquire().await.expect("an open gate").forget();
                status(200)
            }
        })
        .await;
        (address, arrivals, open)
    }

    #[tokio::test]
    async fn max_in_flight_is_reached_and_not_passed() {
        let (address, mut arrivals, open) = gate().await;
        let (route, telemetry) = route(UpstreamSettings {
            max_in_flight: 2,
            ..fixture::http(address)
        });
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
        let (route, telemetry) = route(UpstreamSettings {
            max_in_flight: 1,
            timeout: SOON,
            ..fixture::http(address)
        });
        let _held = route.inner.upstream.permit().await;
        assert_eq!(route.forward(event()).await, DirectOutcome::Unavailable);
        assert!(arrivals.try_recv().is_err(), "nothing was sent");
        assert!(counted(&telemetry, "unavailable"), "{}", telemetry.encode());
    }

    #[tokio::test]
    async fn the_timeout_bounds_an_attempt() {
        let (address, mut arrivals, _open) = gate().await;
        let (route, _telemetry) = route(UpstreamSettings {
            timeout: SOON,
            ..fixture::http(address)
        });
        assert_eq!(route.forward(event()).await, DirectOutcome::Unavailable);
        assert_eq!(arrivals.recv().await, Some(()));
    }
}
