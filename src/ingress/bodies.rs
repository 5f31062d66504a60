//! How many bytes of bodies, and of the heads before them, are held at once, in all and for each
//! address: what is too much is refused before it is read. A request counts before its body comes: a
//! head of HTTP/2 is a few bytes, and whoever sends thousands of them gets no memory for it. So does a
//! head of HTTP/1.1 that grows and does not end. What is held is some three times what is counted, at the most.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use super::reply::Reply;
use crate::ledger::{Ledger, NoRoom, Share};

/// What a request counts for beside its head and its body. `bench/memory` shows what one takes that
/// waits for its body.
pub(super) const LEAST: usize = 8 << 10;

/// The ledger of what is held of requests.
#[derive(Debug)]
pub(super) struct Bodies(Arc<Ledger>);

/// What is held for one request, until it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    /// What it takes without its body.
    without: usize,
    /// Bytes of its body.
    body: usize,
    /// Both in the ledger, but no more than one address gets, so that a lone request with the largest body
    /// fits.
    share: Share,
    most: usize,
}

/// What is held of a head whose end has not come, one after the other on a connection.
#[derive(Debug)]
pub(super) struct Unended {
    share: Share,
    most: usize,
}

/// A reply for which room is held until it is on its way.
pub(super) type HeldReply = Response<HeldBody>;

/// The body of a [`HeldReply`].
#[derive(Debug)]
pub(super) struct HeldBody {
    body: Full<Bytes>,
    _hold: Option<Hold>,
}

impl Bodies {
    pub(super) fn new(at_most: usize) -> Self {
        Self(Ledger::halved(at_most))
    }

    /// For a request of this address with so many bytes of a head, whose body is still to come.
    pub(super) fn hold(&self, address: IpAddr, head: usize) -> Result<Hold, NoRoom> {
        let (without, most) = (LEAST.saturating_add(head), self.0.of_one());
        let share = self.0.share(address, without.min(most))?;
        Ok(Hold { without, body: 0, share, most })
    }

    /// What is counted in all.
    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        self.0.total()
    }

    /// For the heads of a connection of this address, of which nothing has come.
    pub(super) fn unended(&self, address: IpAddr) -> Unended {
        Unended { share: self.0.nothing(address), most: self.0.of_one() }
    }
}

impl Unended {
    /// Notes that so many bytes are held of the head under way. As many as a request counts anyway are a
    /// matter of the connection; beyond them, they count by as many at once, as buffers grow.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let counted = if bytes > LEAST { bytes.next_multiple_of(LEAST) } else { 0 };
        let held = self.share.resize(counted.min(self.most));
        held.inspect_err(|NoRoom| self.share.shrink(0))
    }
}

impl Hold {
    /// Notes that so many bytes more of the body are held.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let body = self.body.saturating_add(bytes);
        let all = self.without.saturating_add(body);
        self.share.resize(all.min(self.most).max(body))?;
        self.body = body;
        Ok(())
    }

    /// Notes that what was made of head and body has taken their place.
    pub(super) fn replace(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.share.resize(LEAST.saturating_add(bytes).min(self.most))?;
        (self.without, self.body) = (LEAST, bytes);
        Ok(())
    }

    /// Notes that head and body are gone.
    pub(super) fn shrink(&mut self) {
        self.share.shrink(LEAST);
        (self.without, self.body) = (LEAST, 0);
    }

    /// All of it, for what may outlast the request. This one holds nothing then.
    pub(super) fn take(&mut self) -> Self {
        Self { without: self.without, body: self.body, share: self.share.take(), most: self.most }
    }
}

/// The reply, which holds this room.
pub(super) fn held(reply: Reply, hold: Option<Hold>) -> HeldReply {
    reply.map(|body| HeldBody { body, _hold: hold })
}

impl Body for HeldBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn at_the_limit_and_one_past_it() {
        let bodies = Bodies::new(6 * LEAST);
        let (mut one, mut other) =
            (bodies.hold(address(1), 0).unwrap(), bodies.hold(address(2), 0).unwrap());
        assert_eq!(one.grow(2 * LEAST), Ok(()));
        assert_eq!(bodies.hold(address(1), 0).unwrap_err(), NoRoom, "half is for one address");
        assert_eq!(other.grow(2 * LEAST), Ok(()));
        assert_eq!(bodies.hold(address(3), 0).unwrap_err(), NoRoom);
        drop(one);
        let mut third = bodies.hold(address(3), 0).unwrap();
        assert_eq!(third.grow(2 * LEAST), Ok(()));
        assert_eq!(third.grow(usize::MAX), Err(NoRoom));
    }

    #[test]
    fn what_is_made_of_a_request_counts_in_its_place() {
        let bodies = Bodies::new(8 * LEAST);
        let mut one = bodies.hold(address(1), LEAST).unwrap();
        one.grow(LEAST).unwrap();
        assert_eq!((one.replace(2 * LEAST), bodies.total()), (Ok(()), 3 * LEAST));
        // The largest fits alone.
        assert_eq!((one.replace(9 * LEAST), bodies.total()), (Ok(()), 4 * LEAST));
        assert_eq!((one.replace(1), bodies.total()), (Ok(()), LEAST + 1));
        let _other = bodies.hold(address(1), 0).unwrap();
        assert_eq!((one.replace(2 * LEAST + 1), bodies.total()), (Err(NoRoom), 2 * LEAST + 1));
    }

    #[test]
    fn requests_of_one_address_share_its_half() {
        let bodies = Bodies::new(8 * LEAST);
        let another = || bodies.hold(address(1), 0);
        let (mut one, other) = (another().unwrap(), another().unwrap());
        assert_eq!(one.grow(2 * LEAST), Ok(()));
        assert_eq!(one.grow(1), Err(NoRoom));
        assert_eq!(another().unwrap_err(), NoRoom);
        drop(other);
        assert_eq!(one.grow(LEAST), Ok(()));
        drop(one);
        assert_eq!(
            (bodies.total(), bodies.0.addresses()),
            (0, 0),
            "nothing is kept of who has left"
        );
    }

    #[test]
    fn a_request_counts_with_its_head_and_its_body() {
        let bodies = Bodies::new(10 * LEAST);
        let total = || bodies.total();
        let mut request = bodies.hold(address(1), 2 * LEAST).unwrap();
        assert_eq!(total(), 3 * LEAST);
        assert_eq!(bodies.hold(address(1), LEAST + 1).unwrap_err(), NoRoom);
        assert_eq!((request.grow(LEAST), total()), (Ok(()), 4 * LEAST));
        request.shrink();
        assert_eq!(total(), LEAST);
        drop(request);
        assert_eq!(total(), 0);
    }

    #[test]
    fn a_lone_request_with_the_largest_body_fits() {
        let bodies = Bodies::new(8 * LEAST);
        let total = || bodies.total();
        let mut lone = bodies.hold(address(1), usize::MAX).unwrap();
        assert_eq!((lone.grow(4 * LEAST), total()), (Ok(()), 4 * LEAST));
        assert_eq!(lone.grow(1), Err(NoRoom));
        lone.shrink();
        assert_eq!(total(), LEAST);
    }

    #[test]
    fn a_head_that_does_not_end_counts_once_it_is_large() {
        let bodies = Bodies::new(6 * LEAST);
        let total = || bodies.total();
        let (mut one, mut other) = (bodies.unended(address(1)), bodies.unended(address(1)));
        assert_eq!((one.hold(LEAST), total(), bodies.0.addresses()), (Ok(()), 0, 0));
        assert_eq!((one.hold(LEAST + 1), total()), (Ok(()), 2 * LEAST));
        assert_eq!((one.hold(3 * LEAST), total()), (Ok(()), 3 * LEAST));
        assert_eq!((one.hold(usize::MAX / 2), total()), (Ok(()), 3 * LEAST), "a lone one fits");
        assert_eq!(other.hold(LEAST + 1), Err(NoRoom));
        assert_eq!((one.hold(0), total()), (Ok(()), 0), "it has ended");
        assert_eq!((other.hold(2 * LEAST), one.hold(2 * LEAST)), (Ok(()), Err(NoRoom)));
        let request = bodies.hold(address(1), 0).unwrap();
        assert_eq!((other.hold(2 * LEAST + 1), total()), (Err(NoRoom), LEAST), "it is let go");
        drop((request, other));
        assert_eq!((total(), bodies.0.addresses()), (0, 0));
    }

    #[test]
    fn what_is_taken_over_outlasts_the_request() {
        let bodies = Bodies::new(8 * LEAST);
        let total = || bodies.total();
        let mut request = bodies.hold(address(1), LEAST).unwrap();
        let kept = request.take();
        request.shrink();
        drop(request);
        assert_eq!(total(), 2 * LEAST);
        drop(kept);
        assert_eq!(total(), 0);
    }
}
