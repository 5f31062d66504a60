//! The body of a request: all of it, within its limits of size and time, or an error.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// More bytes than allowed were announced, or came.
    TooLarge,
    /// It was not whole in time.
    TooSlow,
    /// It broke off, or was framed wrongly.
    Broken,
}

/// Reads the body, `at_most` bytes of it, within `time`. A body that announces more is not read at
/// all.
pub(super) async fn read<B>(
    body: &mut B,
    at_most: usize,
    time: Duration,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > at_most {
        return Err(BodyError::TooLarge);
    }
    let whole = collect(body, at_most);
    tokio::time::timeout(time, whole).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect<B>(body: &mut B, at_most: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Some(first) = next(body).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > at_most {
        return Err(BodyError::TooLarge);
    }
    // Most bodies are one frame, which is taken as it is.
    let Some(second) = next(body).await? else {
        return Ok(first);
    };
    let mut whole = BytesMut::from(first);
    let mut frame = Some(second);
    while let Some(bytes) = frame {
        if bytes.len() > at_most.saturating_sub(whole.len()) {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&bytes);
        frame = next(body).await?;
    }
    Ok(whole.freeze())
}

/// The next bytes; trailers are passed over.
async fn next<B>(body: &mut B) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) => return Ok(Some(bytes)),
            Ok(Err(_trailers)) => {}
            Err(_) => return Err(BodyError::Broken),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::{Frame, SizeHint};

    use super::*;

    const TIME: Duration = Duration::from_secs(5);

    /// Frames one by one, then an end of its own kind.
    struct Frames {
        left: VecDeque<&'static [u8]>,
        end: End,
        hint: SizeHint,
    }

    #[derive(Clone, Copy)]
    enum End {
        Whole,
        Trailers,
        Broken,
        Never,
    }

    impl Body for Frames {
        type Data = Bytes;
        type Error = ();

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
            if let Some(frame) = self.left.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(frame)))));
            }
            match std::mem::replace(&mut self.end, End::Whole) {
                End::Whole => Poll::Ready(None),
                End::Trailers => Poll::Ready(Some(Ok(Frame::trailers(http::HeaderMap::new())))),
                End::Broken => Poll::Ready(Some(Err(()))),
                End::Never => {
                    self.end = End::Never;
                    Poll::Pending
                }
            }
        }

        fn size_hint(&self) -> SizeHint {
            self.hint
        }
    }

    fn frames(frames: &[&'static [u8]], end: End) -> Frames {
        Frames { left: frames.iter().copied().collect(), end, hint: SizeHint::default() }
    }

    #[tokio::test]
    async fn at_the_limit_and_one_past_it() {
        for parts in [&[&b"12345678"[..]][..], &[b"1234", b"5678"], &[b"1", b"234567", b"8"]] {
            let whole = read(&mut frames(parts, End::Whole), 8, TIME).await;
            assert_eq!(whole.as_deref(), Ok(&b"12345678"[..]), "{parts:?}");
            let past = read(&mut frames(parts, End::Whole), 7, TIME).await;
            assert_eq!(past, Err(BodyError::TooLarge), "{parts:?}");
        }
    }

    #[tokio::test]
    async fn what_announces_too_much_is_not_read() {
        let announced =
            |bytes| Frames { hint: SizeHint::with_exact(bytes), ..frames(&[b"1"], End::Never) };
        assert_eq!(read(&mut announced(9), 8, TIME).await, Err(BodyError::TooLarge));
        let slow = read(&mut announced(8), 8, Duration::from_millis(10)).await;
        assert_eq!(slow, Err(BodyError::TooSlow), "at the limit it is read");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_taken_for_a_whole_one() {
        assert_eq!(read(&mut frames(&[b"12"], End::Broken), 8, TIME).await, Err(BodyError::Broken));
        assert_eq!(read(&mut frames(&[], End::Broken), 8, TIME).await, Err(BodyError::Broken));
    }

    #[tokio::test]
    async fn trailers_are_passed_over_and_nothing_is_nothing() {
        let whole = read(&mut frames(&[b"12"], End::Trailers), 8, TIME).await;
        assert_eq!(whole.as_deref(), Ok(&b"12"[..]));
        assert_eq!(read(&mut frames(&[], End::Whole), 0, TIME).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_is_given_up() {
        let slow = read(&mut frames(&[b"12"], End::Never), 8, Duration::from_millis(10)).await;
        assert_eq!(slow, Err(BodyError::TooSlow));
    }
}
