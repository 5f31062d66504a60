//! Queries that their sender did not escape.

use std::sync::Mutex;

use super::*;

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
