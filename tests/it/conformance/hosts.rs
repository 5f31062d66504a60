//! The host that is asked for (RFC 9112, 3.2; RFC 9110, 7.2).

use super::{Answered, Case, Expected, Last, case};

pub(super) fn cases() -> Vec<Case> {
    let hosts = |name, lines: &str, expected: Expected| {
        case(name, format!("GET / HTTP/1.1\r\n{lines}\r\n"), expected)
    };
    vec![
        hosts("a name", "Host: a.example\r\n", Answered(200)),
        hosts("a name and a port", "Host: a.example:8443\r\n", Answered(200)),
        hosts("an address", "host:127.0.0.1:1\r\n", Answered(200)),
        hosts("an address of IPv6", "HOST: [::1]:8443\r\n", Answered(200)),
        // Its framing is clear, so the connection may go on.
        hosts("no host", "", Answered(400)),
        hosts("two hosts", "Host: a\r\nHost: other.example\r\n", Answered(400)),
        hosts("one host twice", "Host: a\r\nHost: a\r\n", Answered(400)),
        hosts("an empty host", "Host: \r\n", Answered(400)),
        hosts("a user", "Host: user@a\r\n", Answered(400)),
        hosts("a path", "Host: a/path\r\n", Answered(400)),
        hosts("two hosts in one", "Host: a, other.example\r\n", Answered(400)),
        hosts("a space", "Host: a b\r\n", Answered(400)),
        hosts("a port that is none", "Host: a:port\r\n", Answered(400)),
        hosts("a port out of range", "Host: a:65536\r\n", Answered(400)),
        hosts("a port with a sign", "Host: a:+80\r\n", Answered(400)),
        hosts("a port without digits", "Host: a:\r\n", Answered(200)),
        hosts("brackets around no address", "Host: [zz]\r\n", Answered(400)),
        case("HTTP/1.0 may name none", "GET / HTTP/1.0\r\n\r\n", Last(200)),
        case(
            "HTTP/1.0 may not name two",
            "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            Last(400),
        ),
    ]
}
