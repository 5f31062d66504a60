//! How long a body is, said once and in one way (RFC 9112, 6; RFC 9110, 8.6). What could be read in
//! two ways is how requests are smuggled.

use super::{Answered, Case, Expected, Last, Refused, SECOND, Unfinished, case, post};

pub(super) fn cases() -> Vec<Case> {
    [content_length(), transfer_encoding(), both(), smuggled()].into_iter().flatten().collect()
}

fn content_length() -> Vec<Case> {
    let length = |name, value: &str, expected: Expected| {
        post(name, &format!("Content-Length:{value}\r\n"), "hello", expected)
    };
    vec![
        length("as it should be", " 5", Answered(200)),
        length("spaces around it", "  5 ", Answered(200)),
        length("a tab before it", "\t5", Answered(200)),
        post("zero", "Content-Length: 0\r\n", "", Answered(200)),
        post("none is zero", "", "", Answered(200)),
        post("more than comes", "Content-Length: 10\r\n", "hello", Unfinished),
        post("far more than is taken", "Content-Length: 999999999\r\n", "", Last(413)),
        length("letters", " abc", Refused),
        length("a plus", " +5", Refused),
        length("a minus", " -1", Refused),
        length("minus zero", " -0", Refused),
        length("nothing", " ", Refused),
        length("more than 64 bits", " 99999999999999999999", Refused),
        length("zeros before it", " 005", Refused),
        length("two zeros", " 00", Refused),
        post("octal to some", "Content-Length: 0200\r\n", "A".repeat(200), Refused),
        length("an octal prefix", " 0o5", Refused),
        length("a hexadecimal prefix", " 0x5", Refused),
        length("a space in it", " 1 0", Refused),
        length("an underscore in it", " 1_0", Refused),
        length("two that differ", " 5, 10", Refused),
        length("two that are equal", " 5, 5", Refused),
        length("three that are equal", " 5, 5, 5", Refused),
        post(
            "two lines that differ",
            "Content-Length: 5\r\nContent-Length: 10\r\n",
            "helloworld",
            Refused,
        ),
        post(
            "two lines that are equal",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "hello",
            Refused,
        ),
        length("a space before the colon", " 5\r\nContent-Length : 5", Refused),
        length("a tab in the name", " 5\r\nContent\tLength: 99", Refused),
        length("another name that looks like it", " 5\r\nContent_Length: 99", Answered(200)),
    ]
}

fn transfer_encoding() -> Vec<Case> {
    let body = "5\r\nhello\r\n0\r\n\r\n";
    let coding = |name, lines: &str, expected: Expected| post(name, lines, body, expected);
    vec![
        coding("chunked", "Transfer-Encoding: chunked\r\n", Answered(200)),
        coding("chunked in other letters", "TRANSFER-ENCODING: \tChunked \r\n", Answered(200)),
        coding("an unknown one", "Transfer-Encoding: gzip\r\n", Refused),
        coding("xchunked", "Transfer-Encoding: xchunked\r\n", Refused),
        coding("identity", "Transfer-Encoding: identity\r\n", Refused),
        coding("chunked is not the last", "Transfer-Encoding: chunked, gzip\r\n", Refused),
        coding("something before chunked", "Transfer-Encoding: gzip, chunked\r\n", Refused),
        coding("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", Refused),
        coding("a parameter", "Transfer-Encoding: chunked;ext=val\r\n", Refused),
        coding("a comma before it", "Transfer-Encoding: , chunked\r\n", Refused),
        coding("a comma behind it", "Transfer-Encoding: chunked,\r\n", Refused),
        coding("nothing", "Transfer-Encoding: \r\n", Refused),
        coding("a vertical tab", "Transfer-Encoding: \x0bchunked\r\n", Refused),
        coding("a form feed", "Transfer-Encoding: \x0cchunked\r\n", Refused),
        coding("NUL", "Transfer-Encoding: chunked\0\r\n", Refused),
        coding("a space before the colon", "Transfer-Encoding : chunked\r\n", Refused),
        coding("a folded line", "Transfer-Encoding:\r\n chunked\r\n", Refused),
        coding(
            "two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            Refused,
        ),
        case(
            "HTTP/1.0 has none",
            format!("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
            Refused,
        ),
        // No chunks: the body is none of this request's, and no request either.
        post(
            "another name that looks like it",
            "Transfer_Encoding: chunked\r\n",
            "",
            Answered(200),
        ),
    ]
}

fn both() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, coding) in [
        ("both, chunked", "chunked"),
        ("both, Chunked", "Chunked"),
        ("both, a tab before it", "\tchunked"),
        ("both, a space behind it", "chunked "),
        ("both, xchunked", "xchunked"),
        ("both, identity", "identity"),
        ("both, empty", ""),
        ("both, a comma", ", chunked"),
        ("both, folded", "\r\n chunked"),
    ] {
        let first = format!("Content-Length: 5\r\nTransfer-Encoding: {coding}\r\n");
        let last = format!("Transfer-Encoding: {coding}\r\nContent-Length: 5\r\n");
        for lines in [first, last] {
            for body in ["hello", "0\r\n\r\n", "0\r\n\r\nX"] {
                cases.push(post(name, &lines, body, Refused));
            }
        }
    }
    cases.push(case(
        "both, for OPTIONS and folded",
        "OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\nhello",
        Refused,
    ));
    cases
}

/// A second request in the body of the first: one answer, whatever the length says.
fn smuggled() -> Vec<Case> {
    let inner = String::from_utf8(SECOND.to_vec()).unwrap();
    let chunked = format!("0\r\n\r\n{inner}");
    let length = chunked.len();
    let mut cases = Vec::new();
    for (name, lines) in [
        ("with both", format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n")),
        ("with a plus", format!("Content-Length: +{length}\r\nTransfer-Encoding: chunked\r\n")),
        ("with a letter", format!("Content-Length: {length}x\r\nTransfer-Encoding: chunked\r\n")),
        ("with a comma", format!("Content-Length: {length}\r\nTransfer-Encoding: , chunked\r\n")),
        ("folded", format!("Transfer-Encoding:\r\n chunked\r\nContent-Length: {length}\r\n")),
        (
            "with two codings",
            format!(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: {length}\r\n"
            ),
        ),
    ] {
        cases.push(post(name, &lines, &chunked, Refused));
        let head = chunked.replace("GET", "HEAD");
        cases.push(post(
            name,
            &lines.replace(&length.to_string(), &head.len().to_string()),
            head,
            Refused,
        ));
    }
    let two = format!("Content-Length: 4\r\nContent-Length: {}\r\n", inner.len() + 4);
    cases.push(post("behind the shorter length", &two, format!("PING{inner}"), Refused));
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let prefix = format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", 4);
    cases.push(post("in a chunk", &prefix, &chunk, Refused));
    // And where the length is clear, what stands in the body stays there.
    let clear = format!("Content-Length: {}\r\n", inner.len());
    cases.push(post("in a body that is clear", &clear, &inner, Answered(200)));
    cases.push(post(
        "in a chunk that is clear",
        "Transfer-Encoding: chunked\r\n",
        &chunk,
        Answered(200),
    ));
    cases
}
