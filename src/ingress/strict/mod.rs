//! HTTP/1.1 as its grammar has it, and nothing else: a reader in front of hyper, which is lenient
//! where RFC 9112 lets it be. What two parsers may read in two ways is how requests are smuggled
//! past the first of them, and the handler cannot see it any more: a line that ends with a bare LF,
//! a fragment, a chunk extension that is none, two lengths.
//!
//! Bytes pass as they are, but for some in the [`query`] of a target. hyper never gets the end of a line
//! that was not checked; from the first line on that breaks a rule it gets something it answers
//! with 400, and then the end. From a head on that grows and for which no room is left, it gets an error.

mod chunk;
mod framing;
mod line;
mod linger;
mod pace;
mod query;
mod target;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) use self::query::{Unescaped, is_disputed, received};

use super::bodies::Unended;

use self::framing::{Framing, Place};
use self::linger::Linger;
use self::pace::Pace;
pub(super) use self::pace::UnderWay;
use self::query::STAND_IN;

/// In a head: no part of one may hold NUL, and hyper looks at a head when an empty line has come.
const NO_HEAD: &[u8] = b"\0\r\n\r\n";

/// What a head may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    /// As much as hyper takes.
    pub(super) bytes: usize,
    /// From its first byte to its last.
    pub(super) time: Duration,
}

/// A stream whose reader checks the framing of what it reads.
#[derive(Debug)]
pub(super) struct Strict<S, F> {
    stream: S,
    /// Told which rule a head has broken: no handler sees it. A broken body is the handler's to tell.
    refused: F,
    framing: Framing,
    pace: Pace,
    /// Room for the head under way.
    room: Unended,
    /// Set for good where the peer has broken a rule, or wants too much.
    broken: Option<Broken>,
    /// Some of what was written may not be on its way.
    unflushed: bool,
    /// Set when the peer is in the midst of something at the end.
    linger: Option<Linger>,
}

/// What is read after the last good line.
#[derive(Clone, Copy, Debug)]
enum Broken {
    /// These bytes, and then the end.
    Head(&'static [u8]),
    /// An error, so that no body is taken for whole.
    Body,
    /// An error that [`is_without_room`] knows.
    NoRoom,
}

/// Whether a connection has ended with this because a head has taken too long.
pub(super) fn is_late(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

/// Whether it has because there was no room for a head.
pub(super) fn is_without_room(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
}

impl<S, F: FnMut(&'static str)> Strict<S, F> {
    /// `unescaped`: where queries go that hyper sees in another spelling.
    pub(super) fn new(
        stream: S,
        head: HeadLimits,
        under_way: UnderWay,
        unescaped: Unescaped,
        room: Unended,
        refused: F,
    ) -> Self {
        let framing = Framing::new(head.bytes, unescaped);
        let pace = Pace::new(head.time, under_way);
        let (broken, unflushed, linger) = (None, false, None);
        Self { stream, refused, framing, pace, room, broken, unflushed, linger }
    }

    /// Whether all that was written is on its way, so that an answer is read as one.
    pub(super) fn is_flushed(&self) -> bool {
        !self.unflushed
    }

    /// Looks at what has come into `buffer` after its first `before` bytes, and takes out what
    /// breaks a rule.
    fn check(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let new = buffer.filled_mut().get_mut(before..).unwrap_or_default();
        let followed = self.framing.follow(new);
        for at in self.framing.take_unescaped_at() {
            if let Some(byte) = new.get_mut(at) {
                *byte = STAND_IN;
            }
        }
        let good = followed.map_or_else(|fault| fault.at, |()| new.len());
        buffer.set_filled(before + good);
        if let Err(fault) = followed {
            self.broken = Some(match fault.place {
                Place::Head => {
                    (self.refused)(fault.what);
                    Broken::Head(NO_HEAD)
                }
                Place::Body => {
                    tracing::debug!(what = fault.what, "body broken");
                    Broken::Body
                }
            });
        }
    }

    /// What is read from a broken request: `Ready` where there is no need to ask the stream.
    fn answer_broken(&mut self, buffer: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        match self.broken.as_mut()? {
            Broken::Head(rest) => {
                let (now, later) = rest.split_at(rest.len().min(buffer.remaining()));
                buffer.put_slice(now);
                *rest = later;
                Some(Ok(()))
            }
            Broken::Body => Some(Err(io::ErrorKind::InvalidData.into())),
            Broken::NoRoom => Some(Err(io::ErrorKind::OutOfMemory.into())),
        }
    }
}

impl<S: AsyncRead + Unpin, F: FnMut(&'static str) + Unpin> AsyncRead for Strict<S, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(answer) = self.answer_broken(buffer) {
            return Poll::Ready(answer);
        }
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) else {
            return self.pace.poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()));
        };
        read?;
        self.check(buffer, before);
        let under_way = self.framing.head_under_way();
        self.pace.follow(under_way);
        let held = if self.broken.is_none() { self.framing.held() } else { 0 };
        if self.room.hold(held).is_err() {
            // What has come passes: the end of a request may be in front of it.
            self.broken = Some(Broken::NoRoom);
        }
        // Nothing read means the end, and it is not the end yet.
        if self.broken.is_some() && buffer.filled().len() == before {
            return Poll::Ready(self.answer_broken(buffer).unwrap_or(Ok(())));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, F: Unpin> AsyncWrite for Strict<S, F> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, framing, broken, linger, .. } = self.get_mut();
        if linger.is_none() {
            std::task::ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
            if broken.is_none() && framing.is_between_requests() {
                return Poll::Ready(Ok(()));
            }
        }
        linger.get_or_insert_with(Linger::new).poll(stream, context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::super::bodies::{Bodies, LEAST};
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    const HEAD: HeadLimits = HeadLimits { bytes: 8192, time: Duration::from_secs(10) };
    const GOOD: &str = "POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                        2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// A reader of this stream, and room for heads of so many bytes in all.
    fn strict(stream: DuplexStream, room: usize) -> Strict<DuplexStream, impl FnMut(&'static str)> {
        let room = Bodies::new(2 * room).unended(ADDRESS);
        Strict::new(stream, HEAD, UnderWay::default(), Unescaped::default(), room, |_| {})
    }

    /// What comes out of `bytes`, written `step` bytes at a time.
    async fn read(bytes: &[u8], step: usize) -> (Vec<u8>, io::Result<usize>) {
        let (mut peer, stream) = tokio::io::duplex(step);
        let mut strict = strict(stream, 1 << 20);
        let mut out = Vec::new();
        let write = async move {
            // A reader that has seen enough leaves.
            drop(peer.write_all(bytes).await);
        };
        let (ended, ()) = tokio::join!(
            async {
                let ended = strict.read_to_end(&mut out).await;
                drop(strict);
                ended
            },
            write
        );
        (out, ended)
    }

    #[tokio::test]
    async fn what_keeps_the_rules_passes_as_it_is_in_pieces_of_every_size() {
        for step in 1..=GOOD.len() {
            let (out, ended) = read(GOOD.as_bytes(), step).await;
            assert!(ended.is_ok());
            assert_eq!(String::from_utf8(out).unwrap(), GOOD, "{step} bytes at a time");
        }
    }

    #[tokio::test]
    async fn a_query_passes_with_stand_ins_in_pieces_of_every_size() {
        let raw = GOOD.replace("/in", "/in?a=\"\u{e9}<>&b").replace("GET /", "GET /?>\u{e9}");
        let expected = GOOD.replace("/in", "/in?a=_____&b").replace("GET /", "GET /?___");
        for step in 1..=raw.len() {
            let (out, ended) = read(raw.as_bytes(), step).await;
            assert!(ended.is_ok());
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{step} bytes at a time");
        }
    }

    #[tokio::test]
    async fn no_end_of_a_line_passes_that_breaks_a_rule() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\n";
        let bad = format!("{head}X : y\r\n\r\n");
        for step in 1..=bad.len() {
            let (out, ended) = read(bad.as_bytes(), step).await;
            assert!(ended.is_ok());
            let out = String::from_utf8(out).unwrap();
            let rest = out.strip_prefix(head).unwrap();
            let rest = rest.strip_suffix("\0\r\n\r\n").unwrap();
            assert!("X : y\r".starts_with(rest), "{rest:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_a_rule_ends_with_an_error() {
        let bad = GOOD.replace("2;a=b", "2;a b");
        for step in 1..=bad.len() {
            let (out, ended) = read(bad.as_bytes(), step).await;
            assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::InvalidData);
            let out = String::from_utf8(out).unwrap();
            assert!(bad.starts_with(&out) && !out.contains("{}"), "{out}");
        }
    }

    #[tokio::test]
    async fn a_head_that_breaks_a_rule_is_told_once_and_holds_nothing_from_then_on() {
        let (mut peer, stream) = tokio::io::duplex(4 * LEAST);
        let bodies = Bodies::new(8 * LEAST);
        let (head, room) = (HeadLimits { bytes: 4 * LEAST, ..HEAD }, bodies.unended(ADDRESS));
        let (under_way, unescaped) = (UnderWay::default(), Unescaped::default());
        let mut told = Vec::new();
        let refused = |rule| told.push(rule);
        let mut strict = Strict::new(stream, head, under_way, unescaped, room, refused);
        let grown = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}", "x".repeat(LEAST));
        peer.write_all(grown.as_bytes()).await.unwrap();
        strict.read_exact(&mut vec![0; grown.len()]).await.unwrap();
        assert_ne!(bodies.total(), 0);
        peer.write_all(b"\r\nX : y\r\n").await.unwrap();
        let mut rest = Vec::new();
        strict.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(NO_HEAD));
        assert_eq!(bodies.total(), 0);
        drop(strict);
        assert_eq!(told, ["the name of a header is no token"]);
    }

    #[tokio::test]
    async fn what_is_written_is_on_its_way_when_it_is_flushed() {
        let (_peer, stream) = tokio::io::duplex(8);
        let mut strict = strict(stream, 1 << 20);
        assert!(strict.is_flushed());
        for is_vectored in [false, true] {
            let written = if is_vectored {
                strict.write_vectored(&[io::IoSlice::new(b"a")]).await
            } else {
                strict.write(b"a").await
            };
            assert_eq!((written.unwrap(), strict.is_flushed()), (1, false), "{is_vectored}");
            strict.flush().await.unwrap();
            assert!(strict.is_flushed(), "{is_vectored}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_head_has_its_time_from_its_first_byte_on() {
        let (mut peer, stream) = tokio::io::duplex(1024);
        let mut strict = strict(stream, 1 << 20);
        let mut space = [0; 1024];
        let just = Duration::from_millis(9_999);
        // An idle connection and a body take as long as they like, here.
        for piece in ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", "{", "}", "GET"] {
            let read = tokio::time::timeout(HEAD.time * 2, strict.read(&mut space)).await;
            assert!(read.is_err(), "before {piece}");
            peer.write_all(piece.as_bytes()).await.unwrap();
            assert_eq!(strict.read(&mut space).await.unwrap(), piece.len());
        }
        let read = tokio::time::timeout(just, strict.read(&mut space)).await;
        assert!(read.is_err(), "in time");
        // The next one, which begins where that one ends, has a time of its own.
        peer.write_all(b" / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n").await.unwrap();
        assert_ne!(strict.read(&mut space).await.unwrap(), 0);
        let began = tokio::time::Instant::now();
        let more = async {
            tokio::time::sleep(just).await;
            peer.write_all(b"Host: a\r\n").await.unwrap();
            peer
        };
        let slow = async {
            while let Ok(bytes) = strict.read(&mut space).await {
                assert_ne!(bytes, 0);
            }
            began.elapsed()
        };
        // More of it buys no time.
        let (took, _peer) = tokio::join!(slow, more);
        assert_eq!(took, HEAD.time);
    }
}
