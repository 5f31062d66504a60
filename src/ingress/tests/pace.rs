//! How long a connection may be idle, to the millisecond, by a clock that stands still otherwise.

use tokio::io::DuplexStream;
use tokio::time::{Instant, timeout};

use super::super::serve::{Door, Http};
use super::*;
use crate::net::Protocol;

const IDLE: Duration = Duration::from_secs(75);
const JUST: Duration = Duration::from_millis(1);
/// Asks for nothing that another thread would have to do: the clock would not wait for it.
const ASKED: &str = "OPTIONS /in HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection of HTTP/1.1 that is served.
fn connection(house: &House) -> DuplexStream {
    let (near, far) = tokio::io::duplex(1 << 10);
    let http = Http::new(&house.front.limits, TaskTracker::new());
    let tls = TlsSettings { mode: TlsMode::Off, handshake_time: PATIENCE, handshakes: 1 };
    let (tls, stop) = (Tls::new(&tls).unwrap(), CancellationToken::new());
    let door = Arc::new(Door { http, tls, front: Arc::clone(&house.front), stop });
    let origin = Origin::direct([127, 0, 0, 1].into());
    TaskTracker::new().spawn(door.converse(origin, None, far, Protocol::Http1));
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

#[tokio::test(start_paused = true)]
async fn a_connection_may_be_idle_for_just_so_long() {
    let mut plan = plan();
    plan.front.limits.idle_time = IDLE;
    let house = House::build(plan);
    let mut stream = connection(&house);
    for _ in 0..3 {
        answer(&mut stream).await;
        let more = timeout(IDLE.saturating_sub(JUST), stream.read_u8()).await;
        assert!(more.is_err(), "it goes on: {more:?}");
    }
    answer(&mut stream).await;
    let answered = Instant::now();
    assert!(stream.read_u8().await.is_err(), "the end");
    assert_eq!(answered.elapsed(), IDLE);
    house.close().await;
}
