//! Bodies in chunks (RFC 9112, 7.1).

use super::{Answered, Case, Expected, Refused, Unfinished, post};

pub(super) fn cases() -> Vec<Case> {
    let chunks = |name, body: &[u8], expected: Expected| {
        post(name, "Transfer-Encoding: chunked\r\n", body, expected)
    };
    let long = format!("5;a={}\r\nhello\r\n0\r\n\r\n", "a".repeat(65_536));
    vec![
        chunks("one chunk", b"5\r\nhello\r\n0\r\n\r\n", Answered(200)),
        chunks("two chunks", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", Answered(200)),
        chunks("no chunk", b"0\r\n\r\n", Answered(200)),
        chunks("a digit in upper case", b"A\r\nhelloworld\r\n0\r\n\r\n", Answered(200)),
        chunks("zeros before the length", b"005\r\nhello\r\n00\r\n\r\n", Answered(200)),
        chunks("an extension", b"5;ext=value\r\nhello\r\n0\r\n\r\n", Answered(200)),
        chunks("a quoted extension", b"5;a=\"b;\\\"c\"\r\nhello\r\n0;d\r\n\r\n", Answered(200)),
        chunks("a trailer", b"5\r\nhello\r\n0\r\nX-Checksum: abc\r\n\r\n", Answered(200)),
        // They are passed over, so what they say means nothing.
        chunks("a trailer that is a host", b"0\r\nHost: evil.example\r\n\r\n", Answered(200)),
        chunks("a trailer that is a secret", b"0\r\nAuthorization: evil\r\n\r\n", Answered(200)),
        chunks("a trailer that is a type", b"0\r\nContent-Type: evil\r\n\r\n", Answered(200)),
        chunks("a trailer that is a length", b"0\r\nContent-Length: 50\r\n\r\n", Answered(200)),
        chunks(
            "a trailer that is a coding",
            b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
            Answered(200),
        ),
        chunks("no last chunk", b"5\r\nhello\r\n", Unfinished),
        chunks("no end behind the last chunk", b"5\r\nhello\r\n0\r\n", Unfinished),
        chunks("a bare semicolon", b"5;\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("a bare semicolon on the last chunk", b"5\r\nhello\r\n0;\r\n\r\n", Refused),
        chunks("an extension that is no token", b"5;bad[=x\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("NUL in an extension", b"5;\0ext\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("a bare CR in an extension", b"5;a\rX\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("a bare LF in an extension", b"5;\nhello\r\n0\r\n\r\n", Refused),
        chunks("a long extension", long.as_bytes(), Refused),
        chunks("a space before the length", b" 5\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("a space behind the length", b"5 \r\nhello\r\n0\r\n\r\n", Refused),
        chunks("a hexadecimal prefix", b"0x5\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("a plus", b"+5\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("plus zero", b"+0\r\n\r\nX", Refused),
        chunks("a minus", b"-1\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("an underscore", b"1_0\r\nhello world!!!!!\r\n0\r\n\r\n", Refused),
        chunks("more than 64 bits", b"FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("no length", b"\r\nhello\r\n0\r\n\r\n", Refused),
        chunks("more than the length", b"5\r\nhello!!\r\n0\r\n\r\n", Refused),
        chunks("less than the length", b"9\r\nhello\r\n0\r\n\r\n", Unfinished),
        chunks("no line end behind the bytes", b"5\r\nhello0\r\n\r\n", Refused),
        chunks("a bare LF behind the bytes", b"5\r\nhello\n0\r\n\r\n", Refused),
        chunks("a bare LF behind the length", b"5\nhello\r\n0\r\n\r\n", Refused),
        chunks("a bare CR behind the length", b"5\rhello\r\n0\r\n\r\n", Refused),
        chunks("a bare LF behind the trailers", b"5\r\nhello\r\n0\r\n\n", Refused),
        chunks("a trailer without a colon", b"0\r\nX\r\n\r\n", Refused),
        chunks("a folded trailer", b"0\r\nX: y\r\n z\r\n\r\n", Refused),
    ]
}
