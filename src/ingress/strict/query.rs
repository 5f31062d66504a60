//! What a sender left unescaped in a query. impact.com puts values into a URL as they are; hyper's
//! type of a target holds neither `"`, `<` and `>` nor bytes that are not UTF-8, and the event would
//! be lost to a 400. So an underscore stands in for each such byte before hyper, which counts as many
//! bytes as came, and the query as it came goes beside it to the handler. Nothing of what hyper holds
//! is read.
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

/// Whether the two readers of the head disagree about its query: neither may be believed.
pub(in crate::ingress) fn is_disputed(head: &Parts) -> bool {
    head.extensions.get::<Disputed>().is_some()
}

/// What hyper sees in the place of a byte that its type of a target does not hold.
pub(super) const STAND_IN: u8 = b'_';

/// Beside a request whose target holds stand-ins.
#[derive(Clone, Debug)]
struct Received(Bytes);

/// Beside a request whose query is not what was noted of it.
#[derive(Clone, Copy, Debug)]
struct Disputed;

/// The queries of one connection that hyper sees with stand-ins, until their requests come.
#[derive(Clone, Debug, Default)]
pub(in crate::ingress) struct Unescaped(Arc<Mutex<VecDeque<Noted>>>);

#[derive(Debug)]
struct Noted {
    /// Which request of the connection, from 1.
    number: u64,
    query: Bytes,
}

impl Unescaped {
    pub(in crate::ingress) fn note(&self, number: u64, query: &[u8]) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push_back(Noted { number, query: Bytes::copy_from_slice(query) });
    }

    /// Puts the query as it came beside the request that is the connection's `number`th. It never is
    /// another than hyper's but for the stand-ins; if it were, the request must be refused, for
    /// which [`is_disputed`] asks.
    pub(in crate::ingress) fn restore<B>(&self, number: u64, request: &mut Request<B>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = |noted: &mut Noted| noted.number <= number;
        let Some(noted) = noted.pop_front_if(is_due) else { return };
        let seen = request.uri().query();
        if noted.number == number && seen == Some(&*seen_by_hyper(&noted.query)) {
            request.extensions_mut().insert(Received(noted.query));
        } else {
            request.extensions_mut().insert(Disputed);
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
    /// Goes on to the byte behind this one; whether hyper must not see this one.
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

/// Whether the query holds what hyper's type of a target does not, or what is not ASCII.
pub(super) fn has_unescaped(query: &[u8]) -> bool {
    query.iter().copied().any(is_unescaped)
}

/// The query with stand-ins in it.
fn seen_by_hyper(query: &[u8]) -> String {
    let stand_in = |&byte: &u8| char::from(if is_unescaped(byte) { STAND_IN } else { byte });
    query.iter().map(stand_in).collect()
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
    fn only_the_query_has_stand_ins() {
        let line = "G\u{e9}T /\"<\u{e9}>?a=\"<\u{e9}>?\u{e9}%\" \"<\u{e9}>\n\"".as_bytes();
        let mut part = Part::default();
        let mut seen = line.to_vec();
        for byte in &mut seen {
            if part.pass(*byte) {
                *byte = STAND_IN;
            }
        }
        let expected = "G\u{e9}T /\"<\u{e9}>?a=_____?__%_ \"<\u{e9}>\n\"";
        assert_eq!(seen, expected.as_bytes());
        assert_eq!(of_line(line), Some("a=\"<\u{e9}>?\u{e9}%\"".as_bytes()));
        assert_eq!(of_line(b"GET / HTTP/1.1"), None);
    }

    #[test]
    fn everything_that_is_left_fits_into_a_target() {
        for byte in 0x21..=0xff {
            let target = format!("/?{}", seen_by_hyper(&[b'a', byte, b'b']));
            let fits = http::Uri::try_from(target).is_ok();
            assert_eq!(fits, byte != 0x7f, "{byte:#x}");
        }
    }

    #[test]
    fn a_query_is_put_beside_its_own_request() {
        let unescaped = Unescaped::default();
        unescaped.note(2, b"a=\xe9");
        unescaped.note(4, b"b=\"");
        for (number, target, expected) in [
            (1, "/?a=_", &b"a=_"[..]),
            (2, "/?a=_", b"a=\xe9"),
            (3, "/?b=_", b"b=_"),
            (4, "/?b=_", b"b=\""),
            (5, "/?b=_", b"b=_"),
        ] {
            let mut request = request(target);
            unescaped.restore(number, &mut request);
            assert_eq!(read(request), expected, "{number}");
        }
    }

    #[test]
    fn a_query_that_was_read_in_two_ways_is_disputed() {
        for (noted, target) in [
            (2, "/?a=_"),
            (2, "/?a=__b"),
            (2, "/"),
            // The request that it was noted for never came.
            (1, "/?a=_b"),
        ] {
            let unescaped = Unescaped::default();
            unescaped.note(noted, b"a=\"b");
            let mut request = request(target);
            unescaped.restore(2, &mut request);
            assert!(is_disputed(&request.into_parts().0), "{noted} {target}");
        }
        let unescaped = Unescaped::default();
        unescaped.note(2, b"a=\"b");
        let mut request = request("/?a=_b");
        unescaped.restore(2, &mut request);
        assert!(!is_disputed(&request.into_parts().0));
    }
}
