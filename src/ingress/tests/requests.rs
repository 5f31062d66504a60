//! What one request is answered, and what is kept of it.

use std::sync::Mutex;

use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::oneshot;

use super::*;

const EVENT: &str = r#"{"action_id":"1.2.3"}"#;

/// Two chunks.
fn chunked(first: &str, second: &str, more: &str) -> String {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    format!(
        "POST /in HTTP/1.1\r\nHost: localhost\r\n{more}Transfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
        chunk(first),
        chunk(second)
    )
}

#[tokio::test]
async fn an_event_is_on_disk_when_it_is_acknowledged() {
    let house = House::build(plan());
    // Held, because a lease that is dropped is given out again.
    let mut leases = Vec::new();
    for text in [
        request("POST /in", "", EVENT),
        request("GET /in?action_id=1.2.4", "", ""),
        chunked(r#"{"action_id":"#, r#""1.2.5"}"#, "Connection: close\r\n"),
    ] {
        let said = house.say(&text).await;
        assert_eq!(status(&said), 200, "{text}");
        assert!(said.contains("cache-control: no-store"), "{said}");
        let id = said.rsplit("\r\n").next().unwrap();
        let lease = house.spool.lease(&"in".into()).await.unwrap();
        assert_eq!(lease.id.to_string(), id);
        leases.push(lease);
    }
    for (format, count) in [("json", "2"), ("query", "1"), ("xml", "0")] {
        let name = format!("postgate_events_accepted_total{{route=\"in\",format=\"{format}\"}}");
        assert_eq!(house.metric(&name).as_deref(), Some(count), "{format}");
    }
    house.close().await;
}

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
    // The client adds a content-length of its own.
    for (lines, value, body, expected) in [
        (2, "x".to_owned(), EVENT.to_owned(), 200),
        (3, "x".to_owned(), EVENT.to_owned(), 431),
        (1, "x".repeat(1024), EVENT.to_owned(), 431),
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
    house.close().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let mut plan = plan();
    plan.front.limits.body_time = Duration::from_millis(50);
    let house = House::build(plan);
    let said = house.say("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{").await;
    assert_eq!(status(&said), 408);
    assert!(said.contains("connection: close"), "{said}");
    house.close().await;
}

#[tokio::test]
async fn only_an_unread_body_ends_the_connection() {
    let mut plan = plan();
    plan.front.limits.body_bytes = 100;
    let house = House::build(plan);
    let keep = |text: String| text.replace("Connection: close", "Connection: keep-alive");
    let last = request("POST /in", "", EVENT);
    for (text, expected, answers) in [
        (keep(request("POST /in", "", "{")), 422, 2),
        (chunked("{", "}}", ""), 422, 2),
        (keep(request("GET /nowhere", "", "")), 404, 2),
        (keep(request("POST /nowhere", "", EVENT)), 404, 1),
        (chunked(&"x".repeat(99), "xx", ""), 413, 1),
    ] {
        let said = house.say(format!("{text}{last}")).await;
        assert_eq!(status(&said), expected, "{text}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), answers, "{text}: {said}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_host_is_named_exactly_once() {
    let house = House::build(plan());
    for (version, hosts, expected) in [
        ("1.1", "Host: a\r\n", 200),
        ("1.1", "Host: [2001:db8::1]:8443\r\n", 200),
        ("1.0", "", 200),
        ("1.0", "Host: a\r\n", 200),
        ("1.1", "", 400),
        ("1.1", "Host:\r\n", 400),
        ("1.1", "Host: a\r\nHost: a\r\n", 400),
        ("1.0", "Host: a\r\nHost: b\r\n", 400),
        ("1.1", "Host: a b\r\n", 400),
    ] {
        let text =
            format!("GET /in?action_id=1 HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
        assert_eq!(status(&house.say(&text).await), expected, "{text}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_body_is_asked_for_when_everything_before_it_was_found_good() {
    let mut plan = plan();
    plan.front.limits.body_bytes = 100;
    let place = SecretPlace::Header(http::HeaderName::from_static("x-token"));
    plan.front.routes[0].secret = Some(RouteSecret { place, value: "s3cret".into() });
    let house = House::build(plan);
    let secret = "X-Token: s3cret\r\n";
    for (line, more, length, expected) in [
        ("POST /nowhere", secret, 21, "404"),
        ("DELETE /in", secret, 21, "405"),
        ("HEAD /in", secret, 21, "200"),
        ("POST /in", "", 21, "401"),
        ("POST /in", "X-Token: s3cret\r\nContent-Encoding: gzip\r\n", 21, "415"),
        ("POST /in", secret, 101, "413"),
        ("POST /in", secret, EVENT.len(), "100"),
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{more}");
        let head = format!("{head}Content-Length: {length}\r\n\r\n");
        let mut stream = house.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        within(line, stream.read_exact(&mut first)).await.unwrap();
        assert_eq!(&first, format!("HTTP/1.1 {expected}").as_bytes(), "{line} {more}");
        if expected == "100" {
            let body = format!("{EVENT}POST /in HTTP/1.1\r\nConnection: close\r\n\r\n");
            stream.write_all(body.as_bytes()).await.unwrap();
        }
        // Whoever was not asked for the body cannot send another request behind it.
        let rest = said(&mut stream).await;
        let answers = rest.matches("HTTP/1.1 ").count();
        assert_eq!(answers, if expected == "100" { 2 } else { 0 }, "{line} {more}: {rest}");
    }
    house.close().await;
}

#[tokio::test]
async fn nothing_is_received_of_whoever_asks_what_would_be() {
    let house = House::build(plan());
    let event = "/in?action_id=1.2.3";
    for (method, expected, allow) in [("HEAD", 200, false), ("OPTIONS", 204, true)] {
        let said = house.say(request(&format!("{method} {event}"), "", "")).await;
        assert_eq!(status(&said), expected, "{said}");
        assert!(said.ends_with("\r\n\r\n"), "no body: {said}");
        assert_eq!(said.contains("allow: GET, POST, HEAD, OPTIONS\r\n"), allow, "{said}");
        assert!(!said.contains("content-length"), "{said}");
        let probes = format!("postgate_probes_total{{method=\"{method}\"}}");
        assert_eq!(house.metric(&probes).as_deref(), Some("1"));
    }
    assert_eq!(house.spool.status().pending, 0);
    house.close().await;
}

#[tokio::test]
async fn nothing_encoded_is_taken() {
    let house = House::build(plan());
    for (more, expected) in [
        ("Content-Encoding: identity\r\n", 200),
        ("Content-Encoding: Identity\r\n", 200),
        ("Content-Encoding: gzip\r\n", 415),
        ("Content-Encoding: identity, gzip\r\n", 415),
        ("Content-Encoding: identity\r\nContent-Encoding: br\r\n", 415),
        ("Content-Encoding:\r\n", 415),
    ] {
        let said = house.say(request("POST /in", more, EVENT)).await;
        assert_eq!(status(&said), expected, "{more}");
    }
    house.close().await;
}

#[tokio::test]
async fn the_address_is_decided_before_anything_else_of_a_head() {
    let mut plan = plan();
    plan.front.allowlist = AllowlistSettings {
        ranges: vec!["192.0.2.0/24".parse().unwrap()],
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        allow_any: false,
    };
    let house = House::build(plan);
    let get = |head: &str| format!("GET /nowhere HTTP/1.1\r\nConnection: close\r\n{head}\r\n");
    for (head, expected) in [
        ("Host: a\r\nX-Forwarded-For: 203.0.113.9\r\n", 403),
        ("X-Forwarded-For: 203.0.113.9\r\n", 403),
        ("X-Forwarded-For: 192.0.2.1\r\n", 400),
        ("Host: a\r\nX-Forwarded-For: 192.0.2.1\r\n", 404),
    ] {
        assert_eq!(status(&house.say(get(head)).await), expected, "{head}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_secret_is_not_kept_with_what_was_not_understood() {
    let mut plan = plan();
    let place = SecretPlace::Query("token".to_owned());
    plan.front.routes[0].secret = Some(RouteSecret { place, value: "s3cret".into() });
    plan.front.routes[0].on_malformed = OnMalformed::Accept;
    let house = House::build(plan);
    let said = house.say(request("POST /in?note=kept&token=s3cret", "", "{")).await;
    assert_eq!(status(&said), 200);
    assert_eq!(status(&house.say(request("POST /in?note=kept", "", "{")).await), 401);

    let folder = house.close().await;
    let stored = std::fs::read(folder.path().join("spool.db")).unwrap();
    let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("note=kept"));
    assert!(!holds("s3cret"));
}

/// A GET with bytes that a URL may not hold, in its query, on a connection that stays open.
fn get(query: &[u8]) -> Vec<u8> {
    [b"GET /in?", query, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()
}

#[tokio::test]
async fn a_query_is_taken_as_it_was_sent() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&bodies);
    let house = House::build(direct(move |event| {
        taken.lock().unwrap().push(String::from_utf8(event.body.to_vec()).unwrap());
        Box::pin(std::future::ready(Forwarded::Delivered))
    }));
    let last = request("GET /in?action_id=3&note=%22", "", "");
    let requests = [
        get(b"action_id=1&note=\"B\"<b>\xc3\xbc%3C%"),
        get(b"action_id=2&note=%22"),
        last.into_bytes(),
    ];
    let said = house.say(requests.concat()).await;
    assert_eq!(said.matches("HTTP/1.1 200").count(), 3, "{said}");
    let note = |id, note| format!(r#"{{"event":"action","action_id":"{id}","note":"{note}"}}"#);
    let expected = [note(1, "\\\"B\\\"<b>\u{fc}<%"), note(2, "\\\""), note(3, "\\\"")];
    assert_eq!(*bodies.lock().unwrap(), expected);
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
async fn a_secret_in_a_query_may_need_escaping() {
    let mut plan = plan();
    let place = SecretPlace::Query("token".to_owned());
    plan.front.routes[0].secret = Some(RouteSecret { place, value: "\"s\u{e9}\"".into() });
    let house = House::build(plan);
    for (token, expected) in [("\"s\u{e9}\"", 200), ("%22s%C3%A9%22", 200), ("_s___", 401)] {
        let target = format!("GET /in?action_id=1&token={token}");
        let said = house.say(request(&target, "Connection: close\r\n", "")).await;
        assert_eq!(status(&said), expected, "{token}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_query_that_is_no_text_is_kept_as_it_was_sent() {
    let house = House::build(plan());
    let query = b"action_id=1&note=M\xfcller\"<";
    let mut stream = house.connect().await;
    stream.write_all(&get(query)).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(status(&said(&mut stream).await), 422);
    assert_eq!(house.spool.status().quarantined, 1);
    let folder = house.close().await;
    let stored = std::fs::read(folder.path().join("spool.db")).unwrap();
    assert!(stored.windows(query.len()).any(|window| window == query));
}

fn direct(forward: impl Fn(ForwardedEvent) -> Forwarding + Send + Sync + 'static) -> Plan {
    let mut plan = plan();
    plan.front.routes[0].delivery = Delivery::Direct;
    plan.forward = Some(Forward::new(forward));
    plan
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
    let stream = TokioIo::new(house.connect_tls(b"h2").await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
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
