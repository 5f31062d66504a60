//! The limits of HTTP/2 that are no keys (`src/ingress/exchange.rs`), at each and one past it.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{AFTERWARDS, gateway, gateway_with, get};
use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GOAWAY, HEADERS, PING, REFUSED_STREAM,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, next, open, request,
};
use crate::support::gateway::TestGateway;
use crate::support::within;

const RESETS: usize = 20;
const FAULTS: usize = 100;
const STREAM_WINDOW: u32 = 64 << 10;
const WINDOW: u32 = 256 << 10;

/// The setting of RFC 9113, 6.5.2, and the window that every connection begins with (6.9.2).
const INITIAL_WINDOW_SIZE: u16 = 4;
const FIRST_WINDOW: u32 = 65_535;

/// What comes of streams 1, 3, 5 … up to so many, each with these frames on it, sent at once: the
/// answer to a ping behind them, or the end.
async fn last_of(gateway: &TestGateway, streams: usize, on: impl Fn(u32) -> Vec<u8>) -> Frame {
    let ids = (1..).step_by(2).take(streams);
    let mut bytes: Vec<u8> = ids.flat_map(on).collect();
    bytes.extend(frame(PING, 0, 0, AFTERWARDS));
    let mut stream = open(gateway, b"").await;
    stream.write_all(&bytes).await.unwrap();
    let decided = async {
        loop {
            let frame = next(&mut stream).await.unwrap();
            if frame.kind == GOAWAY || frame.payload == AFTERWARDS {
                break frame;
            }
        }
    };
    within("an answer", decided).await
}

async fn hold(gateway: &TestGateway, most: usize, on: impl Fn(u32) -> Vec<u8>) {
    let at = last_of(gateway, most, &on).await;
    assert_eq!(at.kind, PING, "at the limit: {at:?}");
    let past = last_of(gateway, most + 1, &on).await;
    assert_eq!((past.kind, past.error()), (GOAWAY, ENHANCE_YOUR_CALM), "past it");
}

#[tokio::test]
async fn streams_that_are_reset_before_they_were_looked_at() {
    let gateway = gateway().await;
    hold(&gateway, RESETS, |id| [get(id), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat())
        .await;
    gateway.stop().await;
}

#[tokio::test]
async fn streams_that_had_to_be_reset_for_faults() {
    let gateway = gateway().await;
    let fault = request("GET", "/", &[("connection", "close")]);
    hold(&gateway, FAULTS, |id| frame(HEADERS, END_HEADERS | END_STREAM, id, &fault)).await;
    gateway.stop().await;
}

#[tokio::test]
async fn bytes_that_may_come_before_they_are_asked_for() {
    let gateway = gateway().await;
    let mut stream = open(&gateway, b"").await;
    let (mut of_stream, mut of_all) = (None, None);
    while of_stream.is_none() || of_all.is_none() {
        let said = within("the settings", next(&mut stream)).await.unwrap();
        match said.kind {
            SETTINGS if !said.payload.is_empty() => {
                let id = INITIAL_WINDOW_SIZE.to_be_bytes();
                let setting = said.payload.chunks(6).find(|setting| setting.starts_with(&id));
                of_stream = Some(number(&setting.unwrap()[2..]));
            }
            WINDOW_UPDATE if said.stream == 0 => of_all = Some(number(&said.payload)),
            _ => {}
        }
    }
    assert_eq!((of_stream, of_all), (Some(STREAM_WINDOW), Some(WINDOW - FIRST_WINDOW)));
    gateway.stop().await;
}

#[tokio::test]
async fn replies_that_are_not_read_take_the_places_of_requests() {
    let gateway = gateway_with("[limits]\nhttp2_streams = 2\n").await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0: of a reply comes the head alone.
    let mut stream = open(&gateway, &[0, 4, 0, 0, 0, 0]).await;
    stream.write_all(&[get(1), get(3)].concat()).await.unwrap();
    let mut begun =
        [until(&mut stream, HEADERS).await.stream, until(&mut stream, HEADERS).await.stream];
    begun.sort_unstable();
    assert_eq!(begun, [1, 3]);
    stream.write_all(&get(5)).await.unwrap();
    let refused = until(&mut stream, RST_STREAM).await;
    assert_eq!((refused.stream, refused.error()), (5, REFUSED_STREAM), "one too many");

    // One of them is read: there is room for another one.
    stream.write_all(&frame(WINDOW_UPDATE, 0, 1, &4096_u32.to_be_bytes())).await.unwrap();
    assert_eq!(until(&mut stream, DATA).await.stream, 1);
    stream.write_all(&get(7)).await.unwrap();
    assert_eq!(until(&mut stream, HEADERS).await.stream, 7);
    gateway.stop().await;
}

/// The next frame of this kind.
async fn until(stream: &mut TlsStream<TcpStream>, kind: u8) -> Frame {
    let found = async {
        loop {
            let frame = next(stream).await.unwrap();
            if frame.kind == kind {
                break frame;
            }
        }
    };
    within("a frame", found).await
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}
