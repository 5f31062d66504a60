"""Http11Probe's scored cases about what a server must take and say, and what is broken. The names are its own."""

import random

from suites.messages import *

SOCKET = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {}\r\n"
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n" + SOCKET
LARGE = 100_000


def allowed(answer, state, _):
    """405 names the methods."""
    if answer is None:
        return FAIL
    return WARN if answer.status != 405 else PASS if "allow" in answer.fields else FAIL


def no_length(answer, state, _):
    """204 has no length."""
    if answer is None:
        return FAIL
    if answer.status == 204:
        return FAIL if "content-length" in answer.fields else PASS
    return PASS if answer.status == 405 else WARN


def lines(r):
    """Request lines, and the lines below."""
    return [
        case("COMP-BASELINE", r.get(), TAKEN),
        case("RFC9112-2.2-BARE-LF-REQUEST-LINE", r.raw(f"GET / HTTP/1.1\nHost: {r.host}\r\n\r\n"), BETTER_REFUSED),
        case("RFC9112-2.2-BARE-LF-HEADER",
             r.raw(f"GET / HTTP/1.1\r\nHost: {r.host}\nX-Test: value\r\n\r\n"), BETTER_REFUSED),
        case("RFC9112-5.1-OBS-FOLD", r.get("X-Test: value\r\n continued\r\n"), ONLY_400),
        case("RFC9110-5.6.2-SP-BEFORE-COLON", r.get("X-Test : value\r\n"), ONLY_400),
        case("RFC9112-3-MULTI-SP-REQUEST-LINE", r.get(sp="  "), BETTER_REFUSED_ALOUD),
        case("RFC9112-7.1-MISSING-HOST", r.raw("GET / HTTP/1.1\r\n\r\n"), ONLY_400),
        case("RFC9112-2.3-INVALID-VERSION", r.get(version="HTTP/9.9"), rule("400 505", closed=WARN, silent=WARN)),
        case("RFC9112-5-EMPTY-HEADER-NAME", r.get(": empty-name\r\n"), REFUSED),
        case("RFC9112-3-CR-ONLY-LINE-ENDING", r.raw(f"GET / HTTP/1.1\rHost: {r.host}\r\n\r\n"), REFUSED_ALOUD),
        case("RFC9112-3-MISSING-TARGET", r.raw(f"GET HTTP/1.1\r\nHost: {r.host}\r\n\r\n"), REFUSED_ALOUD),
        case("RFC9112-3.2-FRAGMENT-IN-TARGET", r.get(target="/path#frag"),
             rule("400", "404 2xx", closed=WARN, silent=WARN)),
        case("RFC9112-2.3-HTTP09-REQUEST", r.raw("GET /\r\n"), REFUSED),
        case("RFC9112-5-INVALID-HEADER-NAME", r.get("Bad[Name: value\r\n"), REFUSED),
        case("RFC9112-5-HEADER-NO-COLON", r.get("NoColonHere\r\n"), REFUSED),
        case("RFC9110-5.4-DUPLICATE-HOST", r.get("Host: other.example.com\r\n"), ONLY_400),
        case("RFC9112-6.1-CL-NON-NUMERIC", r.sized("abc", ""), REFUSED),
        case("RFC9112-6.1-CL-PLUS-SIGN", r.sized("+5"), REFUSED),
        case("COMP-WHITESPACE-BEFORE-HEADERS", r.raw(f"GET / HTTP/1.1\r\n \r\nHost: {r.host}\r\n\r\n"), REFUSED),
        case("COMP-DUPLICATE-HOST-SAME", r.get(f"Host: {r.host}\r\n"), ONLY_400),
        case("COMP-HOST-WITH-USERINFO", r.raw(f"GET / HTTP/1.1\r\nHost: user@{r.host}\r\n\r\n"), REFUSED),
        case("COMP-HOST-WITH-PATH", r.raw(f"GET / HTTP/1.1\r\nHost: {r.host}/path\r\n\r\n"), REFUSED),
        case("COMP-HOST-EMPTY-VALUE", r.raw("GET / HTTP/1.1\r\nHost: \r\n\r\n"), REFUSED),
        case("COMP-ASTERISK-WITH-GET", r.get(target="*"), REFUSED_ALOUD),
        case("COMP-OPTIONS-STAR", r.get(method="OPTIONS", target="*"), rule("2xx 405", closed=WARN, silent=WARN)),
        case("COMP-LEADING-CRLF", b"\r\n\r\n" + r.get(), BETTER_REFUSED_ALOUD),
        case("COMP-REQUEST-LINE-TAB", r.get(sp="\t"), BETTER_REFUSED_ALOUD),
        case("COMP-VERSION-MISSING-MINOR", r.get(version="HTTP/1"), REFUSED_ALOUD),
        case("COMP-VERSION-LEADING-ZEROS", r.get(version="HTTP/01.01"), REFUSED_ALOUD),
        case("COMP-VERSION-WHITESPACE", r.get(version="HTTP/ 1.1"), REFUSED_ALOUD),
        case("COMP-VERSION-CASE", r.get(version="http/1.1"), REFUSED_ALOUD),
        case("COMP-LONG-URL-OK", r.get(target="/" + "a" * 7900), rule(ANY, fails="414", closed=WARN, silent=WARN)),
        case("COMP-SPACE-IN-TARGET", r.get(target="/pa th"), REFUSED_ALOUD),
    ]


def meaning(r):
    """Methods, bodies, and what the answers say."""
    return [
        case("COMP-UNKNOWN-TE-501", r.coded("gzip", "", None), NO_CODING),
        case("COMP-METHOD-CASE", r.get(method="get"), rule("400 405 501", "2xx", closed=WARN, silent=WARN)),
        case("COMP-METHOD-CONNECT",
             r.raw("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"),
             rule("400 405 501", closed=PASS)),
        case("COMP-UNKNOWN-METHOD", r.get(method="FOOBAR"), rule("400 405 501", "2xx", closed=PASS)),
        case("COMP-405-ALLOW", r.get(method="DELETE"), allowed),
        case("COMP-EXPECT-UNKNOWN", r.get("Expect: 200-ok\r\n"), rule("417", "2xx", closed=PASS)),
        case("COMP-POST-CL-BODY", r.sized(5), echoed("hello")),
        case("COMP-POST-CL-ZERO", r.sized(0, ""), TAKEN_OR_CLOSED),
        case("COMP-POST-NO-CL-NO-TE", r.post(""), TAKEN_OR_CLOSED),
        case("COMP-POST-CL-UNDERSEND", r.sized(10), REFUSED),
        case("COMP-CHUNKED-BODY", r.chunk(), echoed("hello")),
        case("COMP-CHUNKED-MULTI", r.chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), echoed("hello world")),
        case("COMP-CHUNKED-EMPTY", r.chunked("0\r\n\r\n"), TAKEN_OR_CLOSED),
        case("COMP-CHUNKED-NO-FINAL", r.chunked("5\r\nhello\r\n"), REFUSED),
        case("COMP-CHUNKED-EXTENSION", r.chunk("5;ext=value"), echoed("hello", warns="400", closed=WARN)),
        case("COMP-CHUNKED-TRAILER-VALID", r.chunked("5\r\nhello\r\n0\r\nX-Checksum: abc\r\n\r\n"), echoed("hello")),
        case("COMP-CHUNKED-HEX-UPPERCASE", r.chunk("A", "helloworld"), echoed("helloworld")),
        case("COMP-RANGE-POST", r.post("Content-Length: 5\r\nRange: bytes=0-10\r\n", "hello"),
             rule("2xx", fails="206")),
        case("COMP-DUPLICATE-CT",
             r.post("Content-Length: 5\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n", "hello"),
             BETTER_REFUSED),
        case("WS-UPGRADE-POST", r.post(UPGRADE.format(13)), NOT_SWITCHED),
        case("WS-UPGRADE-MISSING-CONN", r.get("Upgrade: websocket\r\n" + SOCKET.format(13)), NOT_SWITCHED),
        case("WS-UPGRADE-UNKNOWN", r.get("Connection: Upgrade\r\nUpgrade: totally-made-up/1.0\r\n"), NOT_SWITCHED),
        case("WS-UPGRADE-INVALID-VER", r.get(UPGRADE.format(99)),
             rule("426 100 3xx 4xx 5xx", "2xx", fails="101", closed=PASS)),
        case("WS-UPGRADE-HTTP10", r.get(UPGRADE.format(13), version="HTTP/1.0"), NOT_SWITCHED),
        case("COMP-CONNECTION-CLOSE", r.get("Connection: close\r\n"),
             if_2xx(lambda _, state: passes_if(state == CLOSED))),
        case("COMP-HTTP10-DEFAULT-CLOSE", r.get(version="HTTP/1.0"),
             if_2xx(lambda _, state: passes_if(state == CLOSED), WARN)),
        case("COMP-HEAD-NO-BODY", r.get(method="HEAD"), if_2xx(lambda answer, _: passes_if(not answer.body))),
        case("COMP-DATE-HEADER", r.get(), has("date")),
        case("COMP-NO-1XX-HTTP10", r.post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello", version="HTTP/1.0"),
             rule("2xx 3xx 4xx 5xx", closed=PASS, silent=PASS)),
        case("COMP-NO-CL-IN-204", r.get(method="OPTIONS"), no_length),
        case("COMP-OPTIONS-ALLOW", r.get(method="OPTIONS"), has("allow", WARN, "405")),
        case("COMP-CONTENT-TYPE", r.get(), has("content-type", WARN)),
    ]


def broken(r):
    """What nobody should send."""
    many = "".join(f"X-H-{number}: value\r\n" for number in range(10_000))
    odd = rule("400", "2xx 3xx 4xx", closed=PASS)
    return [
        # As many as there, but not the same: those are by the generator of its language.
        case("MAL-BINARY-GARBAGE", random.Random(42).randbytes(256), REFUSED),
        case("MAL-LONG-URL", r.get(target="/" + "A" * LARGE), rule("400 414 431", closed=PASS)),
        case("MAL-LONG-HEADER-VALUE", r.get(f"X-Big: {'B' * LARGE}\r\n"), TOO_LARGE),
        case("MAL-MANY-HEADERS", r.get(many), TOO_LARGE),
        case("MAL-NUL-IN-URL", r.get(target="/\0test"), REFUSED),
        # Its \x0Bdef is one character to its compiler, which it sends as a question mark and an f.
        case("MAL-CONTROL-CHARS-HEADER", r.get("X-Test: abc\x07\x08?f\r\n"), REFUSED),
        case("MAL-INCOMPLETE-REQUEST", r.raw(f"GET / HTTP/1.1\r\nHost: {r.host}\r\nX-Test: value"), REFUSED),
        case("MAL-EMPTY-REQUEST", b"", REFUSED),
        case("MAL-LONG-HEADER-NAME", r.get(f"{'A' * LARGE}: val\r\n"), TOO_LARGE),
        case("MAL-LONG-METHOD", r.get(method="A" * LARGE), rule("400", closed=PASS)),
        case("MAL-NON-ASCII-HEADER-NAME", r.get("X-T\xc3\xabst: value\r\n"), REFUSED),
        case("MAL-NON-ASCII-URL", r.get(target="/caf\xc3\xa9"), REFUSED),
        case("MAL-CL-OVERFLOW", r.sized("9" * 20, ""), REFUSED),
        case("MAL-WHITESPACE-ONLY-LINE", b"   \r\n\r\n", REFUSED),
        case("MAL-NUL-IN-HEADER-VALUE", r.get("X-Test: val\0ue\r\n"), REFUSED),
        case("MAL-CHUNK-SIZE-OVERFLOW", r.chunk("FFFFFFFFFFFFFFFF0"), REFUSED),
        case("MAL-H2-PREFACE", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", rule("400 505", closed=PASS, silent=PASS)),
        case("MAL-CL-EMPTY", r.sized("", ""), REFUSED),
        case("MAL-CL-TAB-BEFORE-VALUE", r.post("Content-Length:\t5\r\n", "hello"), BETTER_REFUSED),
        case("MAL-URL-BACKSLASH", r.get(target="/path\\file"), odd),
        case("MAL-URL-OVERLONG-UTF8", r.get(target="/\xc0\xaf"), REFUSED),
        case("MAL-URL-PERCENT-NULL", r.get(target="/path%00.html"), odd),
        case("MAL-URL-PERCENT-CRLF", r.get(target="/path%0d%0aX-Injected:%20true"), odd),
        case("MAL-CHUNK-EXT-64K", r.chunk("5;ext=" + "a" * 65_536), rule("400 431", "2xx", closed=PASS)),
        case("MAL-POST-CL-HUGE-NO-BODY", r.sized(999_999_999, ""), rule("400 413", closed=PASS, silent=PASS)),
    ]


def names(r):
    """Names of fields that are nearly others."""
    length = "Content-Length: 11\r\n"
    echo = lambda lines: r.post(lines, "hello world", target="/echo")
    return [
        case("NORM-UNDERSCORE-CL", echo(length + "Content_Length: 99\r\n"),
             not_taken_for("Content-Length", "Content_Length", "99")),
        case("NORM-SP-BEFORE-COLON-CL", echo(length + "Content-Length : 5\r\n"),
             not_taken_for("Content-Length", "Content-Length ", "5")),
        case("NORM-TAB-IN-NAME", echo(length + "Content\tLength: 99\r\n"),
             not_taken_for("Content-Length", "Content\tLength", "99")),
        case("NORM-UNDERSCORE-TE",
             r.post("Transfer_Encoding: chunked\r\n", "B\r\nhello world\r\n0\r\n\r\n", target="/echo"),
             not_taken_for("Transfer-Encoding", "Transfer_Encoding", "chunked")),
    ]


def cases(r):
    return [*lines(r), *meaning(r), *broken(r), *names(r)]
