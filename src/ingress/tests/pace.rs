//! How long a connection may take for what, to the millisecond, by a clock that stands still otherwise.

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::DuplexStream;
use tokio::time::{Instant, timeout};

use super::super::activity::Activity;
use super::super::exchange::{CLOSE_TIME, End, Http};
use super::super::serve::Door;
use super::*;
use crate::net::Protocol;

const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(75);
const JUST: Duration = Duration::from_millis(1);
/// Asks for nothing that another thread would have to do: the clock would not wait for it.
const ASKED: &str = "OPTIONS /in HTTP/1.1\r\nHost: a\r\n\r\n";

/// What a connection of HTTP/2 begins with, and empty settings.
const BEGUN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The head of a POST on stream 1 that goes nowhere and whose body is listened to for two seconds.
const LOST: &[u8] = b"\0\0\x0f\x01\x04\0\0\0\x01\x83\x87\x04\x08/nowhere\x01\x01a";
const LISTENED: Duration = Duration::from_secs(2);

fn paced() -> House {
    let mut plan = plan();
    (plan.front.limits.header_time, plan.front.limits.idle_time) = (HEADER, IDLE);
    House::build(plan)
}

/// A connection that is served.
fn connection(house: &House, protocol: Protocol) -> DuplexStream {
    connection_from(Origin::direct([127, 0, 0, 1].into()), house, protocol)
}

/// One that came from there.
pub(super) fn connection_from(origin: Origin, house: &House, protocol: Protocol) -> DuplexStream {
    let (near, far) = tokio::io::duplex(1 << 10);
    let http = Http::new(&house.front.limits, TaskTracker::new());
    let tls = TlsSettings { mode: TlsMode::Off, handshake_time: PATIENCE, handshakes: 1 };
    let (tls, stop) = (Tls::new(&tls).unwrap(), house.stop.clone());
    let door = Arc::new(Door { http, tls, front: Arc::clone(&house.front), stop });
    TaskTracker::new().spawn(door.converse(origin, None, far, protocol));
    near
}

/// Asks, and reads what is said to it.
async fn answer(stream: &mut DuplexStream) {
    stream.write_all(ASKED.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\n") {
        said.push(stream.read_u8().await.unwrap());
    }
    assert!(said.starts_with(b"HTTP/1.1 204 "));
}

/// When the connection has ended.
async fn end(stream: &mut DuplexStream) -> Instant {
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    Instant::now()
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_be_idle_for_just_so_long() {
    let house = paced();
    let mut stream = connection(&house, Protocol::Http1);
    for _ in 0..3 {
        answer(&mut stream).await;
        let more = timeout(IDLE.saturating_sub(JUST), stream.read_u8()).await;
        assert!(more.is_err(), "it goes on: {more:?}");
    }
    answer(&mut stream).await;
    let answered = Instant::now();
    assert_eq!(end(&mut stream).await - answered, IDLE);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_waited_for_just_so_long() {
    let house = paced();
    for begun in ["", "POST /in HTTP/1.1\r\nHost: local"] {
        let mut stream = connection(&house, Protocol::Http1);
        stream.write_all(begun.as_bytes()).await.unwrap();
        let began = Instant::now();
        assert_eq!(end(&mut stream).await - began, HEADER, "{begun:?}");
    }
    // The same for a second request of a connection, whose first was answered long ago.
    let mut stream = connection(&house, Protocol::Http1);
    answer(&mut stream).await;
    assert!(timeout(HEADER * 2, stream.read_u8()).await.is_err());
    stream.write_all(b"POST /in HTTP/1.1\r\n").await.unwrap();
    let began = Instant::now();
    assert_eq!(end(&mut stream).await - began, HEADER);
    let silent = "postgate_connections_broken_total{reason=\"silent\"}";
    assert_eq!(house.metric(silent).as_deref(), Some("3"));
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_asked_to_end_has_just_so_long_for_it() {
    let house = paced();
    // It does not answer what hyper asks, as a peer does that has gone.
    let mut idle = connection(&house, Protocol::Http2);
    let mut busy = connection(&house, Protocol::Http2);
    idle.write_all(BEGUN).await.unwrap();
    busy.write_all(&[BEGUN, LOST].concat()).await.unwrap();
    // Settings come in answer to it.
    for stream in [&mut idle, &mut busy] {
        assert!(timeout(JUST, stream.read_u8()).await.is_ok());
    }
    let asked = Instant::now();
    house.stop.cancel();
    let (idle, busy) = tokio::join!(end(&mut idle), end(&mut busy));
    assert_eq!(idle - asked, CLOSE_TIME);
    // What is under way is answered first.
    assert_eq!(busy - asked, LISTENED + CLOSE_TIME);
    house.close().await;
}

/// What hyper made of these bytes, without anybody before it.
async fn broken(bytes: &[u8]) -> hyper::Error {
    let (mut near, far) = tokio::io::duplex(1 << 10);
    near.write_all(bytes).await.unwrap();
    let never = service_fn(|_: Request<Incoming>| {
        std::future::pending::<Result<http::Response<Full<Bytes>>, std::convert::Infallible>>()
    });
    http1::Builder::new().serve_connection(TokioIo::new(far), never).await.unwrap_err()
}

#[tokio::test]
async fn what_no_rule_of_ours_refused_is_told_at_the_end() {
    let activity = Activity::new();
    let end = |error| End::of(error, &activity);
    assert!(matches!(end(broken(b"GET /?\x01 HTTP/1.1\r\n\r\n").await), End::Unread(_)));
    activity.told.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(end(broken(b"GET /?\x01 HTTP/1.1\r\n\r\n").await), End::NotHttp(_)));
}
