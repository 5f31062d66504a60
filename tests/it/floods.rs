//! HTTP/2 used as no sender uses it: every connection that floods ends, and nobody else notices.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use crate::support::client::{ask, handshake_on, metric};
use crate::support::config::{Folder, ROUTE};
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GOAWAY, HEADERS, PING,
    PRIORITY, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, next, open, request,
};
use crate::support::gateway::TestGateway;
use crate::support::upstream::Upstream;
use crate::support::within;

const PATH: &str = "/postback/actions?action_id=1";
/// A type of frames that nobody has given a meaning.
const UNKNOWN: u8 = 99;

async fn gateway(limits: &str) -> TestGateway {
    gateway_with(limits, ROUTE).await
}

async fn gateway_with(limits: &str, route: &str) -> TestGateway {
    let upstream = Upstream::away().await;
    let more = format!("[limits]\n{limits}\n{route}");
    TestGateway::start(Folder::new(upstream.address, &more)).await
}

/// Sends these bytes over and over until the connection ends, while it reads; the last frame.
async fn flood(stream: TlsStream<TcpStream>, bytes: &[u8]) -> Option<Frame> {
    let (mut read, mut write) = tokio::io::split(stream);
    let sending = async { while write.write_all(bytes).await.is_ok() {} };
    let reading = async {
        let mut last = None;
        while let Some(frame) = next(&mut read).await {
            last = Some(frame);
        }
        last
    };
    let (last, ()) = within("the end of a flood", async { tokio::join!(reading, sending) }).await;
    last
}

/// A good request of somebody else is answered, and the admin listener answers.
async fn is_well(gateway: TestGateway) {
    let mut client = gateway.http2_client().await;
    assert_eq!(client.post_json(r#"{"action_id":"1.2.3"}"#).await.status(), 200);
    assert_eq!(ask(gateway.admin(), "/livez").await.0, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_end_the_connection() {
    let gateway = gateway("").await;
    let mut stream = open(&gateway, b"").await;
    let block = request("POST", PATH, &[]);
    let mut bytes = Vec::new();
    for number in 0..500 {
        let id = 2 * number + 1;
        bytes.extend(frame(HEADERS, END_HEADERS, id, &block));
        bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    stream.write_all(&bytes).await.unwrap();
    let end = within("the end of the connection", async {
        let mut last = None;
        while let Some(frame) = next(&mut stream).await {
            last = Some(frame);
        }
        last
    });
    let end = end.await.unwrap();
    assert_eq!((end.kind, end.error()), (GOAWAY, ENHANCE_YOUR_CALM), "{end:?}");
    is_well(gateway).await;
}

#[tokio::test]
async fn a_head_that_is_continued_for_ever_ends_the_connection() {
    let gateway = gateway("").await;
    let mut stream = open(&gateway, b"").await;
    stream.write_all(&frame(HEADERS, 0, 1, &request("GET", PATH, &[]))).await.unwrap();
    let end = flood(stream, &frame(CONTINUATION, 0, 1, &[0, 1, b'a', 1, b'b'])).await;
    assert_eq!(end.map(|end| end.kind), Some(GOAWAY));
    is_well(gateway).await;
}

#[tokio::test]
async fn frames_that_ask_for_nothing_end_the_connection_whatever_else_it_brings() {
    // No time ends any of them.
    let gateway = gateway("header_time = \"10m\"\nidle_time = \"10m\"\nbody_time = \"10m\"").await;
    let one = 1_u32.to_be_bytes();
    let floods = [
        frame(PING, 0, 0, b"abcdefgh"),
        frame(SETTINGS, 0, 0, b""),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]),
        frame(WINDOW_UPDATE, 0, 0, &one),
        frame(UNKNOWN, 0, 0, b"abcdefgh"),
    ];
    for (before, flood_frame) in floods.iter().enumerate() {
        let mut stream = open(&gateway, b"").await;
        let head = frame(HEADERS, END_HEADERS, 1, &request("POST", PATH, &[]));
        stream.write_all(&head).await.unwrap();
        flood(stream, &flood_frame.repeat(100)).await;
        let told = "postgate_connections_broken_total{reason=\"flood\"}";
        metric(gateway.admin(), &format!("{told} {}", before + 1)).await;
    }

    // Nor does it help not to read what they are answered.
    let mut deaf = open(&gateway, b"").await;
    let pings = frame(PING, 0, 0, b"abcdefgh").repeat(100);
    within("the end of a flood", async { while deaf.write_all(&pings).await.is_ok() {} }).await;
    is_well(gateway).await;
}

#[tokio::test]
async fn pings_are_no_requests_and_keep_nothing_open() {
    let gateway = gateway("header_time = \"300ms\"").await;
    let mut stream = open(&gateway, b"").await;
    stream.write_all(&frame(PING, 0, 0, b"abcdefgh").repeat(100)).await.unwrap();
    within("the end of the connection", async { while next(&mut stream).await.is_some() {} }).await;
    metric(gateway.admin(), "postgate_connections_broken_total{reason=\"silent\"} 1").await;
    is_well(gateway).await;
}

#[tokio::test]
async fn frames_without_a_byte_do_not_make_a_body_last() {
    let gateway = gateway("body_time = \"300ms\"\nidle_time = \"300ms\"").await;
    let mut stream = open(&gateway, b"").await;
    let head = frame(HEADERS, END_HEADERS, 1, &request("POST", PATH, &[]));
    stream.write_all(&head).await.unwrap();
    stream.write_all(&frame(DATA, 0, 1, b"").repeat(100)).await.unwrap();
    within("the end of the connection", async { while next(&mut stream).await.is_some() {} }).await;
    is_well(gateway).await;
}

/// It does not answer the PING by which the library agrees upon the end.
#[tokio::test]
async fn a_peer_that_does_not_hear_of_the_end_is_left() {
    let gateway = gateway("requests_per_connection = 1").await;
    let mut stream = open(&gateway, b"").await;
    let block = request("OPTIONS", PATH, &[]);
    within("the end of the connection", async {
        for id in (1..).step_by(2) {
            let asked = frame(HEADERS, END_HEADERS | END_STREAM, id, &block);
            if stream.write_all(&asked).await.is_err() {
                return;
            }
            loop {
                match next(&mut stream).await {
                    Some(frame) if (frame.kind, frame.stream) == (HEADERS, id) => break,
                    Some(_) => {}
                    None => return,
                }
            }
        }
    })
    .await;
    is_well(gateway).await;
}

/// Its trailers would be kept for as long as nobody takes the reply.
#[tokio::test]
async fn a_request_that_does_not_end_has_no_reply_to_wait_for() {
    let gateway = gateway("").await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0: no reply may have a body.
    let mut stream = open(&gateway, &[0, 4, 0, 0, 0, 0]).await;
    let head = frame(HEADERS, END_HEADERS, 1, &request("POST", "/nowhere", &[]));
    stream.write_all(&head).await.unwrap();
    let ended = within("the end of the stream", async {
        while let Some(frame) = next(&mut stream).await {
            if (frame.kind, frame.stream) == (RST_STREAM, 1) {
                return true;
            }
        }
        false
    });
    assert!(ended.await);
    is_well(gateway).await;
}

#[tokio::test]
async fn replies_that_are_not_read_do_not_keep_a_connection_open() {
    // Large ones, so that few of them fill what the kernel holds for a peer.
    let reply = "x".repeat(16 << 10);
    let route = format!("{ROUTE}[routes.reply]\nsuccess_body = \"{reply}\"\n");
    let gateway = gateway_with("idle_time = \"300ms\"", &route).await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0: no reply may have a body.
    let mut narrow = open(&gateway, &[0, 4, 0, 0, 0, 0]).await;
    let block = request("GET", PATH, &[]);
    narrow.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await.unwrap();
    let mut said = Vec::new();
    drop(within("the end of the connection", narrow.read_to_end(&mut said)).await);

    // HTTP/1.1: requests without an end, and nobody reads. Nothing of them is stored, so that the
    // replies fill the kernel's buffers soon.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let socket = socket.connect(gateway.gateway.address()).await.unwrap();
    let trusted = &gateway.folder.certificate;
    let mut deaf = handshake_on(socket, trusted, b"http/1.1").await.unwrap();
    let asked = format!("OPTIONS {PATH} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(100);
    within("the end of the connection", async {
        while deaf.write_all(asked.as_bytes()).await.is_ok() {}
    })
    .await;
    is_well(gateway).await;
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_keep_out_their_own_address_alone() {
    // Two at once, so one of an address; none is cut for its time.
    let upstream = Upstream::away().await;
    let limits = "[limits]\nhandshakes = 2\nhandshake_time = \"10m\"";
    let folder = Folder::new(upstream.address, &format!("{limits}\n{ROUTE}"));
    let text = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&text.replace("127.0.0.1/32", "127.0.0.0/8"));
    let gateway = TestGateway::start(folder).await;
    let address = gateway.gateway.address();
    let connect = async |from: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(from.parse().unwrap()).unwrap();
        socket.connect(address).await.unwrap()
    };
    let mut stalled = Vec::new();
    for _ in 0..10 {
        let mut stream = connect("127.0.0.1:0").await;
        stream.write_all(b"\x16").await.unwrap();
        stalled.push(stream);
    }
    let stream = connect("127.0.0.2:0").await;
    let trusted = &gateway.folder.certificate;
    within("a handshake", handshake_on(stream, trusted, b"http/1.1")).await.unwrap();
    drop(stalled);
    is_well(gateway).await;
}

#[tokio::test]
async fn past_its_limit_a_stream_is_refused_alone() {
    let gateway = gateway("http2_streams = 2").await;
    let mut stream = open(&gateway, b"").await;
    let block = request("POST", PATH, &[]);
    for id in [1, 3, 5] {
        stream.write_all(&frame(HEADERS, END_HEADERS, id, &block)).await.unwrap();
    }
    stream.write_all(&frame(DATA, END_STREAM, 1, b"{\"action_id\":\"1\"}")).await.unwrap();
    let (mut refused, mut answered) = (false, false);
    while !(refused && answered) {
        let found = within("a frame", next(&mut stream)).await.unwrap();
        refused |= found.kind == RST_STREAM && found.stream == 5 && found.error() == REFUSED_STREAM;
        answered |= found.kind == HEADERS && found.stream == 1;
        assert_ne!(found.kind, GOAWAY);
    }
    is_well(gateway).await;
}

#[tokio::test]
async fn requests_take_room_before_their_bodies_come() {
    // One address gets half of it: room for two requests, and not for a third, whose 8 KiB would fit
    // without its head. None of them is refused for being slow.
    let patience = "body_grace = \"10m\"\nbody_time = \"10m\"";
    let room = "body_bytes = \"8KiB\"\nbodies_bytes = \"48KiB\"";
    let gateway = gateway(&format!("{patience}\n{room}")).await;
    let mut stream = open(&gateway, b"").await;
    let block = request("POST", PATH, &[]);
    let ids = [1, 3, 5];
    for id in ids {
        stream.write_all(&frame(HEADERS, END_HEADERS, id, &block)).await.unwrap();
    }
    let refused = within("a refusal", answered(&mut stream)).await;
    let waiting = ids.into_iter().filter(|&id| id != refused);
    for id in waiting.clone() {
        let data = frame(DATA, END_STREAM, id, b"{\"action_id\":\"1\"}");
        stream.write_all(&data).await.unwrap();
    }
    let mut taken = Vec::new();
    for _ in waiting.clone() {
        taken.push(within("an answer", answered(&mut stream)).await);
    }
    taken.sort_unstable();
    assert_eq!(taken, waiting.collect::<Vec<_>>());
    is_well(gateway).await;
}

/// The stream of the next answer.
async fn answered(stream: &mut TlsStream<TcpStream>) -> u32 {
    loop {
        let frame = next(stream).await.unwrap();
        if frame.kind == HEADERS {
            return frame.stream;
        }
    }
}
