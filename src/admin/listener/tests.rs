use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

use super::super::body::GRACE;
use super::super::fixture::{Rig, place};
use super::super::places;
use super::*;
use crate::admin::{AdminSettings, AdminState, Readiness, start};
use crate::spool::SpoolStatus;
use crate::telemetry::Telemetry;

fn loopback(token: Option<&str>) -> AdminSettings {
    AdminSettings { address: ([127, 0, 0, 1], 0).into(), token: token.map(SecretString::from) }
}

fn state(readiness: &Readiness) -> AdminState {
    let healthy = SpoolStatus { healthy: true, ..SpoolStatus::default() };
    AdminState::new(readiness.clone(), Arc::new(Telemetry::new()), move || healthy)
}

fn serving(token: Option<&str>) -> AdminServer {
    let readiness = Readiness::new();
    readiness.ready();
    start(&loopback(token), state(&readiness)).unwrap()
}

fn with_desk() -> (AdminServer, Rig) {
    let (readiness, rig) = (Readiness::new(), Rig::new());
    readiness.ready();
    let state = state(&readiness).with_desk(rig.desk.clone());
    (start(&loopback(None), state).unwrap(), rig)
}

fn connect(server: &AdminServer) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    // Longer than any limit here: a test that waits for it fails.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

fn ask(server: &AdminServer, head: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn answers_over_a_socket_and_closes_after_one_request() {
    let server = serving(None);
    let answer = ask(
        &server,
        "GET /readyz HTTP/1.1\r\nhost: a\r\n\r\nGET /livez HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("{\"ready\":true}"), "{answer}");
    server.stop();
}

#[test]
fn head_has_no_body() {
    let server = serving(None);
    let answer = ask(&server, "HEAD /livez HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(answer.contains("content-length: 13\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn the_token_of_the_settings_guards_the_metrics() {
    let server = serving(Some("s3cret"));
    let metrics = |extra: &str| {
        let head = format!("GET /metrics HTTP/1.1\r\nhost: a\r\n{extra}\r\n");
        ask(&server, &head)
    };
    assert!(metrics("").starts_with("HTTP/1.1 401 "));
    assert!(metrics("authorization: Bearer s3cret\r\n").starts_with("HTTP/1.1 200 "));
    assert!(ask(&server, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn turns_red_as_soon_as_shutdown_begins() {
    let readiness = Readiness::new();
    readiness.ready();
    let server = start(&loopback(None), state(&readiness)).unwrap();
    readiness.stopping();
    let answer = ask(&server, "GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[test]
fn header_count_and_size_are_limited() {
    let server = serving(None);
    let with_headers = |count: usize, size: usize| {
        let line = format!("x: {}\r\n", "v".repeat(size));
        let head = format!("GET /livez HTTP/1.1\r\n{}\r\n", line.repeat(count));
        ask(&server, &head)
    };
    assert!(with_headers(HEADERS, 1).starts_with("HTTP/1.1 200 "));
    assert!(with_headers(HEADERS + 1, 1).starts_with("HTTP/1.1 431 "));
    let around = "GET /livez HTTP/1.1\r\nx: \r\n\r\n".len();
    assert!(with_headers(1, HEADER_BYTES - around).starts_with("HTTP/1.1 200 "));
    assert!(with_headers(1, HEADER_BYTES - around + 1).starts_with("HTTP/1.1 431 "));
}

/// That their bodies do not come is not the listener's slowness.
#[test]
fn a_crowd_of_slow_bodies_gives_way_to_a_probe() {
    let (server, _rig) = with_desk();
    let head = "POST /spool/import HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n";
    let slow = || {
        let mut stream = connect(&server);
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    // More than are given up while `connect` waits for an answer.
    let crowd: Vec<_> = (0..4 * CONNECTIONS).map(|_| slow()).collect();
    let answer = ask(&server, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(crowd);
}

/// A connection without a socket, beside which the clock can stand still, and where it is served.
async fn connection(buffer: usize) -> (DuplexStream, impl Future<Output = ()>) {
    connection_at(buffer, place().await)
}

fn connection_at(buffer: usize, place: Place) -> (DuplexStream, impl Future<Output = ()>) {
    let (near, far) = duplex(buffer);
    let api = Arc::new(Api::new(None, state(&Readiness::new())));
    (near, converse(far, api, place))
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_worked_for_gives_way() {
    let address = [192, 0, 2, 1].into();
    for said in [
        "",
        "GET /livez HTTP/1.1\r\n",
        "POST /spool/import HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nx",
        // The answer is larger than what is read of it.
        "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let places = Places::new(1, 1);
        let (mut near, served) = connection_at(said.len().max(1), places.take(address).await);
        near.write_all(said.as_bytes()).await.unwrap();
        let began = Instant::now();
        tokio::join!(served, places.take(address));
        assert_eq!(began.elapsed(), places::GRACE, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn eight_are_worked_for_and_a_ninth_is_the_first_to_give_way() {
    let (places, rig, address) = (places(), Rig::new(), [192, 0, 2, 1].into());
    // So that no work ends.
    rig.disk.hold();
    let api = Arc::new(Api::new(None, state(&Readiness::new()).with_desk(rig.desk.clone())));
    let ask = "POST /spool/compact HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let (tasks, mut asking) = (TaskTracker::new(), Vec::new());
    for _ in 0..9 {
        let (mut near, far) = duplex(ask.len());
        near.write_all(ask.as_bytes()).await.unwrap();
        let served = converse(far, Arc::clone(&api), places.take(address).await);
        asking.push((tasks.spawn(served), near));
    }
    let mut silent = Vec::new();
    for _ in asking.len()..CONNECTIONS {
        silent.push(places.take(address).await);
    }

    let (began, (ninth, _near)) = (Instant::now(), asking.pop().unwrap());
    let (ended, _next) = tokio::join!(ninth, places.take(address));
    ended.unwrap();
    assert_eq!(began.elapsed(), places::GRACE);
    assert!(asking.iter().all(|(served, _)| !served.is_finished()), "they are worked for");
    rig.disk.let_go();
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time() {
    for head in ["", "GET /livez HTTP/1.1\r\n"] {
        let (mut near, served) = connection(1024).await;
        near.write_all(head.as_bytes()).await.unwrap();
        let began = Instant::now();
        served.await;
        assert_eq!(began.elapsed(), HEADER_TIME, "{head:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_told() {
    let (mut near, served) = connection(1024).await;
    let head = "POST /spool/import HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nx";
    near.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    served.await;
    assert_eq!(began.elapsed(), GRACE);
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_its_time_to_be_read() {
    const MOMENT: Duration = Duration::from_millis(1);
    let ask = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";
    for (pause, is_whole) in
        [(ANSWER_TIME.saturating_sub(MOMENT), true), (ANSWER_TIME + MOMENT, false)]
    {
        // The answer is larger.
        let (mut near, served) = connection(ask.len()).await;
        near.write_all(ask.as_bytes()).await.unwrap();
        let (began, mut answer) = (Instant::now(), Vec::new());
        let read = async {
            sleep(pause).await;
            near.read_to_end(&mut answer).await.unwrap();
        };
        let ended = async {
            served.await;
            began.elapsed()
        };
        let ((), ended) = tokio::join!(read, ended);
        assert_eq!(answer.ends_with(b"{\"live\":true}"), is_whole, "{pause:?}");
        assert_eq!(ended, pause.min(ANSWER_TIME));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_has_its_time_to_end() {
    for (needs, takes) in [(STOP_TIME / 2, STOP_TIME / 2), (2 * STOP_TIME, STOP_TIME)] {
        let tasks = TaskTracker::new();
        tasks.spawn(sleep(needs));
        let began = Instant::now();
        finish(&tasks).await;
        assert_eq!(began.elapsed(), takes);
    }
}

/// The clock stands still while the client, on its own thread, is at it.
#[tokio::test(start_paused = true)]
async fn whoever_has_begun_to_ask_is_answered_while_it_stops() {
    let (listener, address) = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let api = Arc::new(Api::new(None, state(&Readiness::new())));
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let client = tokio::task::spawn_blocking(move || {
        let mut early = TcpStream::connect(address).unwrap();
        early.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
        // Accepted in their order.
        let mut later = TcpStream::connect(address).unwrap();
        later.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut answer = String::new();
        later.read_to_string(&mut answer).unwrap();
        stopping.cancel();
        while TcpStream::connect(address).is_ok() {}
        early.write_all(b"host: a\r\n\r\n").unwrap();
        answer.clear();
        early.read_to_string(&mut answer).unwrap();
        answer
    });
    serve(listener, api, stop).await;
    assert!(client.await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn stop_frees_the_port_and_cuts_off_who_lingers() {
    let server = serving(None);
    let address = server.local_addr();
    let lingering = connect(&server);
    server.stop();
    assert!(TcpStream::connect(address).is_err());
    drop(lingering);
}

#[test]
fn does_not_start_on_a_taken_port() {
    let server = serving(None);
    let settings = AdminSettings { address: server.local_addr(), token: None };
    let error = start(&settings, state(&Readiness::new())).unwrap_err();
    assert!(matches!(error, AdminError::Bind { .. }), "{error:?}");
}

#[test]
fn does_not_start_in_the_open_without_a_token() {
    let mut settings = loopback(Some(""));
    settings.address = ([0, 0, 0, 0], 0).into();
    let error = start(&settings, state(&Readiness::new())).unwrap_err();
    assert!(matches!(error, AdminError::TokenMissing(_)), "{error:?}");
    settings.token = Some("s3cret".into());
    start(&settings, state(&Readiness::new())).unwrap().stop();
}
