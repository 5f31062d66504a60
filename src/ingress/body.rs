//! The body of a request: all of it, within its limits of size, time and pace, or an error.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Version;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::time::Instant;

use super::RequestLimits;
use super::bodies::Hold;
use crate::ledger::NoRoom;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// More bytes than allowed were announced, or came.
    TooLarge,
    /// It was not whole in time.
    TooSlow,
    /// It broke off, or was framed wrongly.
    Broken,
    /// Too many bytes of other bodies are held.
    NoRoom,
}

impl From<NoRoom> for BodyError {
    fn from(NoRoom: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// Reads the body within its limits, and notes in `hold` what is held of it. A body that announces
/// too much is not read at all.
///
/// Over HTTP/2 a sender may give a stream up and call that no error; hyper ends the body there, as if it
/// were whole.
pub(super) async fn read<B>(
    body: &mut B,
    version: Version,
    limits: &RequestLimits,
    hold: &mut Hold,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limits.body_bytes {
        return Err(BodyError::TooLarge);
    }
    let mut meter = Meter { limits, hold, began: Instant::now(), read: 0 };
    let is_whole = |body: &B| version != Version::HTTP_2 || body.is_end_stream();
    let Some(first) = meter.next(body).await? else {
        return if is_whole(body) { Ok(Bytes::new()) } else { Err(BodyError::Broken) };
    };
    // Most bodies are one frame, which is taken as it is. One that others follow may be a byte in a
    // buffer of many, which would wait with it.
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(&*first);
    drop(first);
    while let Some(bytes) = meter.next(body).await? {
        whole.extend_from_slice(&bytes);
    }
    if is_whole(body) { Ok(whole.freeze()) } else { Err(BodyError::Broken) }
}

/// How long a body that nobody wants is listened to: some round trips.
const UNWANTED_TIME: Duration = Duration::from_secs(2);
/// And how much of it: a postback and to spare.
const UNWANTED_BYTES: usize = 64 << 10;

/// Throws a body away, as far as it comes soon. A stream of HTTP/2 that is answered before its end is
/// broken off, and nobody hears what else was wrong with it (RFC 9113, 8.1).
pub(super) async fn discard<B>(body: &mut B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let until = Instant::now() + UNWANTED_TIME;
    let mut left = UNWANTED_BYTES;
    while left > 0 && Instant::now() < until {
        match tokio::time::timeout_at(until, next(body)).await {
            Ok(Ok(Some(bytes))) => left = left.saturating_sub(bytes.len()),
            Ok(Ok(None) | Err(_)) | Err(_) => return,
        }
    }
}

/// Holds a body against its limits, frame by frame.
struct Meter<'a> {
    limits: &'a RequestLimits,
    hold: &'a mut Hold,
    began: Instant,
    read: usize,
}

impl Meter<'_> {
    async fn next<B>(&mut self, body: &mut B) -> Result<Option<Bytes>, BodyError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let until = self.began + time_for(self.read, self.limits);
        let next = tokio::time::timeout_at(until, next(body)).await;
        let Some(bytes) = next.unwrap_or(Err(BodyError::TooSlow))? else { return Ok(None) };
        // Frames without a byte can follow one another so fast that the time-out never has its turn.
        if bytes.is_empty() && Instant::now() >= until {
            return Err(BodyError::TooSlow);
        }
        self.read = self.read.saturating_add(bytes.len());
        if self.read > self.limits.body_bytes {
            return Err(BodyError::TooLarge);
        }
        self.hold.grow(bytes.len())?;
        Ok(Some(bytes))
    }
}

/// How long a body may take of which so much has come: every byte buys time, up to the time for
/// all.
fn time_for(read: usize, limits: &RequestLimits) -> Duration {
    let read = u64::try_from(read).unwrap_or(u64::MAX);
    let rate = u64::try_from(limits.body_rate).unwrap_or(u64::MAX).max(1);
    let bought = Duration::from_millis(read.saturating_mul(1000) / rate);
    limits.body_grace.saturating_add(bought).min(limits.body_time)
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

    use super::super::bodies::{Bodies, LEAST};
    use super::*;

    const LIMITS: RequestLimits = RequestLimits {
        body_bytes: 8,
        body_time: Duration::from_mins(1),
        body_grace: Duration::from_secs(5),
        body_rate: 1,
        ..RequestLimits::GENEROUS
    };

    const SHORT: RequestLimits = RequestLimits { body_time: Duration::from_millis(10), ..LIMITS };

    async fn read(body: &mut Frames, limits: &RequestLimits) -> Result<Bytes, BodyError> {
        let bodies = Bodies::new(1 << 20);
        let mut hold = bodies.hold([127, 0, 0, 1].into(), 0).unwrap();
        super::read(body, Version::HTTP_11, limits, &mut hold).await
    }

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
            let whole = read(&mut frames(parts, End::Whole), &LIMITS).await;
            assert_eq!(whole.as_deref(), Ok(&b"12345678"[..]), "{parts:?}");
            let less = RequestLimits { body_bytes: 7, ..LIMITS };
            let past = read(&mut frames(parts, End::Whole), &less).await;
            assert_eq!(past, Err(BodyError::TooLarge), "{parts:?}");
        }
    }

    #[tokio::test]
    async fn what_announces_too_much_is_not_read() {
        let announced =
            |bytes| Frames { hint: SizeHint::with_exact(bytes), ..frames(&[b"1"], End::Never) };
        assert_eq!(read(&mut announced(9), &LIMITS).await, Err(BodyError::TooLarge));
        let slow = read(&mut announced(8), &SHORT).await;
        assert_eq!(slow, Err(BodyError::TooSlow), "at the limit it is read");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_taken_for_a_whole_one() {
        assert_eq!(read(&mut frames(&[b"12"], End::Broken), &LIMITS).await, Err(BodyError::Broken));
        assert_eq!(read(&mut frames(&[], End::Broken), &LIMITS).await, Err(BodyError::Broken));
    }

    #[tokio::test]
    async fn trailers_are_passed_over_and_nothing_is_nothing() {
        let whole = read(&mut frames(&[b"12"], End::Trailers), &LIMITS).await;
        assert_eq!(whole.as_deref(), Ok(&b"12"[..]));
        assert_eq!(read(&mut frames(&[], End::Whole), &LIMITS).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_is_given_up() {
        let slow = read(&mut frames(&[b"12"], End::Never), &SHORT).await;
        assert_eq!(slow, Err(BodyError::TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unwanted_body_is_listened_to_for_so_long_and_so_much() {
        static MUCH: [u8; UNWANTED_BYTES] = [0; UNWANTED_BYTES];
        let began = Instant::now();
        discard(&mut frames(&[b"12"], End::Never)).await;
        assert_eq!(began.elapsed(), UNWANTED_TIME);
        for (last, left) in [(&MUCH[1..], 0), (&MUCH[..], 1)] {
            let mut body = frames(&[last, b"1"], End::Whole);
            discard(&mut body).await;
            assert_eq!(body.left.len(), left, "{}", last.len());
        }
        let mut broken = frames(&[b"1"], End::Broken);
        discard(&mut broken).await;
        assert!(broken.left.is_empty());
        assert_eq!(began.elapsed(), UNWANTED_TIME);
    }

    #[test]
    fn every_byte_buys_time_up_to_the_time_for_all() {
        let limits = RequestLimits { body_rate: 1000, ..LIMITS };
        for (read, seconds) in [(0, 5.0), (500, 5.5), (1000, 6.0), (55_000, 60.0), (56_000, 60.0)] {
            assert_eq!(time_for(read, &limits), Duration::from_secs_f64(seconds), "{read}");
        }
        assert_eq!(time_for(usize::MAX, &limits), Duration::from_mins(1));
        assert_eq!(time_for(0, &SHORT), Duration::from_millis(10));
    }

    #[tokio::test]
    async fn a_body_slower_than_the_rate_is_given_up() {
        let limits =
            RequestLimits { body_grace: Duration::from_millis(10), body_rate: 1 << 20, ..LIMITS };
        assert_eq!(read(&mut frames(&[b"12"], End::Never), &limits).await, Err(BodyError::TooSlow));
        let whole = read(&mut frames(&[b"12", b"34"], End::Whole), &limits).await;
        assert_eq!(whole.as_deref(), Ok(&b"1234"[..]));
    }

    #[tokio::test]
    async fn what_there_is_no_room_for_is_not_taken() {
        let limits = RequestLimits { body_bytes: 4 * LEAST, ..LIMITS };
        for (last, expected) in
            [(&[0; LEAST][..], Ok(())), (&[0; LEAST + 1], Err(BodyError::NoRoom))]
        {
            // Half of it is for one address.
            let bodies = Bodies::new(4 * LEAST);
            let mut hold = bodies.hold([127, 0, 0, 1].into(), 0).unwrap();
            let mut body = frames(&[&[0; LEAST], last], End::Whole);
            let read = super::read(&mut body, Version::HTTP_11, &limits, &mut hold).await;
            assert_eq!(read.map(drop), expected, "{}", last.len());
        }
    }
}
