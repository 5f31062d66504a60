//! Who is let in, and how connections end.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

/// Short, because tests wait for it to pass. Nothing has to be done within it.
const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_stranger_sees_no_byte_of_a_handshake() {
    let mut plan = plan();
    plan.tls = TlsMode::SelfSigned;
    plan.front.allowlist.ranges = vec!["192.0.2.0/24".parse().unwrap()];
    let house = House::build(plan);

    assert_eq!(said(&mut house.connect().await).await, "");
    assert!(house.connect_tls(b"http/1.1").await.is_err());
    let refused = "postgate_connections_refused_total{reason=\"address\"}";
    assert_eq!(house.metric(refused).as_deref(), Some("2"));
    assert_eq!(house.metric("postgate_connections_total").as_deref(), Some("0"));
    assert!(!house.telemetry.encode().contains("postgate_handshake_failures_total{"));
    house.close().await;
}

#[tokio::test]
async fn whoever_says_nothing_is_not_waited_for() {
    let mut plan = plan();
    plan.tls = TlsMode::SelfSigned;
    plan.front.limits.header_time = SHORT;
    let house = House::build(plan);
    for alpn in [&b"http/1.1"[..], b"h2"] {
        let mut silent = house.connect_tls(alpn).await.unwrap();
        let mut bytes = Vec::new();
        let read = within("the end", silent.read_to_end(&mut bytes)).await;
        // HTTP/2 begins with the server's settings; more than them is not said.
        assert!(bytes.len() < 64, "{read:?} {bytes:?}");
    }
    let silent = "postgate_connections_broken_total{reason=\"silent\"}";
    house.holds(|| house.metric(silent).as_deref() == Some("2")).await;
    house.close().await;
}

#[tokio::test]
async fn a_connection_ends_behind_its_last_request() {
    let mut plan = plan();
    plan.tls = TlsMode::SelfSigned;
    plan.front.limits.requests_per_connection = 2;
    let house = House::build(plan);
    let mut stream = house.connect_tls(b"http/1.1").await.unwrap();
    let three = request("POST /in", "", EVENT).replace("close", "keep-alive").repeat(3);
    stream.write_all(three.as_bytes()).await.unwrap();
    let said = said(&mut stream).await;
    assert_eq!(said.matches("HTTP/1.1 200").count(), 2, "{said}");
    assert_eq!(said.matches("connection: close").count(), 1, "{said}");

    let stream = TokioIo::new(house.connect_tls(b"h2").await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = TaskTracker::new().spawn(connection);
    for _ in 0..2 {
        let request = Request::post("https://localhost/in").body(Full::new(Bytes::from(EVENT)));
        let reply = client.send_request(request.unwrap()).await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
    }
    within("the end of the connection", connection).await.unwrap().unwrap();
    house.close().await;
}

#[tokio::test]
async fn an_idle_connection_is_ended_after_its_replies() {
    let mut plan = plan();
    plan.tls = TlsMode::SelfSigned;
    plan.front.limits.idle_time = SHORT;
    let house = House::build(plan);
    let mut stream = house.connect_tls(b"http/1.1").await.unwrap();
    let first = request("POST /in", "", EVENT).replace("close", "keep-alive");
    stream.write_all(first.as_bytes()).await.unwrap();
    assert_eq!(status(&said(&mut stream).await), 200);

    let stream = TokioIo::new(house.connect_tls(b"h2").await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = TaskTracker::new().spawn(connection);
    let request =
        Request::post("https://localhost/in").body(Full::new(Bytes::from(EVENT))).unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), StatusCode::OK);
    within("the end of the connection", connection).await.unwrap().unwrap();
    assert_eq!(house.metric("postgate_connections_broken_total{reason=\"silent\"}"), None);
    house.close().await;
}

#[tokio::test]
async fn an_idle_time_that_ends_within_a_head_ends_nothing() {
    let mut plan = plan();
    plan.front.limits.idle_time = SHORT;
    let house = House::build(plan);
    let mut stream = house.connect().await;
    let keep = request("POST /in", "", EVENT).replace("close", "keep-alive");
    let last = request("POST /in", "", EVENT);
    let (begun, rest) = last.split_at(10);
    stream.write_all(format!("{keep}{begun}").as_bytes()).await.unwrap();
    let mut seen = [0; 12];
    within("an answer", stream.read_exact(&mut seen)).await.unwrap();
    // Two that are idle, one after the other: with the second the time is over for certain.
    for _ in 0..2 {
        let mut idle = house.connect().await;
        idle.write_all(keep.as_bytes()).await.unwrap();
        assert_eq!(status(&said(&mut idle).await), 200);
    }
    stream.write_all(rest.as_bytes()).await.unwrap();
    let said = said(&mut stream).await;
    assert_eq!(said.matches("HTTP/1.1 200").count(), 1, "{said}");
    house.close().await;
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_waits_for_nobody_else() {
    let mut plan = plan();
    plan.tls = TlsMode::SelfSigned;
    let house = House::build(plan);
    // None of these has anything under way; with the usual header time each would hold up the end.
    let _shaking = house.connect().await;
    let _silent = house.connect_tls(b"http/1.1").await.unwrap();
    let _silent_http2 = house.connect_tls(b"h2").await.unwrap();
    let mut partial = house.connect_tls(b"http/1.1").await.unwrap();
    partial.write_all(b"POST /in HTTP/1.1\r\n").await.unwrap();

    let mut busy = house.connect_tls(b"http/1.1").await.unwrap();
    let whole = request("POST /in", "Expect: 100-continue\r\n", EVENT);
    let (head, body) = whole.split_at(whole.len() - EVENT.len());
    busy.write_all(head.as_bytes()).await.unwrap();
    // The gateway asks for the body: the request is under way.
    let mut asked = [0; 25];
    within("100 Continue", busy.read_exact(&mut asked)).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    house.stop.cancel();
    house.holds(|| house.metric("postgate_connections_open").as_deref() == Some("1")).await;
    assert!(TcpStream::connect(house.address).await.is_err(), "nothing more is accepted");

    busy.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(status(&said(&mut busy).await), 200);
    house.close().await;
}

#[tokio::test]
async fn whoever_is_still_sending_can_read_the_answer() {
    let mut plan = plan();
    plan.front.limits.body_bytes = 8;
    let house = House::build(plan);
    for (head, status) in [
        ("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", "413"),
        ("POST /in HTTP/1.1\r\nHost : a\r\n", "400"),
        ("POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", "400"),
    ] {
        let mut sender = house.connect().await;
        sender.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within("an answer", sender.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        // A socket that was closed for reading as well would be reset by the first of them.
        for _ in 0..4 {
            sender.write_all(&[b'x'; 16 << 10]).await.unwrap();
        }
        drop(sender);
    }
    house.close().await;
}
