//! Routes that answer with the outcome of their upstream.

use std::pin::pin;
use std::sync::Mutex;

use http::HeaderValue;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::super::bodies::LEAST;
use super::heads::watched;
use super::*;

#[tokio::test]
async fn a_direct_route_answers_with_the_outcome_of_its_upstream() {
    for (outcome, expected) in
        [(Forwarded::Delivered, 200), (Forwarded::Refused, 502), (Forwarded::Unavailable, 503)]
    {
        let house = House::build(direct(move |_| Box::pin(std::future::ready(outcome))));
        let said = house.say(request("POST /in", "", EVENT)).await;
        assert_eq!(status(&said), expected, "{outcome:?}");
        assert_eq!(said.contains("retry-after: 30"), expected == 503, "{outcome:?}");
        assert_eq!(house.spool.status().pending, 0);
        house.close().await;
    }
}

#[tokio::test]
async fn a_forward_goes_on_when_its_sender_leaves() {
    let (started, begins) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let (finished, ends) = oneshot::channel();
    let once = Mutex::new(Some((started, released, finished)));
    let mut plan = direct(move |event| {
        let (started, released, finished) = once.lock().unwrap().take().unwrap();
        Box::pin(async move {
            started.send(()).unwrap();
            released.await.unwrap();
            finished.send(event.body).unwrap();
            Forwarded::Delivered
        })
    });
    // In HTTP/2 a sender that leaves takes its request with it at once.
    plan.tls = TlsMode::SelfSigned;
    let house = House::build(plan);
    let (mut client, connection) = house.h2().await;
    tokio::select! {
        _ = client.send_request(posted(EVENT)) => panic!("answered too early"),
        _ = connection => panic!("ended too early"),
        begun = begins => begun.unwrap(),
    }
    // Both were dropped; the gateway sees that the sender has left.
    house.holds(|| house.metric("postgate_connections_open").as_deref() == Some("0")).await;
    // Stopping waits for the forward, though nobody waits for its answer any more.
    house.stop.cancel();
    house.holds(|| house.front.left.is_closed()).await;
    assert!(!house.served.is_empty(), "the forward is under way");
    release.send(()).unwrap();
    let body = within("the end of the forward", ends).await.unwrap();
    assert_eq!(body, r#"{"event":"action","action_id":"1.2.3"}"#);
    house.close().await;
}

/// A route whose upstream tells when it is asked, and answers each time that it is let.
fn held_back() -> (Plan, mpsc::UnboundedReceiver<()>, Arc<Semaphore>) {
    let (started, begins) = mpsc::unbounded_channel();
    let release = Arc::new(Semaphore::new(0));
    let released = Arc::clone(&release);
    let plan = direct(move |_| {
        let (started, released) = (started.clone(), Arc::clone(&released));
        Box::pin(async move {
            started.send(()).unwrap();
            released.acquire().await.unwrap().forget();
            Forwarded::Delivered
        })
    });
    (plan, begins, release)
}

#[tokio::test]
async fn of_what_came_nothing_is_kept_while_its_event_is_forwarded() {
    let (plan, mut begins, release) = held_back();
    let house = House::build(plan);
    let ((value, has_head), (body, has_body)) = (watched("value"), watched(EVENT));
    let value = HeaderValue::from_maybe_shared(value).unwrap();
    let request = http::Request::post("https://a/in").version(Version::HTTP_2).header("a", value);
    let request = request.body(Full::from(body)).unwrap();
    let origin = Origin::direct([127, 0, 0, 1].into());
    let mut answer = pin!(Arc::clone(&house.front).answer(origin, None, request));
    assert_eq!((has_head(), has_body()), (true, true), "before its answer begins");
    tokio::select! {
        _ = &mut answer => panic!("answered too early"),
        begun = begins.recv() => begun.unwrap(),
    }
    assert_eq!((has_head(), has_body()), (false, false));
    release.add_permits(1);
    assert_eq!(answer.await.status(), 200);
    house.close().await;
}

#[tokio::test]
async fn an_event_that_is_forwarded_counts_as_large_as_it_has_become() {
    let (mut plan, mut begins, release) = held_back();
    // One address gets half of it: room for four times what comes, and not for what escapes make of it.
    plan.front.limits.bodies_bytes = 8 * LEAST;
    let house = House::build(plan);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let large = request("POST /in", form, &format!("action_id={}", "\u{1}".repeat(LEAST)));
    let (said, ()) = tokio::join!(house.say(large), async {
        begins.recv().await.unwrap();
        let second = house.say(request("POST /in", "", EVENT)).await;
        assert_eq!(status(&second), 503, "{second}");
        release.add_permits(1);
    });
    assert_eq!(status(&said), 200, "{said}");
    house.close().await;
}

#[tokio::test]
async fn a_forward_whose_sender_has_left_counts_among_the_bodies() {
    let (mut plan, mut begins, release) = held_back();
    plan.tls = TlsMode::SelfSigned;
    // Of which one address gets half: room for two requests.
    plan.front.limits.bodies_bytes = 6 * LEAST;
    let house = House::build(plan);
    for _ in 0..2 {
        let (mut client, connection) = house.h2().await;
        tokio::select! {
            _ = client.send_request(posted(EVENT)) => panic!("answered too early"),
            _ = connection => panic!("ended too early"),
            begun = begins.recv() => begun.unwrap(),
        }
    }
    house.holds(|| house.metric("postgate_connections_open").as_deref() == Some("0")).await;

    let (mut client, connection) = house.h2().await;
    house.served.spawn(async { connection.await.unwrap_or_default() });
    let refused = within("a refusal", client.send_request(posted(EVENT))).await;
    assert_eq!(refused.unwrap().status(), 503);
    release.add_permits(100);
    within("room for a third", async {
        while client.send_request(posted(EVENT)).await.unwrap().status() == 503 {}
    })
    .await;
    drop(client);
    house.close().await;
}
