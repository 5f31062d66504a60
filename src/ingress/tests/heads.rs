//! What is kept of a head, and how long.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::{HeaderValue, Request};
use hyper::body::Frame;

use super::super::bodies::{HeldReply, LEAST};
use super::*;

/// A body that does not come.
struct Awaited;

impl Body for Awaited {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        Poll::Pending
    }
}

/// Bytes of a value that tell whether anybody has them.
struct Watched {
    _watch: Arc<()>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        b"value"
    }
}

fn asked(path: &str, lines: usize, value: &HeaderValue) -> Request<Awaited> {
    let mut request = Request::post(format!("https://a{path}")).version(Version::HTTP_2);
    for _ in 0..lines {
        request = request.header("a", value.clone());
    }
    request.body(Awaited).unwrap()
}

/// What is answered without anything that would have to come.
async fn at_once(answer: Pin<&mut impl Future<Output = HeldReply>>) -> Option<StatusCode> {
    tokio::select! {
        biased;
        reply = answer => Some(reply.status()),
        () = tokio::task::yield_now() => None,
    }
}

#[tokio::test]
async fn of_a_refused_head_nothing_is_kept() {
    let mut plan = plan();
    plan.front.limits.headers = 3;
    let house = House::build(plan);
    let origin = Origin::direct([127, 0, 0, 1].into());
    for (path, lines, kept_at_first, kept_later) in
        [("/in", 3, true, true), ("/in", 4, false, false), ("/nowhere", 3, true, false)]
    {
        let watch = Arc::new(());
        let value = Bytes::from_owner(Watched { _watch: Arc::clone(&watch) });
        let value = HeaderValue::from_maybe_shared(value).unwrap();
        let is_kept = || Arc::strong_count(&watch) > 1;
        let request = asked(path, lines, &value);
        drop(value);
        let mut answer = pin!(Arc::clone(&house.front).answer(origin, Ok(()), request));
        assert_eq!(is_kept(), kept_at_first, "{path}, {lines} lines, before its answer begins");
        assert_eq!(at_once(answer.as_mut()).await, None, "its body is listened to");
        assert_eq!(is_kept(), kept_later, "{path}, {lines} lines");
    }
    house.close().await;
}

#[tokio::test]
async fn whoever_is_refused_and_still_listened_to_takes_room() {
    let mut plan = plan();
    // One address gets half: two requests, and not a third.
    plan.front.limits.bodies_bytes = 6 * LEAST;
    plan.front.limits.headers = 200;
    let house = House::build(plan);
    let origin = Origin::direct([127, 0, 0, 1].into());
    let value = HeaderValue::from_static("");
    let answer = |path: &str, lines| {
        let request = asked(path, lines, &value);
        Box::pin(Arc::clone(&house.front).answer(origin, Ok(()), request))
    };

    let (mut one, mut other) = (answer("/nowhere", 1), answer("/nowhere", 1));
    assert_eq!(at_once(one.as_mut()).await, None);
    assert_eq!(at_once(other.as_mut()).await, None);
    assert_eq!(at_once(answer("/in", 1).as_mut()).await, Some(StatusCode::SERVICE_UNAVAILABLE));
    drop(other);
    assert_eq!(at_once(answer("/in", 1).as_mut()).await, None);
    // A large head counts as what it takes.
    assert_eq!(at_once(answer("/in", 100).as_mut()).await, Some(StatusCode::SERVICE_UNAVAILABLE));
    drop(one);
    assert_eq!(at_once(answer("/in", 100).as_mut()).await, None);
    house.close().await;
}

/// Of a head of HTTP/1.1, more than a connection may have for itself, in one line that does not end.
fn unended() -> String {
    let target = "/in?action_id=1.2.3";
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nA: {}", "x".repeat(LEAST))
}

/// A front door that has room for one of them from one address, and for a small request beside it; and a
/// connection that has taken that room.
async fn narrow() -> (House, TcpStream) {
    let mut plan = plan();
    plan.front.limits.bodies_bytes = 7 * LEAST;
    let house = House::build(plan);
    let mut first = house.connect().await;
    first.write_all(unended().as_bytes()).await.unwrap();
    house.holds(|| house.front.bodies.total() == 2 * LEAST).await;
    (house, first)
}

#[tokio::test]
async fn a_head_that_grows_and_does_not_end_takes_room() {
    let (house, mut first) = narrow().await;

    let keep = request("POST /in", "", EVENT).replace("close", "keep-alive");
    for before in [String::new(), keep] {
        let said = house.say(before.clone() + &unended()).await;
        let (replies, refused) = said.split_at(said.rfind("HTTP/1.1 ").unwrap());
        assert_eq!(status(refused), 503, "{said}");
        for part in ["retry-after: 30", "connection: close", "\"bodies_bytes\""] {
            assert!(refused.contains(part), "{said}");
        }
        assert_eq!(replies.matches("HTTP/1.1 200").count(), usize::from(!before.is_empty()));
    }
    let told = "postgate_requests_refused_total{route=\"\",reason=\"bodies_bytes\"}";
    house.holds(|| house.metric(told).as_deref() == Some("2")).await;
    assert_eq!(house.metric("postgate_connections_broken_total{reason=\"not_http\"}"), None);

    first.write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(status(&said(&mut first).await), 200, "what has its room is served");
    house.holds(|| house.front.bodies.total() == 0).await;
    house.close().await;
}

#[tokio::test]
async fn whoever_leaves_within_a_head_leaves_its_room() {
    let (house, first) = narrow().await;
    drop(first);
    house.holds(|| house.front.bodies.total() == 0).await;
    assert_eq!(status(&house.say(unended() + "\r\n\r\n").await), 200);
    house.close().await;
}
