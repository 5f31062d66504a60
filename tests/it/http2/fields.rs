//! Header fields: what makes a request malformed (RFC 9113, 8), and what cannot be decoded
//! (RFC 7541).

use super::{Answered, BadRequest, Case, ConnectionError, Expected, StreamError, case, post};
use crate::support::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, frame, request};

/// Entries of the static table (RFC 7541, A).
const METHOD_GET: &[u8] = &[0x82];
const PATH: &[u8] = &[0x84];
const SCHEME: &[u8] = &[0x87];
/// `:authority: a`, `host: a`, `host: b`, `host: a:443`, `:scheme: ftp` and an empty `:path`.
const AUTHORITY: &[u8] = &[0x01, 1, b'a'];
const HOST: &[u8] = &[0x0f, 23, 1, b'a'];
const OTHER_HOST: &[u8] = &[0x0f, 23, 1, b'b'];
const USUAL_PORT: &[u8] = &[0x0f, 23, 5, b'a', b':', b'4', b'4', b'3'];
const FTP: &[u8] = &[0x06, 3, b'f', b't', b'p'];
const EMPTY_PATH: &[u8] = &[0x04, 0];
/// A new name, `x-test`, in Huffman code; a value follows.
const NAME: &[u8] = &[0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff];

pub(super) fn cases() -> Vec<Case> {
    [malformed(), pseudo(), bodies(), codes()].into_iter().flatten().collect()
}

fn head(name: &'static str, block: &[u8], expected: Expected) -> Case {
    case(name, [frame(HEADERS, END_HEADERS | END_STREAM, 1, block)], expected)
}

/// RFC 9113, 8.2.
fn malformed() -> Vec<Case> {
    let with = |name, field: (&str, &str)| head(name, &request("GET", "/", &[field]), StreamError);
    vec![
        with("a name in capitals", ("X-Test", "a")),
        with("a line end in a name", ("a\r\nb", "c")),
        with("a line end in a value", ("a", "b\r\nc: d")),
        with("NUL in a value", ("a", "\0")),
        with("connection", ("connection", "close")),
        with("keep-alive", ("keep-alive", "timeout=5")),
        with("proxy-connection", ("proxy-connection", "close")),
        with("transfer-encoding", ("transfer-encoding", "chunked")),
        with("upgrade", ("upgrade", "h2c")),
        with("te other than trailers", ("te", "gzip")),
    ]
}

/// RFC 9113, 8.3.
fn pseudo() -> Vec<Case> {
    let refused = StreamError;
    let whole = [METHOD_GET, SCHEME, PATH, AUTHORITY];
    let without = |left_out: &[u8]| -> Vec<u8> {
        whole.iter().filter(|&&field| field != left_out).copied().collect::<Vec<_>>().concat()
    };
    let again = |field: &[u8]| [&whole.concat(), field].concat();
    let late = [&[0x00, 1, b'x', 1, b'y'][..], &whole.concat()].concat();
    vec![
        head("all there are", &whole.concat(), Answered),
        head("no authority, and a host", &[&without(AUTHORITY), HOST].concat(), Answered),
        head("an authority, and the same host", &again(HOST), Answered),
        head("an authority, and the same with its usual port", &again(USUAL_PORT), Answered),
        head("an authority, and another host", &again(OTHER_HOST), BadRequest),
        head("no authority and no host", &without(AUTHORITY), BadRequest),
        head("a scheme that is not HTTP's", &[&without(SCHEME), FTP].concat(), BadRequest),
        // The library drops the scheme where there is no authority, so nobody can see that it is foreign.
        head("such a one, and a host alone", &[METHOD_GET, FTP, PATH, HOST].concat(), Answered),
        head("no method", &without(METHOD_GET), refused),
        head("no scheme", &without(SCHEME), refused),
        head("no path", &without(PATH), refused),
        head("an empty path", &[&without(PATH), EMPTY_PATH].concat(), refused),
        head("two methods", &again(METHOD_GET), refused),
        head("two schemes", &again(SCHEME), refused),
        head("two paths", &again(PATH), refused),
        head("two authorities", &again(AUTHORITY), refused),
        head("one that is not known", &request("GET", "/", &[(":test", "a")]), refused),
        head("one of replies", &request("GET", "/", &[(":status", "200")]), refused),
        head("one behind a field", &late, refused),
    ]
}

/// RFC 9113, 8.1 and 8.1.1.
fn bodies() -> Vec<Case> {
    let refused = StreamError;
    let data = |flags| frame(DATA, flags, 1, b"test");
    let trailer = |flags| frame(HEADERS, END_HEADERS | flags, 1, &[0, 1, b'x', 1, b'y']);
    let length = |bytes| post(&[("content-length", bytes)]);
    let nothing = request("GET", "/", &[("content-length", "5")]);
    vec![
        case("trailers", [post(&[]), data(0), trailer(END_STREAM)], Answered),
        case("trailers that are not the end", [post(&[]), data(0), trailer(0)], refused),
        case("a length", [length("4"), data(END_STREAM)], Answered),
        case("a length that is less", [length("1"), data(END_STREAM)], refused),
        case("a length that is more", [length("5"), data(END_STREAM)], refused),
        case("a length that is less than two", [length("5"), data(0), data(END_STREAM)], refused),
        case("a length that is none", [length("a"), data(END_STREAM)], refused),
        head("a length without a body", &nothing, refused),
    ]
}

/// RFC 7541, 2.3.3, 4.2, 5.2, 6.1 and 6.3.
fn codes() -> Vec<Case> {
    let refused = ConnectionError;
    let good = request("GET", "/?action_id=1", &[]);
    let behind = |bytes: &[u8]| [&good, bytes].concat();
    let named = |value: &[u8]| [&good, NAME, value].concat();
    // 5-bit prefix, then 7 bits a byte: 4096 and 4097, and 4096 is what there is.
    let (most, more) = ([0x3f, 0xe1, 0x1f], [0x3f, 0xe2, 0x1f]);
    vec![
        head("a table of the size there is", &[&most[..], &good].concat(), Answered),
        head("a larger table", &[&more[..], &good].concat(), refused),
        head("a size behind a field", &behind(&[0x20]), refused),
        head("index 0", &behind(&[0x80]), refused),
        head("an index past the tables", &behind(&[0xfe]), refused),
        head("a literal without its text", &behind(&[0x40]), refused),
        head("Huffman code", &named(&[0x83, 0x49, 0x50, 0x9f]), Answered),
        head(
            "Huffman code with a byte of padding",
            &named(&[0x84, 0x49, 0x50, 0x9f, 0xff]),
            refused,
        ),
        head("Huffman code padded with zeroes", &named(&[0x83, 0x49, 0x50, 0x90]), refused),
        head("Huffman code with its end", &named(&[0x84, 0xff, 0xff, 0xff, 0xfd]), refused),
    ]
}
