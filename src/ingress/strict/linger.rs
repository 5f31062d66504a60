//! The end of a connection whose peer is still sending. A socket that is closed with bytes unread is
//! reset, and the reset takes an answer with it that the peer has not read yet. So the half that we
//! write is closed first, and what still comes is thrown away for a while (RFC 9112, 9.6).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// Some round trips: the peer has the answer by then.
const TIME: Duration = Duration::from_secs(2);
/// More than is on its way in a round trip. Who sends that much has not looked for an answer.
const BYTES: usize = 4 << 20;

/// A connection that was closed for writing.
#[derive(Debug)]
pub(super) struct Linger {
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl Linger {
    pub(super) fn new() -> Self {
        Self { left: BYTES, until: Box::pin(tokio::time::sleep(TIME)) }
    }

    /// Ready when the peer has ended, or was listened to for long enough.
    pub(super) fn poll<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut space = [0; 8 << 10];
        while self.left > 0 {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.until.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::Instant;

    use super::*;

    async fn linger(stream: &mut (impl AsyncRead + Unpin)) {
        let mut linger = Linger::new();
        std::future::poll_fn(|context| linger.poll(stream, context)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_waited_for_so_long() {
        let (peer, mut stream) = tokio::io::duplex(1);
        let began = Instant::now();
        linger(&mut stream).await;
        assert_eq!(began.elapsed(), TIME);
        drop(peer);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_is_thrown_away_until_its_end_or_the_limit() {
        for (sent, taken) in [(BYTES - 1, BYTES - 1), (BYTES, BYTES), (2 * BYTES, BYTES)] {
            let (mut peer, mut stream) = tokio::io::duplex(8 << 10);
            let sending = async move {
                for at in (0..sent).step_by(1 << 10) {
                    let piece = vec![0; (sent - at).min(1 << 10)];
                    if peer.write_all(&piece).await.is_err() {
                        return at;
                    }
                }
                sent
            };
            let began = Instant::now();
            let lingering = async move { linger(&mut stream).await };
            let (found, ()) = tokio::join!(sending, lingering);
            // What was on its way when the limit came.
            assert!((taken..=taken + (16 << 10)).contains(&found), "{sent}: {found}");
            assert!(began.elapsed() < TIME, "{sent}");
        }
    }
}
