//! Frames of streams: in which state of one they may come, and how large (RFC 9113, 5 and 6).

use super::{Answered, Case, ConnectionError, StreamError, Taken, case, get, post};
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PING, PRIORITY, PUSH_PROMISE,
    RST_STREAM, WINDOW_UPDATE, WITH_PRIORITY, frame, request,
};

pub(super) fn cases() -> Vec<Case> {
    [states(), sizes(), padding(), priorities(), windows(), blocks()]
        .into_iter()
        .flatten()
        .collect()
}

fn data(bytes: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, 1, bytes)
}

fn reset(error: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, 1, &error.to_be_bytes())
}

fn priority(stream: u32, on: u32) -> Vec<u8> {
    frame(PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[255]].concat())
}

fn window(bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, 1, &bytes.to_be_bytes())
}

/// RFC 9113, 5.1 and 5.1.1.
fn states() -> Vec<Case> {
    let refused = ConnectionError;
    let closed = StreamError;
    let block = request("GET", "/", &[]);
    let promise = [&3_u32.to_be_bytes()[..], &block].concat();
    vec![
        case("a request", [get(1)], Answered),
        case("a request with a body", [post(&[]), data(b"action_id=1")], Answered),
        case("idle: DATA", [data(b"test")], refused),
        case("idle: RST_STREAM", [reset(8)], refused),
        case("idle: WINDOW_UPDATE", [window(1)], refused),
        case("idle: CONTINUATION", [frame(CONTINUATION, END_HEADERS, 1, &block)], refused),
        case("half-closed: WINDOW_UPDATE", [get(1), window(1)], Answered),
        case("half-closed: DATA", [get(1), data(b"test")], closed),
        case("half-closed: HEADERS", [get(1), get(1)], closed),
        case("reset: DATA", [post(&[]), reset(8), data(b"test")], closed),
        case("reset: HEADERS", [post(&[]), reset(8), get(1)], closed),
        case("a reset for an unknown reason", [post(&[]), reset(0xff)], Taken),
        case("an even stream", [get(2)], refused),
        case("a smaller stream", [get(5), get(3)], refused),
        case("a promise", [frame(PUSH_PROMISE, END_HEADERS, 1, &promise)], refused),
    ]
}

/// RFC 9113, 4.2.
fn sizes() -> Vec<Case> {
    let size = StreamError;
    let large = frame(HEADERS, END_HEADERS | END_STREAM, 1, &vec![0x82; 16385]);
    vec![
        case("DATA of the size of a frame", [post(&[]), data(&vec![b'a'; 16384])], Answered),
        case("DATA past it", [post(&[]), data(&vec![b'a'; 16385])], size),
        case("HEADERS past it", [large], ConnectionError),
        case("PRIORITY of 4 bytes", [get(1), frame(PRIORITY, 0, 1, &[0; 4])], size),
        case("RST_STREAM of 3 bytes", [get(1), frame(RST_STREAM, 0, 1, &[0; 3])], size),
    ]
}

/// RFC 9113, 6.1 and 6.2.
fn padding() -> Vec<Case> {
    let refused = StreamError;
    let block = request("GET", "/?action_id=1", &[]);
    let padded = |pad: u8, room: usize| {
        let payload = [&[pad][..], &block, &vec![0; room]].concat();
        [frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &payload)]
    };
    let all = u8::try_from(block.len() + 1).unwrap();
    let short = frame(DATA, END_STREAM | PADDED, 1, b"\x06test");
    vec![
        case("padding", padded(8, 8), Answered),
        case("padding that is more than all", padded(all, 0), refused),
        case("padding of DATA that is more than all", [post(&[]), short], refused),
    ]
}

/// RFC 7540, 5.3; RFC 9113, 5.3.2 has it ignored.
fn priorities() -> Vec<Case> {
    let block = [&[0, 0, 0, 1, 255][..], &request("GET", "/", &[])].concat();
    let itself = frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &block);
    vec![
        case("a priority before the stream", [priority(1, 0), get(1)], Answered),
        case("a priority of a later stream", [priority(3, 0), get(1)], Answered),
        case("a priority after the request", [get(1), priority(1, 0)], Answered),
        case("PRIORITY that depends on itself", [priority(1, 1)], StreamError),
        case("HEADERS that depend on themselves", [itself], StreamError),
    ]
}

/// RFC 9113, 6.9.
fn windows() -> Vec<Case> {
    let most = (1 << 31) - 1;
    let past = StreamError;
    vec![
        case("a window that grows by nothing", [post(&[]), window(0)], StreamError),
        case("a window past the largest", [post(&[]), window(most), window(most)], past),
    ]
}

/// Header blocks in pieces: nothing may come between (RFC 9113, 4.3 and 6.10).
fn blocks() -> Vec<Case> {
    let block = request("GET", "/?action_id=1", &[]);
    let begun = || frame(HEADERS, END_STREAM, 1, &block[..5]);
    let rest = |flags, bytes: &[u8]| frame(CONTINUATION, flags, 1, bytes);
    let end = || rest(END_HEADERS, &block[5..]);
    let refused = ConnectionError;
    vec![
        case("two pieces", [begun(), end()], Answered),
        case("an empty piece", [begun(), rest(0, b""), end()], Answered),
        case("PRIORITY between", [begun(), priority(1, 0), end()], refused),
        case("HEADERS between", [begun(), get(3), end()], refused),
        case("DATA between", [begun(), data(b"test"), end()], refused),
        case("PING between", [begun(), frame(PING, 0, 0, &[0; 8]), end()], refused),
        case("an unknown type between", [begun(), frame(0x16, 0, 0, b""), end()], refused),
        case(
            "a piece of another stream",
            [begun(), frame(CONTINUATION, 4, 3, &block[5..])],
            refused,
        ),
        case("a piece of no stream", [begun(), frame(CONTINUATION, 4, 0, &block[5..])], refused),
        case("a piece behind the last", [begun(), end(), end()], refused),
        case("a piece behind a whole one", [get(1), end()], refused),
    ]
}
