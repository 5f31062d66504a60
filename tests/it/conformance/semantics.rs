//! What methods, expectations and upgrades are answered (RFC 9110).

use super::{Answered, AnsweredThenRefused, Case, Expected, Last, case, get, post};

pub(super) fn cases() -> Vec<Case> {
    let method = |name, method: &str, expected: Expected| {
        case(name, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"), expected)
    };
    let with_body = |name, method: &str, expected: Expected| {
        let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 5";
        case(name, format!("{method} / {head}\r\n\r\nhello"), expected)
    };
    let socket = "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    vec![
        method("HEAD", "HEAD", Answered(200)),
        method("OPTIONS", "OPTIONS", Answered(204)),
        method("DELETE", "DELETE", Answered(405)),
        method("TRACE", "TRACE", Answered(405)),
        method("a method nobody knows", "FOOBAR", Answered(405)),
        with_body("GET with a body", "GET", Answered(200)),
        // Their bodies are not read, so the connection ends.
        with_body("HEAD with a body", "HEAD", Last(200)),
        with_body("OPTIONS with a body", "OPTIONS", Last(204)),
        with_body("TRACE with a body", "TRACE", Last(405)),
        get("Connection: close", "Connection: close\r\n", Last(200)),
        get("an expectation nobody knows", "Expect: 200-ok\r\n", Answered(417)),
        case(
            "HTTP/1.0 is told nothing in between",
            "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
            Last(200),
        ),
        post(
            "a range of a POST",
            "Content-Length: 5\r\nRange: bytes=0-10\r\n",
            "hello",
            Answered(200),
        ),
        get("a range that is none", "Range: bytes=abc-xyz\r\n", Answered(200)),
        get("an unknown Accept", "Accept: application/x-nonsense\r\n", Answered(200)),
        post(
            "an unknown type",
            "Content-Length: 5\r\nContent-Type: a/b\r\n",
            "hello",
            Answered(200),
        ),
        get("an upgrade", format!("Connection: Upgrade\r\n{socket}"), Answered(200)),
        get("an upgrade that Connection does not name", socket, Answered(200)),
        get("an upgrade nobody knows", "Connection: Upgrade\r\nUpgrade: a/1.0\r\n", Answered(200)),
        get(
            "an upgrade to HTTP/2",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n",
            Answered(200),
        ),
        case(
            "an upgrade in HTTP/1.0",
            format!("GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\n{socket}\r\n"),
            Last(200),
        ),
        // What follows a body of none is the next request, and is none.
        case(
            "a byte behind a body of none",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nXGET /\r\n",
            AnsweredThenRefused,
        ),
        case("two requests at once", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Answered(200)),
        case(
            "a request, and one that is none",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nX\r\n",
            AnsweredThenRefused,
        ),
    ]
}
