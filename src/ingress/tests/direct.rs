//! Routes that answer with the outcome of their upstream.

use std::sync::Mutex;

use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::super::bodies::LEAST;
use super::*;

type Sender = http2::SendRequest<Full<Bytes>>;
type Connection = http2::Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>, TokioExecutor>;

/// A connection over HTTP/2, to be driven by the test.
async fn h2(house: &House) -> (Sender, Connection) {
    let stream = TokioIo::new(house.connect_tls(b"h2").await.unwrap());
    http2::handshake(TokioExecutor::new(), stream).await.unwrap()
}

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
    let (mut client, connection) = h2(&house).await;
    let request = http::Request::post("https://localhost/in");
    let request = request.body(Full::new(Bytes::from(EVENT))).unwrap();
    tokio::select! {
        _ = client.send_request(request) => panic!("answered too early"),
        _ = connection => panic!("ended too early"),
        begun = begins => begun.unwrap(),
    }
    // Both were dropped; the gateway sees that the sender has left.
    house.holds(|| house.metric("postgate_connections_open").as_deref() == Some("0")).await;
    // Stopping waits for the forward, though nobody waits for its answer any more.
    house.stop.cancel();
    release.send(()).unwrap();
    let body = within("the end of the forward", ends).await.unwrap();
    assert_eq!(body, r#"{"event":"action","action_id":"1.2.3"}"#);
    house.close().await;
}

#[tokio::test]
async fn a_forward_whose_sender_has_left_counts_among_the_bodies() {
    let (started, mut begins) = mpsc::unbounded_channel();
    let release = Arc::new(Semaphore::new(0));
    let released = Arc::clone(&release);
    let mut plan = direct(move |_| {
        let (started, released) = (started.clone(), Arc::clone(&released));
        Box::pin(async move {
            started.send(()).unwrap();
            released.acquire().await.unwrap().forget();
            Forwarded::Delivered
        })
    });
    plan.tls = TlsMode::SelfSigned;
    // Of which one address gets half: room for two requests.
    plan.front.limits.bodies_bytes = 6 * LEAST;
    let house = House::build(plan);
    let request = || http::Request::post("https://localhost/in").body(Full::from(EVENT)).unwrap();
    for _ in 0..2 {
        let (mut client, connection) = h2(&house).await;
        tokio::select! {
            _ = client.send_request(request()) => panic!("answered too early"),
            _ = connection => panic!("ended too early"),
            begun = begins.recv() => begun.unwrap(),
        }
    }
    house.holds(|| house.metric("postgate_connections_open").as_deref() == Some("0")).await;

    let (mut client, connection) = h2(&house).await;
    house.served.spawn(async { connection.await.unwrap_or_default() });
    let refused = within("a refusal", client.send_request(request())).await;
    assert_eq!(refused.unwrap().status(), 503);
    release.add_permits(100);
    within("room for a third", async {
        while client.send_request(request()).await.unwrap().status() == 503 {}
    })
    .await;
    drop(client);
    house.close().await;
}
