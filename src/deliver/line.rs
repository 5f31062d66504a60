//! A connection that notices whether it is answered, so that one that the upstream had closed is
//! told from one on which a request failed; and that knows its age.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock;

/// A connection and what was heard on it.
#[derive(Debug)]
pub(super) struct Tracked<T> {
    io: T,
    line: Line,
}

/// What is known of a connection. An answer that came over it has a copy among its extensions, and
/// so has the error of a request that failed on it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    last: Arc<AtomicU8>,
    /// Used no longer than until then.
    until: Instant,
}

/// Nothing was ever heard.
const NEW: u8 = 0;
/// Something was heard after the last that was sent.
const HEARD: u8 = 1;
/// Something was heard once, and nothing since the last that was sent.
const SILENT: u8 = 2;

impl Line {
    pub(super) fn is_old(&self) -> bool {
        clock::instant() >= self.until
    }

    /// It has carried an answer before, and there is not a byte of one to what was sent last: the
    /// upstream had closed it by then, or was about to.
    pub(super) fn is_stale(&self) -> bool {
        self.last.load(Ordering::Relaxed) == SILENT
    }

    fn sent(&self) {
        if self.last.load(Ordering::Relaxed) != NEW {
            self.last.store(SILENT, Ordering::Relaxed);
        }
    }

    fn heard(&self) {
        self.last.store(HEARD, Ordering::Relaxed);
    }
}

impl<T> Tracked<T> {
    /// A connection made just now, to be used for so long.
    pub(super) fn new(io: T, life: Duration) -> Self {
        let until = clock::instant() + life;
        Self { io, line: Line { last: Arc::default(), until } }
    }
}

impl<T: Connection> Connection for Tracked<T> {
    fn connected(&self) -> Connected {
        self.io.connected().extra(self.line.clone())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tracked<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.line.heard();
        }
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tracked<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.line.sent();
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.line.sent();
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_line_is_stale_when_it_was_answered_before_and_is_silent_now() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = Tracked::new(ours, Duration::from_mins(1));
        let line = ours.line.clone();
        ours.write_all(b"first").await.unwrap();
        assert!(!line.is_stale(), "a new connection that fails is no stale one");
        theirs.write_all(b"answer").await.unwrap();
        ours.read_exact(&mut [0; 6]).await.unwrap();
        assert!(!line.is_stale());
        ours.write_all(b"second").await.unwrap();
        assert!(line.is_stale());
        theirs.write_all(b"a").await.unwrap();
        ours.read_exact(&mut [0; 1]).await.unwrap();
        assert!(!line.is_stale(), "an answer has begun");
        ours.write_all(b"third").await.unwrap();
        drop(theirs);
        assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
        assert!(line.is_stale(), "the end is no answer");
    }
}
