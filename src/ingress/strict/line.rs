//! The grammar of single lines in a head: RFC 9112, with RFC 9110 for fields.

use super::target;

/// The version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

/// What a header line says of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    ContentLength(u64),
    Chunked,
    Other,
}

/// The longest that is registered at IANA has 17.
const METHOD_BYTES: usize = 32;
/// More than the names have that are looked for.
pub(super) const NAME_BYTES: usize = 32;
/// Of a value that says where the body ends: 20 digits and space around them.
const LENGTH_BYTES: usize = 64;

pub(super) type Checked<T> = Result<T, &'static str>;

/// The line without its end, which is CR LF and nothing else (RFC 9112, 2.2).
pub(super) fn ended(line: &[u8]) -> Checked<&[u8]> {
    let line = line.strip_suffix(b"\r\n").ok_or("a line ends with a bare LF")?;
    if memchr::memchr(b'\r', line).is_some() {
        return Err("a line holds a bare CR");
    }
    Ok(line)
}

/// The beginning of a request line: a method ends somewhere, and is not waited for longer.
pub(super) fn begun(line: &[u8]) -> Checked<()> {
    let method = memchr::memchr(b' ', line).unwrap_or(line.len());
    if method > METHOD_BYTES { Err("the method is too long") } else { Ok(()) }
}

/// A request line (RFC 9112, 3).
pub(super) fn request(line: &[u8]) -> Checked<Version> {
    begun(line)?;
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("a request line has three parts and two spaces");
    };
    if !is_token(method) {
        return Err("the method is no token");
    }
    // Nobody is connected through us, and what would follow is no HTTP.
    if method == b"CONNECT" {
        return Err("CONNECT is for proxies");
    }
    target::check(target, method)?;
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err("the version is not HTTP/1.1"),
    }
}

/// A header or trailer line (RFC 9112, 5).
pub(super) fn field(line: &[u8]) -> Checked<Field> {
    match named(line)? {
        Named::ContentLength(value) => length(value).map(Field::ContentLength),
        Named::TransferEncoding(value) if value.eq_ignore_ascii_case(b"chunked") => {
            Ok(Field::Chunked)
        }
        Named::TransferEncoding(_) => Err("Transfer-Encoding is not chunked"),
        Named::Other => Ok(Field::Other),
    }
}

/// The beginning of a header or trailer line, whose end may not come for long: what is wrong with it
/// already is told, and no more is left of it than the whole line will be judged by.
pub(super) fn shorten(line: &mut Vec<u8>) -> Checked<()> {
    // It may be the first half of the line's end.
    let half = line.pop_if(|byte| *byte == b'\r');
    if memchr::memchr(b':', line).is_some() {
        if let Named::Other = named(line)? {
            // Any name that nobody looks for.
            *line = b"a:".to_vec();
        }
    } else if line.iter().copied().all(is_tchar) {
        line.truncate(NAME_BYTES);
        line.shrink_to_fit();
    } else {
        return Err(NAME_FAULT);
    }
    line.extend(half);
    Ok(())
}

const NAME_FAULT: &str = "the name of a header is no token";

/// A header line by its name; the value is no longer than it may be.
enum Named<'a> {
    ContentLength(&'a [u8]),
    TransferEncoding(&'a [u8]),
    Other,
}

fn named(line: &[u8]) -> Checked<Named<'_>> {
    let colon = memchr::memchr(b':', line).ok_or("a header line has no colon")?;
    let (name, value) = line.split_at(colon);
    // Folded lines and space before the colon end here as well.
    if !is_token(name) {
        return Err(NAME_FAULT);
    }
    let value = value.get(1..).unwrap_or_default();
    if !value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)) {
        return Err("the value of a header has a control character");
    }
    let length = name.eq_ignore_ascii_case(b"content-length");
    if !length && !name.eq_ignore_ascii_case(b"transfer-encoding") {
        return Ok(Named::Other);
    }
    if value.len() > LENGTH_BYTES {
        return Err("the length of the body is said in too many bytes");
    }
    let value = value.trim_ascii();
    Ok(if length { Named::ContentLength(value) } else { Named::TransferEncoding(value) })
}

/// The largest length that hyper takes for one: it has another use for the two beyond.
const MOST_LENGTH: u64 = u64::MAX - 2;

/// Digits (RFC 9110, 8.6). A leading zero is octal to some.
fn length(digits: &[u8]) -> Checked<u64> {
    let octal = digits.len() > 1 && digits.starts_with(b"0");
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| all && !octal);
    let length = number.and_then(|digits| digits.parse().ok());
    length.filter(|length| *length <= MOST_LENGTH).ok_or("Content-Length is no number")
}

pub(super) fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_tchar)
}

/// RFC 9110, 5.6.2.
pub(super) const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_ends_with_both() {
        assert_eq!(ended(b"a\r\n"), Ok(&b"a"[..]));
        assert_eq!(ended(b"\r\n"), Ok(&b""[..]));
        for line in [&b"a\n"[..], b"a\rb\r\n", b"a\r\r\n"] {
            assert!(ended(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_request_line_has_one_form() {
        for line in [
            "GET / HTTP/1.1",
            "GET /a/b.c;d=e%2F?f=[g]|{h}\\\" HTTP/1.1",
            "get /?é HTTP/1.0",
            "OPTIONS * HTTP/1.1",
            "GET http://a HTTP/1.1",
            "GET HTTPS://a:1/b?c HTTP/1.1",
        ] {
            assert!(request(line.as_bytes()).is_ok(), "{line:?}");
        }
        for line in [
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET\t/ HTTP/1.1",
            "G[T / HTTP/1.1",
            "GET / HTTP/1.2",
            "GET / HTTP/2.0",
            "GET / http/1.1",
            "GET / HTTP/01.1",
            "GET * HTTP/1.1",
            "CONNECT a:1 HTTP/1.1",
            "CONNECT / HTTP/1.1",
            "GET a:1 HTTP/1.1",
            "GET ftp://a/ HTTP/1.1",
            "GET /#a HTTP/1.1",
            "GET /?a#b HTTP/1.1",
            "GET http://a#b HTTP/1.1",
            "GET http:// HTTP/1.1",
            "GET http:///a HTTP/1.1",
            "GET http://?a HTTP/1.1",
            "GET http://a@/ HTTP/1.1",
            "GET http://[zz/ HTTP/1.1",
            "GET http://a:b:c/ HTTP/1.1",
            "GET http://\u{e9}/ HTTP/1.1",
            "GET http://a\x01/ HTTP/1.1",
            "GET /?a=\tb HTTP/1.1",
            "GET /?a=\x01b HTTP/1.1",
            "GET /?a=\x7fb HTTP/1.1",
            "GET /a\\b HTTP/1.1",
            "GET /{a} HTTP/1.1",
            "GET /é HTTP/1.1",
            "GET /%0a HTTP/1.1",
            "GET /%00 HTTP/1.1",
            "GET /%7f HTTP/1.1",
            "GET /% HTTP/1.1",
            "GET /%a HTTP/1.1",
            "GET /%ag HTTP/1.1",
        ] {
            assert!(request(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_method_ends_at_its_limit() {
        let line = |bytes| format!("{} / HTTP/1.1", "M".repeat(bytes));
        assert!(request(line(METHOD_BYTES).as_bytes()).is_ok());
        assert!(request(line(METHOD_BYTES + 1).as_bytes()).is_err());
        // Nor is the end of one waited for.
        assert!(begun(&[b'M'; METHOD_BYTES]).is_ok());
        assert!(begun(&[b'M'; METHOD_BYTES + 1]).is_err());
    }

    #[test]
    fn a_field_has_one_form_and_a_length_one_spelling() {
        for (line, expected) in [
            ("A:", Field::Other),
            ("A:\tb\u{e9} ", Field::Other),
            ("content-length: 18446744073709551613", Field::ContentLength(u64::MAX - 2)),
            ("Content-Length:\t 5 ", Field::ContentLength(5)),
            ("Content-Length: 0", Field::ContentLength(0)),
            (&format!("Content-Length:{:64}", 5), Field::ContentLength(5)),
            ("Content_Length: 07", Field::Other),
            ("TRANSFER-ENCODING: Chunked", Field::Chunked),
        ] {
            assert_eq!(field(line.as_bytes()), Ok(expected), "{line:?}");
        }
        for line in [
            "",
            "A",
            ":",
            "A :b",
            " A:b",
            "\tb",
            "A[:b",
            "\u{e9}:b",
            "A:\0",
            "A:\x0b",
            "A:\x7f",
            "Content-Length:",
            "Content-Length: 18446744073709551614",
            "Content-Length: 05",
            "Content-Length: 00",
            "Content-Length: -0",
            "Content-Length: +5",
            "Content-Length: 5, 5",
            "Content-Length: 1 0",
            "Content-Length: 1_0",
            "Content-Length: 0x5",
            "Content-Length: 18446744073709551616",
            "Transfer-Encoding:",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: chunked;a=b",
            "Transfer-Encoding: chunked,",
            "Transfer-Encoding: identity",
            &format!("Content-Length:{:65}", 5),
        ] {
            assert!(field(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    proptest! {
        /// Of a beginning that was shortened, the whole line is judged as it is.
        #[test]
        fn what_is_left_of_a_line_is_judged_as_all_of_it(
            parts in prop::collection::vec(prop::sample::select(vec![
                "Content-Length", "transfer-encoding", "Content-Lengt", "h", "a", ":", ": ", " ", "\t", "7", "0",
                "chunked", ",", "\r", "\0", "\x7f", "\u{e9}", "0123456789abcdef0123456789abcdef",
            ]), 0..8),
            cuts in prop::collection::vec(0_usize..40, 0..5),
        ) {
            let line = parts.concat().into_bytes();
            let whole = [&line[..], b"\r\n"].concat();
            let judged = ended(&whole).and_then(field).ok();
            let (mut begun, mut rest) = (Vec::new(), &whole[..]);
            let mut shortened = Ok(());
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len().saturating_sub(1)));
                begun.extend_from_slice(now);
                shortened = shortened.and_then(|()| shorten(&mut begun));
                rest = later;
            }
            begun.extend_from_slice(rest);
            prop_assert_eq!(shortened.and_then(|()| ended(&begun)).and_then(field).ok(), judged);
        }
    }
}
