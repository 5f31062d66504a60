//! Where in a connection's requests the reader is, and what it may meet there.

use super::chunk::{self, Chunk};
use super::line::{self, Field};
use super::query::{self, Part, Unescaped};

/// A line of a chunked body holds a number, and extensions that nobody uses.
const CHUNK_LINE_BYTES: usize = 1024;

/// Follows the requests of one connection from line to line.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    /// Of the beginning of a line whose end has not come, what the line will be judged by.
    line: Vec<u8>,
    /// Bytes of the head or of the trailers that are under way.
    bytes: usize,
    head_bytes: usize,
    /// In a request line, where in it.
    part: Part,
    /// Which of the bytes just looked at hyper must not see.
    unescaped_at: Vec<usize>,
    /// Request lines so far.
    requests: u64,
    unescaped: Unescaped,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The first line of a request; empty lines before it are passed over.
    Start,
    /// Header lines.
    Head(Length),
    /// Bytes of a body, or of a chunk and the line end behind it.
    Bytes { left: u64, then: Next },
    /// The end of a chunk's bytes.
    ChunkEnd,
    /// The length of the next chunk.
    ChunkSize,
    /// Header lines behind the last chunk.
    Trailers,
}

/// What comes after a body's bytes.
#[derive(Clone, Copy, Debug)]
enum Next {
    Request,
    ChunkEnd,
}

/// What the lines of a head so far say of its body. There is one way to say it, once.
#[derive(Clone, Copy, Debug)]
enum Length {
    None { chunked_allowed: Chunked },
    Bytes(u64),
    Chunked,
}

/// HTTP/1.0 has no chunks (RFC 9112, 6.1).
#[derive(Clone, Copy, Debug)]
enum Chunked {
    Known,
    Unknown,
}

/// A rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// So many of the bytes just looked at are good.
    pub(super) at: usize,
    /// In which part of a request.
    pub(super) place: Place,
    /// Which rule, for the log.
    pub(super) what: &'static str,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Head,
    Body,
}

impl Framing {
    /// Notes in `unescaped` the queries that hold what hyper must not see.
    pub(super) fn new(head_bytes: usize, unescaped: Unescaped) -> Self {
        Self {
            state: State::Start,
            line: Vec::new(),
            bytes: 0,
            head_bytes,
            part: Part::default(),
            unescaped_at: Vec::new(),
            requests: 0,
            unescaped,
        }
    }

    /// Looks at the next bytes.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.unescaped_at.clear();
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let place = self.place();
            rest = self.step(rest, at).map_err(|what| Fault { at, place, what })?;
        }
        Ok(())
    }

    /// Which of the bytes just looked at hyper must not see: they stand in a query, unescaped. A
    /// connection keeps nothing of it: in a long query that would be more than all else.
    pub(super) fn take_unescaped_at(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.unescaped_at)
    }

    /// Looks at the next line, or at bytes of a body, which stand at `at`; what is left.
    fn step<'a>(&mut self, bytes: &'a [u8], at: usize) -> Result<&'a [u8], &'static str> {
        if let State::Bytes { left, then } = self.state {
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let left = left - u64::try_from(here).unwrap_or(left);
            self.state = match then {
                _ if left > 0 => State::Bytes { left, then },
                Next::Request => State::Start,
                Next::ChunkEnd => State::ChunkEnd,
            };
            return Ok(bytes.get(here..).unwrap_or_default());
        }
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.count(bytes.len())?;
            self.line.extend_from_slice(bytes);
            self.look_at_query(bytes, at);
            match self.state {
                State::Start => line::begun(&self.line)?,
                State::Head(_) | State::Trailers => line::shorten(&mut self.line)?,
                State::Bytes { .. } | State::ChunkEnd | State::ChunkSize => {}
            }
            return Ok(&[]);
        };
        let (now, rest) = bytes.split_at(end + 1);
        self.count(now.len())?;
        self.look_at_query(now, at);
        if self.line.is_empty() {
            self.end_line(now)?;
        } else {
            let mut whole = std::mem::take(&mut self.line);
            whole.extend_from_slice(now);
            self.end_line(&whole)?;
        }
        Ok(rest)
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let after = self.state.after(line::ended(line)?)?;
        if matches!((self.state, after), (State::Start, State::Head(_))) {
            self.requests += 1;
            if let Some(query) = query::of_line(line).filter(|query| query::has_unescaped(query)) {
                self.unescaped.note(self.requests, query);
            }
        }
        // Empty lines before a request count with it: they wait in hyper's buffer as well.
        let goes_on = matches!(after, State::Head(_) | State::Trailers)
            || matches!((self.state, after), (State::Start, State::Start));
        if !goes_on {
            self.bytes = 0;
        }
        self.state = after;
        Ok(())
    }

    /// So many bytes more of lines. hyper refuses a head that is larger than allowed; this is for what
    /// it does not count.
    fn count(&mut self, more: usize) -> Result<(), &'static str> {
        let (bytes, at_most) = match self.state {
            State::Start | State::Head(_) | State::Trailers => {
                self.bytes = self.bytes.saturating_add(more);
                // Twice, so that hyper's own answer to a large head comes first.
                (self.bytes, self.head_bytes.saturating_mul(2))
            }
            State::Bytes { .. } | State::ChunkEnd | State::ChunkSize => {
                (self.line.len().saturating_add(more), CHUNK_LINE_BYTES)
            }
        };
        if bytes > at_most { Err("a line is too long") } else { Ok(()) }
    }

    /// Goes on in a request line with these bytes, which stand at `at`.
    fn look_at_query(&mut self, bytes: &[u8], at: usize) {
        if matches!(self.state, State::Start) {
            let part = &mut self.part;
            let unescaped = (at..).zip(bytes).filter(|(_, byte)| part.pass(**byte));
            self.unescaped_at.extend(unescaped.map(|(at, _)| at));
        }
    }

    /// Of the head of this request, counted from 1, some has come and not all.
    pub(super) fn head_under_way(&self) -> Option<u64> {
        match self.state {
            State::Start if self.line.is_empty() => None,
            State::Start => Some(self.requests.saturating_add(1)),
            State::Head(_) => Some(self.requests),
            State::Bytes { .. } | State::ChunkEnd | State::ChunkSize | State::Trailers => None,
        }
    }

    /// What waits in memory of a head whose end has not come, here and with hyper, which has all of it.
    pub(super) fn held(&self) -> usize {
        match self.place() {
            Place::Head => self.bytes.saturating_add(self.line.capacity()),
            Place::Body => 0,
        }
    }

    /// Nothing of a request has come that is not whole.
    pub(super) fn is_between_requests(&self) -> bool {
        matches!(self.state, State::Start) && self.line.is_empty()
    }

    fn place(&self) -> Place {
        match self.state {
            State::Start | State::Head(_) => Place::Head,
            State::Bytes { .. } | State::ChunkEnd | State::ChunkSize | State::Trailers => {
                Place::Body
            }
        }
    }
}

impl State {
    /// What follows when this is the next line.
    fn after(self, line: &[u8]) -> Result<Self, &'static str> {
        match self {
            Self::Start | Self::Trailers if line.is_empty() => Ok(Self::Start),
            Self::Start => {
                let chunked_allowed = match line::request(line)? {
                    line::Version::Http10 => Chunked::Unknown,
                    line::Version::Http11 => Chunked::Known,
                };
                Ok(Self::Head(Length::None { chunked_allowed }))
            }
            Self::Head(length) if line.is_empty() => Ok(length.body()),
            Self::Head(length) => Ok(Self::Head(length.with(line::field(line)?)?)),
            Self::ChunkEnd if line.is_empty() => Ok(Self::ChunkSize),
            Self::ChunkEnd => Err("a chunk is longer than it says"),
            Self::ChunkSize => Ok(match chunk::size(line)? {
                Chunk::Last => Self::Trailers,
                Chunk::Of(left) => Self::Bytes { left, then: Next::ChunkEnd },
            }),
            Self::Trailers => line::field(line).map(|_| Self::Trailers),
            Self::Bytes { .. } => Ok(self),
        }
    }
}

impl Length {
    /// One more header line.
    fn with(self, field: Field) -> Result<Self, &'static str> {
        match (self, field) {
            (_, Field::Other) => Ok(self),
            (Self::None { .. }, Field::ContentLength(bytes)) => Ok(Self::Bytes(bytes)),
            (Self::None { chunked_allowed: Chunked::Known }, Field::Chunked) => Ok(Self::Chunked),
            (Self::None { chunked_allowed: Chunked::Unknown }, Field::Chunked) => {
                Err("HTTP/1.0 has no Transfer-Encoding")
            }
            (Self::Bytes(_) | Self::Chunked, _) => Err("the length of the body is said twice"),
        }
    }

    fn body(self) -> State {
        match self {
            Self::None { .. } | Self::Bytes(0) => State::Start,
            Self::Bytes(left) => State::Bytes { left, then: Next::Request },
            Self::Chunked => State::ChunkSize,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn follow(text: &str) -> Result<(), &'static str> {
        follower().follow(text.as_bytes()).map_err(|fault| fault.what)
    }

    fn follower() -> Framing {
        Framing::new(8192, Unescaped::default())
    }

    #[test]
    fn the_end_of_one_request_is_the_beginning_of_the_next() {
        let next = "!";
        for body in [
            "\r\n",
            "Content-Length: 0\r\n\r\n",
            "Content-Length: 3\r\n\r\n\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3\r\n\n\r\n\r\n1\r\n!\r\n00\r\nA: b\r\n\r\n",
        ] {
            let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{body}");
            assert_eq!(follow(&request.repeat(2)), Ok(()), "{body:?}");
            let mut framing = follower();
            framing.follow(request.as_bytes()).unwrap();
            assert!(framing.is_between_requests(), "{body:?}");
            assert!(follow(&format!("{request}{next}\r\n")).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_length_is_said_once() {
        let one = "Content-Length: 1\r\n";
        let chunked = "Transfer-Encoding: chunked\r\n";
        for (version, lines, good) in [
            ("1.1", one.to_owned(), true),
            ("1.0", one.to_owned(), true),
            ("1.1", chunked.to_owned(), true),
            ("1.0", chunked.to_owned(), false),
            ("1.1", one.repeat(2), false),
            ("1.1", chunked.repeat(2), false),
            ("1.1", format!("{one}{chunked}"), false),
            ("1.1", format!("{chunked}{one}"), false),
        ] {
            let found = follow(&format!("POST / HTTP/{version}\r\n{lines}"));
            assert_eq!(found.is_ok(), good, "{version} {lines:?}");
        }
    }

    #[test]
    fn a_fault_is_where_its_line_begins() {
        let mut framing = follower();
        let fault = framing.follow(b"GET / HTTP/1.1\r\nA:b\r\n c\r\n\r\n").unwrap_err();
        assert_eq!((fault.at, fault.place), (21, Place::Head));

        let mut framing = follower();
        framing.follow(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r").unwrap();
        let fault = framing.follow(b"b\n").unwrap_err();
        assert_eq!((fault.at, fault.place), (0, Place::Body));
    }

    #[test]
    fn nothing_is_kept_of_the_places_of_unescaped_bytes() {
        let mut framing = follower();
        framing.follow(b"GET /?\"<>").unwrap();
        assert_eq!(framing.take_unescaped_at(), [6, 7, 8]);
        assert_eq!(framing.unescaped_at.capacity(), 0);
        framing.follow(b"a\"").unwrap();
        assert_eq!(framing.take_unescaped_at(), [1]);
    }

    #[test]
    fn the_end_of_a_method_is_not_waited_for() {
        let mut framing = follower();
        framing.follow(&[b'M'; 32]).unwrap();
        let fault = framing.follow(b"M").unwrap_err();
        assert_eq!((fault.at, fault.place), (0, Place::Head));
    }

    #[test]
    fn of_a_header_line_little_is_kept() {
        let most = 8 * line::NAME_BYTES;
        for line in ["Name", "Name:", "Content-Length: "] {
            let mut framing = follower();
            framing.follow(b"GET / HTTP/1.1\r\n").unwrap();
            framing.follow(line.as_bytes()).unwrap();
            for sent in 1..=8 {
                let found = framing.follow(&[b'a'; 1024]);
                let refused = line.starts_with("Content");
                assert_eq!(found.is_err(), refused, "{line}, {sent} KiB");
                assert!(framing.line.capacity() <= most || refused, "{line}, {sent} KiB");
                if !refused {
                    let held = 16 + line.len() + sent * 1024;
                    assert!((held..held + most).contains(&framing.held()), "{line}, {sent} KiB");
                }
            }
        }
    }

    #[test]
    fn what_is_held_of_a_head_is_counted_until_its_end() {
        let mut framing = follower();
        for (text, hyper, here) in [
            ("\r\n\r\n", 4, 0),
            ("GET /", 9, 5),
            ("a?b=c HTTP/1.1\r\n", 25, 0),
            ("A: b\r\n", 31, 0),
            ("Transfer-Encoding: chunked\r\n\r\n", 0, 0),
            ("1\r\na\r\n0\r\nA: a trailer is of the body", 0, 0),
            ("\r\n\r\nGET", 3, 3),
        ] {
            framing.follow(text.as_bytes()).unwrap();
            let held = framing.held();
            assert!(held >= hyper + here && held <= hyper + 8 * here.max(1), "{text}: {held}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_kept_to_a_limit() {
        let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;";
        let mut framing = follower();
        framing.follow(head).unwrap();
        framing.follow(&[b'a'; CHUNK_LINE_BYTES - 2]).unwrap();
        assert!(framing.follow(b"a").is_err());

        let mut framing = follower();
        framing.follow(&[b"GET /", &[b'A'; 16384 - 5][..]].concat()).unwrap();
        assert!(framing.follow(b"A").is_err());
    }

    proptest! {
        /// However the bytes come, the same ones are found to be good.
        #[test]
        fn pieces_do_not_matter(
            parts in prop::collection::vec(prop::sample::select(vec![
                "GET / HTTP/1.1\r\n", "POST /a HTTP/1.0\r\n", "Host: a\r\n", "\r\n", "\n", "\r",
                "Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n", "2\r\n", "ab", "0\r\n", "5;a=\"b\"\r\n",
                " ", ":", "\0",
            ]), 0..12),
            cuts in prop::collection::vec(1_usize..20, 0..40),
        ) {
            let text = parts.concat();
            let whole = follower().follow(text.as_bytes()).is_ok();
            let mut framing = follower();
            let mut rest = text.as_bytes();
            let mut found = Ok(());
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                found = found.and_then(|()| framing.follow(now));
                rest = later;
            }
            found = found.and_then(|()| framing.follow(rest));
            prop_assert_eq!(found.is_ok(), whole);
        }
    }
}
