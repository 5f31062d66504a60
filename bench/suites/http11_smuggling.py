"""Http11Probe's scored cases about where a request ends. The names are its own."""

from suites.messages import *

BOTH = "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n"


def lengths(r):
    """Content-Length."""
    twice = "Content-Length: {}\r\nContent-Length: {}\r\n".format
    return [
        case("SMUG-DUPLICATE-CL", r.post(twice(5, 10), "helloworld"), REFUSED),
        case("SMUG-CL-LEADING-ZEROS", r.sized("005"), BETTER_REFUSED),
        case("SMUG-CL-NEGATIVE", r.sized("-1", ""), REFUSED),
        case("SMUG-CL-TRAILING-SPACE", r.sized("5 "), BETTER_REFUSED),
        case("SMUG-CL-EXTRA-LEADING-SP", r.sized(" 5"), BETTER_REFUSED),
        case("SMUG-CL-COMMA-DIFFERENT", r.sized("5, 10"), REFUSED),
        case("SMUG-CL-OCTAL", r.sized("0o5"), REFUSED),
        case("SMUG-CL-HEX-PREFIX", r.sized("0x5"), REFUSED),
        case("SMUG-CL-INTERNAL-SPACE", r.sized("1 0", "hello12345"), REFUSED),
        case("SMUG-CL-UNDERSCORE", r.sized("1_0", "helloworld"), REFUSED),
        case("SMUG-CL-NEGATIVE-ZERO", r.sized("-0", ""), REFUSED),
        case("SMUG-CL-DOUBLE-ZERO", r.sized("00", ""), BETTER_REFUSED),
        case("SMUG-CL-LEADING-ZEROS-OCTAL", r.sized("0200", "A" * 200), BETTER_REFUSED),
        case("SMUG-BARE-CR-HEADER-VALUE", r.post("Content-Length: 5\r\nX-Test: val\rue\r\n", "hello"), REFUSED),
        case("SMUG-MULTIPLE-HOST-COMMA",
             r.raw(f"GET / HTTP/1.1\r\nHost: {r.host}, other.example.com\r\n\r\n"), REFUSED),
    ]


def codings(r):
    """Transfer-Encoding, mostly beside a length."""
    bananas = "D\r\nhello-bananas\r\n0\r\n\r\n"
    return [
        case("SMUG-CL-TE-BOTH", r.post(BOTH.format(len(bananas)), bananas), BETTER_REFUSED),
        case("SMUG-TE-XCHUNKED", r.coded("xchunked"), NO_CODING),
        case("SMUG-TE-TRAILING-SPACE", r.coded("chunked "), with_close("400 501")),
        case("SMUG-TE-SP-BEFORE-COLON",
             r.post("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", "hello"), REFUSED),
        case("SMUG-CLTE-PIPELINE", r.post(BOTH.format(4), "0\r\n\r\n"), refused_or_ended),
        case("SMUG-TECL-PIPELINE", r.coded("chunked", "0\r\n\r\n", 30), refused_or_ended),
        case("SMUG-TE-DOUBLE-CHUNKED", r.coded("chunked, chunked"), BETTER_REFUSED),
        case("SMUG-TE-CASE-MISMATCH", r.coded("Chunked"), BETTER_REFUSED),
        case("SMUG-TE-NOT-FINAL-CHUNKED", r.coded("chunked, gzip", "0\r\n\r\n", None), REFUSED),
        case("SMUG-TE-HTTP10", r.coded("chunked", version="HTTP/1.0"), REFUSED),
        case("SMUG-TE-EMPTY-VALUE", r.coded(""), REFUSED),
        case("SMUG-TE-LEADING-COMMA", r.coded(", chunked"), BETTER_REFUSED),
        case("SMUG-TE-DUPLICATE-HEADERS", r.coded("chunked\r\nTransfer-Encoding: identity"), REFUSED),
        case("SMUG-TE-VTAB", r.coded("\x0bchunked"), REFUSED),
        case("SMUG-TE-FORMFEED", r.coded("\x0cchunked"), REFUSED),
        case("SMUG-TE-NULL", r.coded("chunked\0"), REFUSED),
        case("SMUG-TE-IDENTITY", r.coded("identity"), NO_CODING),
        case("SMUG-TE-OBS-FOLD",
             r.post("Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n", "hello"), with_close("400")),
        case("SMUG-TE-TRAILING-COMMA", r.coded("chunked,"), BETTER_REFUSED),
    ]


def chunks(r):
    """Chunks: sizes, extensions, and ends."""
    return [
        case("SMUG-CHUNK-BARE-SEMICOLON", r.chunk("5;"), REFUSED),
        case("SMUG-CHUNK-EXT-INVALID-TOKEN", r.chunk("5;bad[=x"), REFUSED),
        case("SMUG-CHUNK-UNDERSCORE", r.chunk("1_0", "hello world!!!!!"), REFUSED),
        case("SMUG-CHUNK-HEX-PREFIX", r.chunk("0x5"), REFUSED),
        case("SMUG-CHUNK-SIZE-PLUS", r.chunk("+5"), REFUSED),
        case("SMUG-CHUNK-SIZE-TRAILING-OWS", r.chunk("5 "), REFUSED),
        case("SMUG-CHUNK-LEADING-SP", r.chunk(" 5"), REFUSED),
        case("SMUG-CHUNK-NEGATIVE", r.chunk("-1"), REFUSED),
        case("SMUG-CHUNK-MISSING-TRAILING-CRLF", r.chunk(end=""), REFUSED),
        case("SMUG-CHUNK-SPILL", r.chunk(data="hello!!"), REFUSED),
        case("SMUG-CHUNK-EXT-LF", r.chunk("5;", after="\n"), BETTER_REFUSED),
        case("SMUG-CHUNK-LF-TERM", r.chunk(end="\n"), BETTER_REFUSED),
        case("SMUG-CHUNK-LF-TRAILER", r.chunked("5\r\nhello\r\n0\r\n\n"), BETTER_REFUSED),
        case("SMUG-CHUNK-EXT-CTRL", r.chunk("5;\0ext"), REFUSED),
        case("SMUG-CHUNK-EXT-CR", r.chunk("5;a\rX"), REFUSED),
        case("SMUG-CHUNK-BARE-CR-TERM", r.chunk(after="\r"), REFUSED),
    ]


def followed(r):
    """A request that is not clear, and the next one on the same connection."""
    folded = "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n"
    return [case(name, (payload, r.get()), not_followed) for name, payload in (
        ("SMUG-CLTE-CONN-CLOSE", r.post(BOTH.format(5), "0\r\n\r\n")),
        ("SMUG-TECL-CONN-CLOSE", r.coded("chunked", "0\r\n\r\n", 5)),
        ("SMUG-CLTE-DESYNC", r.post(BOTH.format(6), "0\r\n\r\nX")),
        ("SMUG-TECL-DESYNC", r.coded("chunked", "0\r\n\r\nX", 30)),
        ("SMUG-OPTIONS-TE-OBS-FOLD", r.get(folded, method="OPTIONS") + b"hello"),
        ("SMUG-CHUNK-INVALID-SIZE-DESYNC", r.chunked("+0\r\n\r\nX")),
    )]


def hidden(r):
    """A request with another in its body, which must not be answered."""
    coded = lambda coding: "Content-Length: {}\r\n" + f"Transfer-Encoding: {coding}\r\n"
    inner = f"GET / HTTP/1.1\r\nHost: {r.host}\r\nContent-Length: 7\r\n\r\n"
    size = f"{len(inner):x}"
    return [case(name, payload, one_answer) for name, payload in (
        ("SMUG-CLTE-SMUGGLED-GET", r.hidden(BOTH)),
        ("SMUG-CLTE-SMUGGLED-GET-CL-PLUS", r.hidden(BOTH.replace("{}", "+{}"))),
        ("SMUG-CLTE-SMUGGLED-GET-CL-NON-NUMERIC", r.hidden(BOTH.replace("{}", "{}x"))),
        ("SMUG-CLTE-SMUGGLED-GET-TE-OBS-FOLD", r.hidden("Transfer-Encoding:\r\n chunked\r\nContent-Length: {}\r\n")),
        ("SMUG-CLTE-SMUGGLED-HEAD", r.hidden(BOTH, "HEAD")),
        ("SMUG-CLTE-SMUGGLED-GET-TE-TRAILING-SPACE", r.hidden(coded("chunked "))),
        ("SMUG-CLTE-SMUGGLED-GET-TE-LEADING-COMMA", r.hidden(coded(", chunked"))),
        ("SMUG-CLTE-SMUGGLED-GET-TE-CASE-MISMATCH", r.hidden(coded("Chunked"))),
        ("SMUG-TE-DUPLICATE-HEADERS-SMUGGLED-GET",
         r.hidden("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: {}\r\n")),
        ("SMUG-TECL-SMUGGLED-GET", r.coded("chunked", f"{size}\r\n{inner}\r\n0\r\n\r\n", len(size) + 2)),
        ("SMUG-DUPLICATE-CL-SMUGGLED-GET",
         r.hidden("Content-Length: 4\r\nContent-Length: {}\r\n", before="PING")),
    )]


def cases(r):
    return [*lengths(r), *codings(r), *chunks(r), *followed(r), *hidden(r)]
