//! The body of an operator's request: all of it, within its limits of size and pace.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use super::WORK_TIME;
use super::reply::Refused;
use crate::telemetry::AdminRefusal;

/// For a body of which nothing comes: TCP has repeated a lost packet several times by then.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// Every byte buys time at this rate, in bytes a second: the four mebibytes that the command line sends
/// at once come in within the ten minutes that it waits.
const RATE: usize = 8 << 10;

/// Reads it whole. What announces too much is not read at all, nor is anything where there is no
/// `most_bytes`.
pub(super) async fn read<B>(mut body: B, most_bytes: Option<usize>) -> Result<Bytes, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Some(most_bytes) = most_bytes else {
        return Ok(Bytes::new());
    };
    let too_large = || Refused::bad("the body", format!("is larger than {most_bytes} bytes"));
    let too_slow = || {
        let title = format!("the body came more slowly than {RATE} bytes a second");
        Refused::saying(AdminRefusal::SlowBody, title)
    };
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > most_bytes) {
        return Err(too_large());
    }
    let began = Instant::now();
    let mut whole = BytesMut::new();
    loop {
        let frame = timeout_at(began + time_for(whole.len()), body.frame()).await;
        let Some(frame) = frame.map_err(|_| too_slow())? else {
            return Ok(whole.freeze());
        };
        let frame = frame.map_err(|_| Refused::bad("the body", "is not whole"))?;
        // Trailers are passed over.
        let bytes = frame.into_data().unwrap_or_default();
        if bytes.len() > most_bytes - whole.len() {
            return Err(too_large());
        }
        whole.extend_from_slice(&bytes);
    }
}

/// How long a body may take of which so much has come.
fn time_for(read: usize) -> Duration {
    let bought = Duration::from_secs(u64::try_from(read / RATE).unwrap_or(u64::MAX));
    GRACE.saturating_add(bought).min(WORK_TIME)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::{Frame, SizeHint};
    use tokio::time::{Sleep, sleep};

    use super::super::errand::IMPORT_BYTES;
    use super::*;

    /// A frame of `bytes` every `pause`, `left` times; then none, or never an end.
    struct Frames {
        bytes: usize,
        pause: Duration,
        left: usize,
        ends: bool,
        next: Pin<Box<Sleep>>,
        hint: SizeHint,
    }

    fn frames(left: usize, bytes: usize, pause: Duration) -> Frames {
        let hint = SizeHint::default();
        Frames { bytes, pause, left, ends: true, next: Box::pin(sleep(pause)), hint }
    }

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.left == 0 {
                return if self.ends { Poll::Ready(None) } else { Poll::Pending };
            }
            if self.next.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.left -= 1;
            self.next = Box::pin(sleep(self.pause));
            Poll::Ready(Some(Ok(Frame::data(vec![b'x'; self.bytes].into()))))
        }

        fn size_hint(&self) -> SizeHint {
            self.hint
        }
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_limit_of_size_and_one_past_it() {
        for (left, bytes) in [(1, 8), (2, 4), (8, 1)] {
            let whole = read(frames(left, bytes, Duration::ZERO), Some(8)).await;
            assert_eq!(&*whole.unwrap(), b"xxxxxxxx");
            let past = read(frames(left, bytes, Duration::ZERO), Some(7)).await;
            assert_eq!(past.unwrap_err().reason, AdminRefusal::BadRequest);
        }
        let announced = |bytes| {
            let hint = SizeHint::with_exact(bytes);
            read(Frames { hint, ..frames(1, 1, Duration::MAX) }, Some(8))
        };
        assert_eq!(announced(9).await.unwrap_err().reason, AdminRefusal::BadRequest);
        assert_eq!(announced(8).await.unwrap_err().reason, AdminRefusal::SlowBody);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_which_nothing_more_comes_has_its_grace() {
        let began = Instant::now();
        let stuck = Frames { ends: false, ..frames(1, 1, Duration::ZERO) };
        assert_eq!(read(stuck, Some(8)).await.unwrap_err().reason, AdminRefusal::SlowBody);
        assert_eq!(began.elapsed(), GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_is_slow_enough() {
        const SECOND: Duration = Duration::from_secs(1);
        // What the command line sends at once, and the largest import.
        for (seconds, bytes) in [(512, RATE), (580, IMPORT_BYTES / 580)] {
            let whole = read(frames(seconds, bytes, SECOND), Some(IMPORT_BYTES)).await;
            assert_eq!(whole.unwrap().len(), seconds * bytes);
        }
        for bytes in [RATE - RATE / 16, RATE / 2] {
            let slow = read(frames(600, bytes, SECOND), Some(IMPORT_BYTES)).await;
            assert_eq!(slow.unwrap_err().reason, AdminRefusal::SlowBody, "{bytes}");
        }
        let began = Instant::now();
        let endless = read(frames(usize::MAX, 2 * RATE, SECOND), Some(IMPORT_BYTES)).await;
        assert_eq!(endless.unwrap_err().reason, AdminRefusal::SlowBody);
        assert_eq!(began.elapsed(), WORK_TIME);
    }
}
