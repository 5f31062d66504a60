//! Lines: how they end, the first one, and those of the head (RFC 9112, 2 to 5).

use super::{Answered, Case, Cut, Last, Refused, Unfinished, case, get, post};

pub(super) fn cases() -> Vec<Case> {
    [ends(), first(), fields(), large()].into_iter().flatten().collect()
}

fn ends() -> Vec<Case> {
    vec![
        case("a bare LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", Refused),
        case("a bare LF behind a header", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", Refused),
        case("a bare LF behind the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", Refused),
        case("a bare CR behind the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", Refused),
        get("a bare CR in a value", "X: y\rz\r\n", Refused),
        post(
            "a bare CR in a value before a body",
            "Content-Length: 5\r\nX: y\rz\r\n",
            "hello",
            Refused,
        ),
        get("CR CR LF", "X: y\r\r\n", Refused),
        case("empty lines before the first request", [b"\r\n\r\n", GET].concat(), Answered(200)),
        case("a line of spaces", "   \r\n\r\n", Refused),
        case("nothing", "", Unfinished),
        case("a head without its end", "GET / HTTP/1.1\r\nHost: a\r\nX: y", Unfinished),
        case("garbage", (0..=255).rev().collect::<Vec<u8>>(), Refused),
        case("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused),
    ]
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn first() -> Vec<Case> {
    let request =
        |name, line: &str, expected| case(name, format!("{line}\r\nHost: a\r\n\r\n"), expected);
    vec![
        request("a usual request line", "GET / HTTP/1.1", Answered(200)),
        request("two spaces behind the method", "GET  / HTTP/1.1", Refused),
        request("two spaces behind the target", "GET /  HTTP/1.1", Refused),
        request("a space before the method", " GET / HTTP/1.1", Refused),
        request("a space behind the version", "GET / HTTP/1.1 ", Refused),
        request("a tab behind the method", "GET\t/ HTTP/1.1", Refused),
        request("no target", "GET HTTP/1.1", Refused),
        request("a space in the target", "GET /pa th HTTP/1.1", Refused),
        request("a method that is no token", "G(T / HTTP/1.1", Refused),
        request("no method", "/ HTTP/1.1", Refused),
        request("a method in lower case is another", "get / HTTP/1.1", Answered(405)),
        request("HTTP/0.9", "GET /", Refused),
        request("HTTP/9.9", "GET / HTTP/9.9", Refused),
        request("HTTP/2.0", "GET / HTTP/2.0", Refused),
        request("HTTP/1.2", "GET / HTTP/1.2", Refused),
        request("no minor version", "GET / HTTP/1", Refused),
        request("zeros before the version", "GET / HTTP/01.01", Refused),
        request("a space in the version", "GET / HTTP/ 1.1", Refused),
        request("the version in lower case", "GET / http/1.1", Refused),
        request("HTTP/1.0 ends after its answer", "GET / HTTP/1.0", Last(200)),
    ]
}

fn fields() -> Vec<Case> {
    vec![
        get("usual headers", "X:y\r\nZ: \tz \t\r\n", Answered(200)),
        get("obs-text in a value", b"X: caf\xe9\r\n", Answered(200)),
        get("an empty value", "X:\r\n", Answered(200)),
        get("a folded line", "X: y\r\n z\r\n", Refused),
        get("a line folded with a tab", "X: y\r\n\tz\r\n", Refused),
        case("a space before the first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refused),
        case(
            "a line of space before the headers",
            "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n",
            Refused,
        ),
        get("a space before the colon", "X : y\r\n", Refused),
        get("a tab before the colon", "X\t: y\r\n", Refused),
        get("a tab in a name", "X\tY: z\r\n", Refused),
        get("no name", ": y\r\n", Refused),
        get("no colon", "NoColonHere\r\n", Refused),
        get("brackets in a name", "Bad[Name: y\r\n", Refused),
        get("a letter that is not ASCII in a name", b"X-T\xc3\xabst: y\r\n", Refused),
        get("NUL in a name", "X\0Y: z\r\n", Refused),
        get("NUL in a value", "X: y\0z\r\n", Refused),
        get("control characters in a value", "X: abc\x07\x08\x0bdef\r\n", Refused),
        get("DEL in a value", "X: \x7f\r\n", Refused),
        get("two headers that look injected", "X: y\r\nInjected: yes\r\n", Answered(200)),
    ]
}

fn large() -> Vec<Case> {
    let long = "A".repeat(100_000);
    let many = "X-H: value\r\n".repeat(10_000);
    let method = |bytes: usize| format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(bytes));
    vec![
        case("a method of 32 bytes", method(32), Answered(405)),
        case("a method of 33 bytes", method(33), Refused),
        case("a method without its end", "M".repeat(33), Refused),
        case("a method of 100 kB", method(100_000), Cut),
        case("a target of 100 kB", format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), Cut),
        get("a name of 100 kB", format!("{long}: y\r\n"), Cut),
        get("a value of 100 kB", format!("X: {long}\r\n"), Cut),
        get("a cookie of 64 kB", format!("Cookie: a={}\r\n", "A".repeat(65_536)), Cut),
        get("10,000 headers", many, Cut),
        case(
            "a target of 8,000 bytes is no problem",
            format!("GET /?a={} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(8000)),
            Answered(200),
        ),
    ]
}
