//! What a sender left unescaped in a query. impact.com puts values into a URL as they are; hyper's
//! type of a target holds neither `"`, `<` and `>` nor bytes that are not UTF-8, and the event would
//! be lost to a 400. So these characters, and whatever is not ASCII, reach hyper percent-encoded, and
//! the query as it came goes beside it to the handler.
//!
//! The path is never touched. Spaces, control characters and `#` stay what they are, and are
//! refused: to some reader on the way they end the target.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use http::request::Parts;

/// The query as it was received, byte for byte.
pub(in crate::ingress) fn received(head: &Parts) -> Option<&[u8]> {
    match head.extensions.get::<Received>() {
        Some(Received(query)) => Some(query),
        None => head.uri.query().map(str::as_bytes),
    }
}

/// Beside a request whose target holds another spelling of it.
#[derive(Clone, Debug)]
struct Received(Bytes);

/// The queries of one connection that hyper sees escaped, until their requests come.
#[derive(Clone, Debug, Default)]
pub(in crate::ingress) struct Unescaped(Arc<Mutex<VecDeque<Noted>>>);

#[derive(Debug)]
struct Noted {
    /// Which request of the connection, from 1.
    number: u64,
    query: Bytes,
}

impl Unescaped {
    pub(super) fn note(&self, number: u64, query: &[u8]) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push_back(Noted { number, query: Bytes::copy_from_slice(query) });
    }

    /// Puts the query as it came beside the request that is the connection's `number`th.
    pub(in crate::ingress) fn restore<B>(&self, number: u64, request: &mut Request<B>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Noted { query, .. }) = noted.pop_front_if(|noted| noted.number <= number) else {
            return;
        };
        // It cannot be another one's. If it were, the escaped query says the same in other words.
        if request.uri().query().map(str::as_bytes) == Some(&*escaped(&query)) {
            request.extensions_mut().insert(Received(query));
        }
    }
}

/// Where in a request line its next byte stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Part {
    #[default]
    Method,
    Path,
    Query,
    Version,
}

impl Part {
    /// Goes on to the byte behind this one; whether this one must be escaped.
    pub(super) fn pass(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (_, b'\n') => Self::Method,
            (Self::Method, b' ') => Self::Path,
            (Self::Path, b'?') => Self::Query,
            (Self::Path | Self::Query, b' ') => Self::Version,
            (Self::Query, byte) => return is_unescaped(byte),
            (part, _) => part,
        };
        false
    }
}

/// The query in a request line.
pub(super) fn of_line(line: &[u8]) -> Option<&[u8]> {
    let target = line.split(|&byte| byte == b' ').nth(1)?;
    target.get(memchr::memchr(b'?', target)? + 1..)
}

/// `bytes` with those at `places` escaped.
pub(super) fn escaped_at(bytes: &[u8], places: &[usize]) -> Vec<u8> {
    let mut places = places.iter().copied().peekable();
    let mut out = Vec::with_capacity(bytes.len() + 2 * places.len());
    for (at, &byte) in bytes.iter().enumerate() {
        if places.next_if_eq(&at).is_some() {
            out.extend_from_slice(percent_encoding::percent_encode_byte(byte).as_bytes());
        } else {
            out.push(byte);
        }
    }
    out
}

/// Whether the query holds what hyper's type of a target does not, or what is not ASCII.
pub(super) fn has_unescaped(query: &[u8]) -> bool {
    query.iter().copied().any(is_unescaped)
}

fn escaped(query: &[u8]) -> Vec<u8> {
    let bytes = query.iter().enumerate();
    let places: Vec<usize> =
        bytes.filter(|(_, byte)| is_unescaped(**byte)).map(|(at, _)| at).collect();
    escaped_at(query, &places)
}

const fn is_unescaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str) -> Request<()> {
        Request::get(target).body(()).unwrap()
    }

    fn read(request: Request<()>) -> Vec<u8> {
        received(&request.into_parts().0).unwrap().to_vec()
    }

    #[test]
    fn the_query_alone_is_escaped() {
        let line = "G\u{e9}T /\"<\u{e9}>?a=\"<\u{e9}>?\u{e9}%\" \"<\u{e9}>\n\"".as_bytes();
        let mut part = Part::default();
        let places: Vec<usize> = (0..line.len()).filter(|&at| part.pass(line[at])).collect();
        let expected = "G\u{e9}T /\"<\u{e9}>?a=%22%3C%C3%A9%3E?%C3%A9%%22 \"<\u{e9}>\n\"";
        assert_eq!(escaped_at(line, &places), expected.as_bytes());
        assert_eq!(of_line(line), Some("a=\"<\u{e9}>?\u{e9}%\"".as_bytes()));
        assert_eq!(of_line(b"GET / HTTP/1.1"), None);
    }

    #[test]
    fn everything_that_is_left_fits_into_a_target() {
        for byte in 0x21..=0xff {
            let query = [b'a', byte, b'b'];
            let target = [b"/?", &*escaped(&query)].concat();
            let fits = http::Uri::try_from(target.as_slice()).is_ok();
            assert_eq!(fits, byte != 0x7f, "{byte:#x}");
        }
    }

    #[test]
    fn a_query_is_put_beside_its_own_request() {
        let unescaped = Unescaped::default();
        unescaped.note(2, b"a=\xe9");
        unescaped.note(4, b"b=\"");
        unescaped.note(5, b"c=\"");
        for (number, target, expected) in [
            (1, "/?a=%E9", &b"a=%E9"[..]),
            (2, "/?a=%E9", b"a=\xe9"),
            (3, "/?b=%22", b"b=%22"),
            (4, "/?b=%22", b"b=\""),
            // Not what was noted of it.
            (5, "/?d=%22", b"d=%22"),
            (6, "/?c=%22", b"c=%22"),
        ] {
            let mut request = request(target);
            unescaped.restore(number, &mut request);
            assert_eq!(read(request), expected, "{number}");
        }
    }
}
