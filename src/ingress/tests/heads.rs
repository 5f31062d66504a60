//! What is kept of a head, and how long.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::{HeaderValue, Request};
use hyper::body::Frame;
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::super::bodies::{HeldReply, LEAST};
use super::pace::connection_from;
use super::*;
use crate::net::{Announced, ClientSettings, Pair, Protocol};

/// Requests that were refused for their certificates.
const BY_CERTIFICATE: &str =
    r#"postgate_requests_refused_total{route="",reason="client_certificate"}"#;

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

/// Bytes that tell whether anybody has them.
struct Watched {
    bytes: &'static str,
    _watch: Arc<()>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_bytes()
    }
}

/// Such bytes, and what tells of them.
pub(super) fn watched(bytes: &'static str) -> (Bytes, impl Fn() -> bool) {
    let watch = Arc::new(());
    let bytes = Bytes::from_owner(Watched { bytes, _watch: Arc::clone(&watch) });
    (bytes, move || Arc::strong_count(&watch) > 1)
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
        let (value, is_kept) = watched("value");
        let value = HeaderValue::from_maybe_shared(value).unwrap();
        let request = asked(path, lines, &value);
        drop(value);
        let mut answer = pin!(Arc::clone(&house.front).answer(origin, None, request));
        assert_eq!(is_kept(), kept_at_first, "{path}, {lines} lines, before its answer begins");
        assert_eq!(at_once(answer.as_mut()).await, None, "its body is listened to");
        assert_eq!(is_kept(), kept_later, "{path}, {lines} lines");
    }
    house.close().await;
}

/// A reload that takes an address off the list and asks for no certificates any more lets nobody in
/// between the two.
#[tokio::test]
async fn the_list_and_the_rule_for_clients_are_exchanged_at_once() {
    let plan = plan();
    let mut settings = plan.front.clone();
    let house = House::build(plan);
    let origin = Origin::direct([127, 0, 0, 1].into());
    let value = HeaderValue::from_static("");
    let answered = async || {
        let answer = Arc::clone(&house.front).answer(origin, None, asked("/in", 1, &value));
        at_once(pin!(answer)).await
    };
    assert_eq!(answered().await, None, "it is let in, and its body waited for");

    house.front.replace(&settings, asking(), HashMap::new());
    assert_eq!(answered().await, Some(StatusCode::FORBIDDEN), "it has shown no certificate");
    assert_eq!(house.metric(BY_CERTIFICATE).as_deref(), Some("1"));

    settings.allowlist.ranges.clear();
    house.front.replace(&settings, ClientRule::default(), HashMap::new());
    assert_eq!(answered().await, Some(StatusCode::FORBIDDEN), "its address is not on the list");
    assert_eq!(house.metric(BY_CERTIFICATE).as_deref(), Some("1"));
    house.close().await;
}

/// The rule of a gateway that asks for certificates.
fn asking() -> ClientRule {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let certificate = own.cert.der();
    let mut authorities = RootCertStore::empty();
    authorities.add(certificate.clone()).unwrap();
    let clients = ClientSettings { authorities: Arc::new(authorities), names: Vec::new() };
    let pair = Pair::new(vec![certificate.clone()], key.into()).unwrap();
    let mode = TlsMode::Files { pair, clients: Some(clients) };
    Tls::new(&TlsSettings { mode, handshake_time: PATIENCE, handshakes: 1 }).unwrap().client_rule()
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
        Box::pin(Arc::clone(&house.front).answer(origin, None, request))
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
async fn whoever_sends_on_after_its_head_was_refused_is_listened_to_and_can_read_why() {
    let (house, first) = narrow().await;
    let origin = Origin::direct([127, 0, 0, 1].into());
    let mut stream = connection_from(origin, &house, Protocol::Http1);
    let head = unended() + &"x".repeat(8 * LEAST);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(status(&said(&mut stream).await), 503);
    drop(first);
    house.close().await;
}

/// All of its connections have one peer.
#[tokio::test]
async fn each_client_of_a_balancer_has_room_of_its_own() {
    let mut plan = plan();
    plan.front.allowlist = AllowlistSettings {
        ranges: vec!["192.0.2.0/24".parse().unwrap()],
        trusted_proxies: vec!["10.0.0.1/32".parse().unwrap()],
        proxy_protocol: true,
        ..AllowlistSettings::default()
    };
    // One address gets half: one large head and not a second, two requests and not a third.
    plan.front.limits.bodies_bytes = 6 * LEAST;
    let house = House::build(plan);
    let of = |client: u8| {
        let announced = Some(Announced::Client([192, 0, 2, client].into()));
        Origin { peer: [10, 0, 0, 1].into(), announced }
    };

    let (mut one, mut other) = (
        connection_from(of(1), &house, Protocol::Http1),
        connection_from(of(2), &house, Protocol::Http1),
    );
    one.write_all(unended().as_bytes()).await.unwrap();
    other.write_all(unended().as_bytes()).await.unwrap();
    house.holds(|| house.front.bodies.total() == 4 * LEAST).await;
    drop((one, other));
    house.holds(|| house.front.bodies.total() == 0).await;

    let value = HeaderValue::from_static("");
    let answer = |client| {
        let request = asked("/in", 1, &value);
        Box::pin(Arc::clone(&house.front).answer(of(client), None, request))
    };
    let (mut first, mut second) = (answer(1), answer(1));
    assert_eq!((at_once(first.as_mut()).await, at_once(second.as_mut()).await), (None, None));
    assert_eq!(at_once(answer(1).as_mut()).await, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(at_once(answer(2).as_mut()).await, None, "another client");
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
