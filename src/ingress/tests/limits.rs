//! The limits of a request, at each and one past it.

use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

#[tokio::test]
async fn a_head_ends_at_its_limits() {
    let mut plan = plan();
    plan.front.limits.header_bytes = 1024;
    plan.front.limits.headers = 5;
    let house = House::build(plan);
    // Four lines stand in every request of these tests.
    let bare = request("POST /in", "", EVENT).len() - EVENT.len();
    let filler = |bytes: usize| format!("A: {}\r\n", "x".repeat(bytes - bare - "A: \r\n".len()));
    for (more, expected) in [
        (filler(1024), 200),
        (filler(1025), 431),
        (filler(100_000), 431),
        ("A: 1\r\n".to_owned(), 200),
        ("A: 1\r\nA: 2\r\n".to_owned(), 431),
    ] {
        let text = request("POST /in", &more, EVENT);
        assert_eq!(status(&house.say(&text).await), expected, "{} bytes", text.len());
    }
    let told = "postgate_requests_refused_total{route=\"\",reason=\"head_size\"}";
    house.holds(|| house.metric(told).as_deref() == Some("3")).await;
    assert_eq!(house.metric("postgate_connections_broken_total{reason=\"not_http\"}"), None);
    house.close().await;
}

#[tokio::test]
async fn every_head_that_cannot_be_read_is_told_as_what_it_was_answered() {
    let mut plan = plan();
    plan.front.limits.header_bytes = 64 << 10;
    let house = House::build(plan);
    let told = |reason| {
        let name = format!("postgate_requests_refused_total{{route=\"\",reason=\"{reason}\"}}");
        house.metric(&name).map_or(0, |count| count.parse::<u32>().unwrap())
    };
    let (mut grammar, mut size) = (0, 0);
    let long = format!("/in?a={}", "a".repeat(70_000));
    for (target, expected) in [
        ("/in?note=a\tb", 400),
        ("/in?note=a\u{1}b", 400),
        ("/in?note=a\u{7f}b", 400),
        ("http://[zz/in", 400),
        ("http://a:b:c/in", 400),
        (&long, 431),
    ] {
        let said = house.say(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(status(&said), expected, "{target:.20}");
        let count = if expected == 400 { &mut grammar } else { &mut size };
        *count += 1;
        let counted = || (told("grammar"), told("head_size")) == (grammar, size);
        house.holds(counted).await;
    }
    house.close().await;
}

#[tokio::test]
async fn what_should_have_been_escaped_counts_as_it_came() {
    let mut plan = plan();
    (plan.front.limits.header_bytes, plan.front.limits.target_bytes) = (1024, 600);
    let house = House::build(plan);
    let target = |filler: &str, bytes: usize, lines: usize| {
        let begin = "/in?action_id=1&note=";
        let note = filler.repeat((bytes - begin.len()) / filler.len());
        let more = "x".repeat(bytes - begin.len() - note.len());
        let request =
            format!("GET {begin}{note}{more} HTTP/1.1\r\nConnection: close\r\nHost: a\r\n");
        format!("{request}A: {}\r\n\r\n", "x".repeat(lines - request.len() - "A: \r\n\r\n".len()))
    };
    for filler in ["x", "\"", "\u{e9}"] {
        for (bytes, head, expected) in [(600, 1024, 200), (601, 1024, 414), (600, 1025, 431)] {
            let said = house.say(&target(filler, bytes, head)).await;
            assert_eq!(status(&said), expected, "{bytes} of {filler}, {head} in all");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn a_body_ends_at_its_limit() {
    let mut plan = plan();
    plan.front.limits.body_bytes = EVENT.len();
    let house = House::build(plan);
    let (first, second) = EVENT.split_at(7);
    let close = "Connection: close\r\n";
    for (text, expected) in [
        (request("POST /in", "", EVENT), 200),
        (request("POST /in", "", &format!("{EVENT} ")), 413),
        (chunked(first, second, close), 200),
        (chunked(first, &format!("{second} "), close), 413),
        // Announced and never sent: refused before a byte is read.
        ("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n".to_owned(), 413),
    ] {
        assert_eq!(status(&house.say(&text).await), expected, "{text}");
    }
    house.close().await;
}

#[tokio::test]
async fn the_same_limits_hold_in_http2() {
    let mut plan = plan();
    plan.tls = TlsMode::SelfSigned;
    plan.front.limits.header_bytes = 1024;
    plan.front.limits.headers = 3;
    plan.front.limits.body_bytes = EVENT.len();
    let house = House::build(plan);
    let stream = TokioIo::new(house.connect_tls(b"h2").await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    TaskTracker::new().spawn(connection);
    // The client adds a content-length of its own. A line counts 32 bytes beside its text (RFC 9113,
    // 6.5.2), the five others 226 in all.
    let filler = |bytes: usize| "x".repeat(bytes - 226 - "a".len() - 32);
    for (lines, value, body, expected) in [
        (1, filler(1024), EVENT.to_owned(), 200),
        (1, filler(1025), EVENT.to_owned(), 431),
        (1, filler(2047), EVENT.to_owned(), 431),
        // From twice the limit on it is the library's.
        (1, filler(2048), EVENT.to_owned(), 431),
        (2, "x".to_owned(), EVENT.to_owned(), 200),
        (3, "x".to_owned(), EVENT.to_owned(), 431),
        (1, "x".to_owned(), format!("{EVENT} "), 413),
        (2, "x".to_owned(), EVENT.to_owned(), 200),
    ] {
        let mut request = http::Request::post("https://localhost/in");
        for _ in 0..lines {
            request = request.header("a", &value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let reply = client.send_request(request).await.unwrap();
        assert_eq!(reply.status(), expected, "{lines} lines of {} bytes", value.len());
        assert!(!reply.headers().contains_key("connection"));
    }
    let told = "postgate_requests_refused_total{route=\"\",reason=\"head_size\"}";
    assert_eq!(house.metric(told).as_deref(), Some("3"), "two by their bytes, one by its lines");
    house.close().await;
}
