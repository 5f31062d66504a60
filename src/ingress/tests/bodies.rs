//! Which bodies are asked for, waited for and read.

use super::*;

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
