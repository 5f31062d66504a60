//! Frames of the connection: their form, settings and the window of all (RFC 9113, 4 and 6).

use super::{Case, ConnectionError, Taken, case};
use crate::support::frames::{
    CONTINUATION, DATA, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
};

/// A type of frame that nobody has defined.
const UNKNOWN: u8 = 0x16;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

pub(super) fn cases() -> Vec<Case> {
    [forms(), places(), settings(), windows()].into_iter().flatten().collect()
}

/// What a frame may look like (RFC 9113, 4.1 and 4.2).
fn forms() -> Vec<Case> {
    let size = ConnectionError;
    vec![
        case("an unknown type", [frame(UNKNOWN, 0, 0, &[0; 8])], Taken),
        case("an unknown type on a stream", [frame(UNKNOWN, 0xff, 1, b"")], Taken),
        case("unknown flags", [frame(PING, 0x16, 0, &[0; 8])], Taken),
        case("the reserved bit", [frame(PING, 0, 1 << 31, &[0; 8])], Taken),
        case("PING of 6 bytes", [frame(PING, 0, 0, &[0; 6])], size),
        case("SETTINGS of 3 bytes", [frame(SETTINGS, 0, 0, &[0, 3, 0])], size),
        case("an acknowledgement with settings", [frame(SETTINGS, 1, 0, &[0; 6])], size),
        case("WINDOW_UPDATE of 3 bytes", [frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1])], size),
        case("SETTINGS past the size of a frame", [frame(SETTINGS, 0, 0, &vec![0; 16386])], size),
    ]
}

/// What belongs to a stream, and what to none (RFC 9113, 6).
fn places() -> Vec<Case> {
    let refused = ConnectionError;
    vec![
        case("DATA of no stream", [frame(DATA, 1, 0, b"test")], refused),
        case("HEADERS of no stream", [frame(HEADERS, 5, 0, &[0x82])], refused),
        case("PRIORITY of no stream", [frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 255])], refused),
        case("RST_STREAM of no stream", [frame(RST_STREAM, 0, 0, &[0, 0, 0, 8])], refused),
        case("CONTINUATION of no stream", [frame(CONTINUATION, 4, 0, &[0x82])], refused),
        case("SETTINGS of a stream", [frame(SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 100])], refused),
        case("PING of a stream", [frame(PING, 0, 1, &[0; 8])], refused),
        case("GOAWAY of a stream", [frame(GOAWAY, 0, 1, &[0; 8])], refused),
    ]
}

/// RFC 9113, 6.5.2.
fn settings() -> Vec<Case> {
    let set = |id: u16, value: u32| {
        let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        [frame(SETTINGS, 0, 0, &payload)]
    };
    let refused = ConnectionError;
    vec![
        case("an unknown setting", set(0xff, 1), Taken),
        case("push that is neither on nor off", set(ENABLE_PUSH, 2), refused),
        case("the largest window", set(INITIAL_WINDOW_SIZE, (1 << 31) - 1), Taken),
        case("a larger one", set(INITIAL_WINDOW_SIZE, 1 << 31), ConnectionError),
        case("the smallest frame size", set(MAX_FRAME_SIZE, 1 << 14), Taken),
        case("a smaller one", set(MAX_FRAME_SIZE, (1 << 14) - 1), refused),
        case("the largest frame size", set(MAX_FRAME_SIZE, (1 << 24) - 1), Taken),
        case("one that is larger", set(MAX_FRAME_SIZE, 1 << 24), refused),
    ]
}

/// RFC 9113, 6.9 and 6.9.1.
fn windows() -> Vec<Case> {
    let update = |bytes: u32| frame(WINDOW_UPDATE, 0, 0, &bytes.to_be_bytes());
    let most = (1 << 31) - 1;
    vec![
        case("a window that grows", [update(1)], Taken),
        case("a window that grows by nothing", [update(0)], ConnectionError),
        case("a window past the largest", [update(most)], ConnectionError),
    ]
}
