//! The target of a request (RFC 9112, 3.2). Paths are compared as they are written.

use super::{Answered, Case, Expected, Refused, case};

pub(super) fn cases() -> Vec<Case> {
    let request = |name, target: &[u8], expected: Expected| {
        let bytes = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        case(name, bytes, expected)
    };
    let method = |name, line: &str, expected| {
        case(name, format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"), expected)
    };
    vec![
        request("origin form", b"/", Answered(200)),
        request("a query", b"/?a=b&c", Answered(200)),
        request("a query that was not escaped", b"/?a=\"<b>\\{c}|\xc3\xa9&d", Answered(200)),
        request("a query that is not UTF-8", b"/?a=\xe9", Answered(200)),
        request("absolute form with such a query", b"http://a/?a=\"\xe9", Answered(200)),
        request("a space in a query", b"/?a=b c", Refused),
        request("NUL in a query", b"/?a=\0", Refused),
        request("a control character in a query", b"/?a=\x7f\"", Refused),
        request("a tab in a query", b"/?a=\"\t", Refused),
        request("another path", b"/nowhere", Answered(404)),
        request("two slashes", b"//", Answered(404)),
        request("a dot", b"/.", Answered(404)),
        request("two dots", b"/a/..", Answered(404)),
        request("an encoded slash", b"/%2f", Answered(404)),
        request("encoded dots", b"/a/%2e%2e", Answered(404)),
        request("a long path", format!("/{}", "a".repeat(7900)).as_bytes(), Answered(404)),
        request("absolute form", b"http://a/", Answered(200)),
        request("absolute form without a path", b"http://a", Answered(200)),
        request("absolute form in other letters", b"HTTPS://A/", Answered(200)),
        request("absolute form with its usual port", b"http://a:80/", Answered(200)),
        request("absolute form with another port", b"http://a:8443/", Answered(400)),
        request("absolute form with another host", b"http://other.example/", Answered(400)),
        request("absolute form with a user", b"http://user@a/", Answered(400)),
        request("absolute form without a host", b"http:///", Refused),
        request("absolute form with half an address", b"http://[zz/", Refused),
        request("absolute form with two ports", b"http://a:b:c/", Refused),
        request("absolute form of another scheme", b"ftp://a/", Refused),
        request("authority form", b"a:443", Refused),
        request("no slash", b"a", Refused),
        request("a fragment", b"/path#frag", Refused),
        request("a fragment behind a query", b"/?a=b#c", Refused),
        request("NUL", b"/\0test", Refused),
        request("a letter that is not ASCII", b"/caf\xc3\xa9", Refused),
        request("an overlong slash", b"/\xc0\xaf", Refused),
        request("a backslash", b"/path\\file", Refused),
        request("an encoded NUL", b"/path%00.html", Refused),
        request("encoded line ends", b"/path%0d%0aX-Injected:%20true", Refused),
        request("half an escape", b"/%2", Refused),
        request("an escape that is none", b"/%zz", Refused),
        method("an asterisk for OPTIONS", "OPTIONS *", Answered(204)),
        method("an asterisk for GET", "GET *", Refused),
        method("CONNECT", "CONNECT example.com:443", Refused),
        method("CONNECT with a path", "CONNECT /", Refused),
    ]
}
