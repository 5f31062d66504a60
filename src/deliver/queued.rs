//! Queued delivery: the loop over a route's leases, and the verdict on each.

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::Outgoing;
use super::breaker::Pass;
use super::policy::{Decision, Try};
use super::route::{Inner, Route, Tried, attempted};
use crate::spool::{Attempt, Lease, RouteName, Spool};

impl Route {
    /// Delivers the route's events until leasing stops; returns when every delivery under way has
    /// ended.
    ///
    /// While the upstream is away, nothing is leased but what probes. Otherwise a lease is taken
    /// first, a place at the upstream second, and its leave last: a place or a probe held by a route
    /// without events would be missing to the routes that share the upstream.
    pub async fn run(self, spool: Spool) {
        let deliveries = TaskTracker::new();
        let name = RouteName::clone(&self.current().name);
        loop {
            self.ready(&spool).await;
            let Some(lease) = spool.lease(&name).await else { break };
            let route = self.current();
            let permit = route.upstream.permit().await;
            let Some(pass) = route.upstream.breaker.pass() else {
                // Lost meanwhile. The event is given back, as if it had not been looked at.
                continue;
            };
            let spool = spool.clone();
            deliveries.spawn(async move {
                route.deliver(lease, pass, &spool).await;
                drop(permit);
            });
        }
        deliveries.close();
        deliveries.wait().await;
    }

    /// Waits until the upstream may be tried, or until there is no need to wait any longer.
    async fn ready(&self, spool: &Spool) {
        loop {
            let route = self.current();
            tokio::select! {
                () = route.upstream.breaker.ready() => return,
                () = self.replaced.notified() => {}
                () = spool.leasing_stopped() => return,
            }
        }
    }
}

impl Inner {
    async fn deliver(&self, lease: Lease, pass: Pass, spool: &Spool) {
        let event = Outgoing {
            id: lease.id,
            accepted: lease.accepted,
            attempt: lease.attempt,
            body: lease.body.clone(),
        };
        let deadline = Instant::now() + self.upstream.timeout;
        let tried = self.attempt(&event, deadline).await;
        let standing = self.return_pass(pass, &event, &tried);
        let (attempt, since) = (lease.attempt, lease.since);
        let decision = self.decide(&tried, Try { attempt, since, now: tried.ended, standing });
        spool.settle(lease, record(&tried, decision), decision.into());
        self.report(&event, &tried, decision);
        self.note_health(&tried, standing);
    }

    fn report(&self, event: &Outgoing, tried: &Tried, decision: Decision) {
        let attempted = attempted(event, &tried.outcome);
        match decision {
            Decision::Done => self.telemetry.delivered(attempted),
            Decision::RetryAt(at) | Decision::PutBack(at) => {
                self.telemetry.retry(attempted, at.since(tried.ended));
            }
            Decision::Dead(reason) => self.telemetry.dead(attempted, &reason),
        }
    }
}

/// What the history of the event keeps.
fn record(tried: &Tried, decision: Decision) -> Attempt {
    let outcome = match decision {
        Decision::Dead(reason) => format!("{}; {reason}", tried.outcome),
        Decision::RetryAt(_) | Decision::PutBack(_) => tried.outcome.to_string(),
        // Its state says it; no history is kept of it.
        Decision::Done => String::new(),
    };
    let status = tried.outcome.status();
    Attempt { at: tried.ended, status, outcome, answer: tried.outcome.excerpt() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::sync::mpsc;

    use super::super::Upstream;
    use super::super::breaker::Standing;
    use super::super::fixture::{
        self, PATIENCE, SOON, Seen, counted, event, gate, route, serve, serve_status, status,
    };
    use super::super::settings::{RouteSettings, UpstreamSettings};
    use super::*;
    use crate::clock;
    use crate::spool::{Accepted, EventId, SpoolSettings};
    use crate::telemetry::Telemetry;

    #[tokio::test]
    async fn a_queued_attempt_is_decided_recorded_and_counted() {
        for (code, outcome, history) in [
            (200, "delivered", ""),
            (500, "retry", "answered 500 Internal Server Error"),
            (410, "dead", "answered 410 Gone; another attempt would not help"),
        ] {
            let (address, _requests) = serve_status(code).await;
            let (route, telemetry) = route(fixture::http(address));
            let event = event();
            let tried = route.current().attempt(&event, Instant::now() + PATIENCE).await;
            let (now, standing) = (tried.ended, Standing::There);
            let attempt = Try { attempt: 1, since: event.accepted, now, standing };
            let decision = route.current().decide(&tried, attempt);
            route.current().report(&event, &tried, decision);
            match decision {
                Decision::Done => assert_eq!(code, 200),
                Decision::Dead(_) => assert_eq!(code, 410),
                Decision::RetryAt(at) => {
                    assert_eq!(code, 500);
                    assert!(at.since(tried.ended) <= Duration::from_millis(20));
                }
                Decision::PutBack(_) => panic!("the upstream is there"),
            }
            let record = record(&tried, decision);
            assert_eq!((record.at, record.status), (tried.ended, Some(code)));
            assert_eq!(record.outcome, history);
            assert!(counted(&telemetry, outcome), "{}", telemetry.encode());
        }
    }

    fn spool(folder: &tempfile::TempDir, telemetry: &Arc<Telemetry>) -> Spool {
        let settings = SpoolSettings::generous(folder.path());
        Spool::open(&settings, Arc::clone(telemetry)).expect("a new spool")
    }

    async fn append(spool: &Spool, route: &str, body: &'static str) -> EventId {
        let at = clock::now();
        let accepted = Accepted {
            id: EventId::new(at),
            route: route.into(),
            key: None,
            at,
            body: Bytes::from_static(body.as_bytes()),
            received: None,
        };
        spool.append(accepted).await.expect("room").id()
    }

    #[tokio::test]
    async fn the_loop_delivers_tries_again_and_buries() {
        let (sent, mut arrivals) = mpsc::unbounded_channel();
        let address = serve(move |seen: Seen| {
            let attempt = seen.headers["postgate-attempt"].to_str().map(str::to_owned);
            let attempt = attempt.expect("a number");
            let code = match (seen.body.as_ref(), attempt.as_str()) {
                (b"later", "1") => 503,
                (b"never", _) => 404,
                _ => 200,
            };
            sent.send((seen.body, attempt)).ok();
            async move { status(code) }
        })
        .await;
        let (route, telemetry) = route(fixture::http(address));
        let folder = tempfile::tempdir().expect("a folder");
        let spool = spool(&folder, &telemetry);
        for body in ["good", "later", "never"] {
            append(&spool, "actions", body).await;
        }
        let tasks = TaskTracker::new();
        let running = tasks.spawn(route.run(spool.clone()));
        let mut arrived = Vec::new();
        for _ in 0..4 {
            let (body, attempt) = arrivals.recv().await.expect("four requests");
            arrived.push(format!("{} {attempt}", String::from_utf8_lossy(&body)));
        }
        arrived.sort_unstable();
        assert_eq!(arrived, ["good 1", "later 1", "later 2", "never 1"]);

        spool.stop_leasing();
        running.await.expect("no panic");
        let status = spool.status();
        assert_eq!((status.pending, status.dead), (0, 1));
        spool.close().await;
    }

    #[tokio::test]
    async fn the_loop_ends_after_what_is_under_way() {
        let (address, mut arrivals, open) = gate().await;
        let (route, telemetry) = route(fixture::http(address));
        let folder = tempfile::tempdir().expect("a folder");
        let spool = spool(&folder, &telemetry);
        append(&spool, "actions", "{}").await;
        let tasks = TaskTracker::new();
        let mut running = tasks.spawn(route.run(spool.clone()));
        assert_eq!(arrivals.recv().await, Some(()));

        spool.stop_leasing();
        let early = tokio::time::timeout(SOON, &mut running).await;
        assert!(early.is_err(), "a delivery is under way");
        open.add_permits(1);
        running.await.expect("no panic");
        assert_eq!(spool.status().pending, 0);
        spool.close().await;
    }

    #[tokio::test]
    async fn an_attempt_without_an_answer_ends_with_the_timeout() {
        let (address, mut arrivals, _open) = gate().await;
        let (route, telemetry) =
            route(UpstreamSettings { timeout: SOON, ..fixture::http(address) });
        let folder = tempfile::tempdir().expect("a folder");
        let spool = spool(&folder, &telemetry);
        append(&spool, "actions", "{}").await;
        let tasks = TaskTracker::new();
        let running = tasks.spawn(route.run(spool.clone()));
        for attempt in 1..=2 {
            let arrived = tokio::time::timeout(PATIENCE, arrivals.recv()).await;
            assert_eq!(arrived, Ok(Some(())), "attempt {attempt}");
        }
        spool.stop_leasing();
        running.await.expect("no panic");
        spool.close().await;
    }

    #[tokio::test]
    async fn another_upstream_takes_the_next_event() {
        let (first, mut at_first) = serve_status(200).await;
        let (second, mut at_second) = serve_status(200).await;
        let (route, telemetry) = route(fixture::http(first));
        let folder = tempfile::tempdir().expect("a folder");
        let spool = spool(&folder, &telemetry);
        let tasks = TaskTracker::new();
        let running = tasks.spawn(route.clone().run(spool.clone()));
        append(&spool, "actions", "1").await;
        assert_eq!(at_first.recv().await.expect("a request").body, "1");

        let settings = fixture::route_settings(fixture::http(second));
        let upstream = Upstream::new(&settings.upstream).expect("good settings");
        route.replace(&settings, Arc::new(upstream), &telemetry);
        append(&spool, "actions", "2").await;
        assert_eq!(at_second.recv().await.expect("a request").body, "2");
        spool.stop_leasing();
        running.await.expect("no panic");
        assert!(at_first.try_recv().is_err());
        spool.close().await;
    }

    #[tokio::test]
    async fn a_route_without_events_takes_no_place_from_another() {
        let (address, mut requests) = serve_status(200).await;
        let narrow = UpstreamSettings { max_in_flight: 1, ..fixture::http(address) };
        let (busy, telemetry) = route(narrow);
        let idle = RouteSettings {
            name: "idle".into(),
            ..fixture::route_settings(fixture::http(address))
        };
        let idle = Route::new(&idle, Arc::clone(&busy.current().upstream), &telemetry);
        let folder = tempfile::tempdir().expect("a folder");
        let spool = spool(&folder, &telemetry);
        let tasks = TaskTracker::new();
        tasks.spawn(idle.run(spool.clone()));
        tasks.spawn(busy.run(spool.clone()));
        for _ in 0..3 {
            let id = append(&spool, "actions", "{}").await;
            let arrival = tokio::time::timeout(PATIENCE, requests.recv()).await;
            let seen = arrival.expect("a place").expect("a request");
            assert_eq!(seen.headers["webhook-id"], id.to_string());
        }
        spool.stop_leasing();
        tasks.close();
        tasks.wait().await;
        assert_eq!(spool.status().pending, 0);
        spool.close().await;
    }
}
