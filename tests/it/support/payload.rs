//! The body of an upstream's answer: whole, or torn off in the middle.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

pub(crate) struct Payload {
    text: Option<&'static str>,
    tear: Tear,
}

enum Tear {
    Never,
    /// When what came before has had its chance to go out.
    Next,
    Now,
}

impl Payload {
    pub(crate) fn whole(text: &'static str) -> Self {
        Self { text: (!text.is_empty()).then_some(text), tear: Tear::Never }
    }

    /// One byte, and then an error.
    pub(crate) fn torn() -> Self {
        Self { text: Some("."), tear: Tear::Next }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(text) = self.text.take() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))));
        }
        match self.tear {
            Tear::Never => Poll::Ready(None),
            Tear::Next => {
                self.tear = Tear::Now;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Tear::Now => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_none() && matches!(self.tear, Tear::Never)
    }

    fn size_hint(&self) -> SizeHint {
        match self.tear {
            Tear::Never => {
                let length = self.text.map_or(0, str::len);
                SizeHint::with_exact(u64::try_from(length).unwrap())
            }
            Tear::Next | Tear::Now => SizeHint::default(),
        }
    }
}
