//! What one request is answered, and what is kept of it.

use super::*;

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
async fn half_of_what_may_wait_for_the_disk_is_for_one_address() {
    let house = House::build(plan());
    let arrivals = &house.front.arrivals;
    let waiting = |address, places| arrivals.share(IpAddr::from([127, 0, 0, address]), places);
    let half = Spool::places() / 2;
    let event = request("POST /in", "", EVENT);
    let malformed = request("POST /in", "", "{");
    // Taken by its own address, by another one, and all but one by its own.
    for (address, more, expected) in [(1, 0, [503, 503]), (2, 0, [200, 422]), (1, 1, [200, 422])] {
        let _others = waiting(address, half - more).unwrap();
        for (text, expected) in [&event, &malformed].into_iter().zip(expected) {
            assert_eq!(status(&house.say(text).await), expected, "{address}, {more} free");
        }
    }
    let refused = "postgate_requests_refused_total{route=\"in\",reason=\"spool_busy\"}";
    assert_eq!(house.metric(refused).as_deref(), Some("2"));
    assert_eq!(arrivals.total(), 0);
    // What takes more than its share passes alone.
    assert!(house.front.waiting([127, 0, 0, 1].into(), usize::MAX).is_ok());
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
async fn the_address_is_decided_before_anything_else_of_a_head() {
    let mut plan = plan();
    plan.front.allowlist = AllowlistSettings {
        ranges: vec!["192.0.2.0/24".parse().unwrap()],
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        allow_any: false,
        proxy_protocol: false,
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
