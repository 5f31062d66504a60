//! How many handshakes are under way at once, in all and of each address. What is too much waits:
//! its own time runs out, and nobody else's.

use std::net::IpAddr;

use tokio::sync::Semaphore;

use crate::turns::Turns;

/// The places.
#[derive(Debug)]
pub(super) struct Handshakes {
    places: Semaphore,
    turns: Turns,
}

impl Handshakes {
    pub(super) fn new(at_most: usize) -> Self {
        let at_most = at_most.min(Semaphore::MAX_PERMITS);
        Self { places: Semaphore::new(at_most), turns: Turns::of(at_most) }
    }

    /// Does `handshake` as soon as there is a place for one of this address. Cancelled, it gives
    /// back whatever it had.
    #[expect(clippy::expect_used, reason = "the semaphore is ours and nobody closes it")]
    pub(super) async fn one_of<T>(&self, address: IpAddr, handshake: impl Future<Output = T>) -> T {
        let _turn = self.turns.take(address).await;
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        handshake.await
    }

    /// How many could begin now, of different addresses.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.places.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn waits<T>(work: Pin<&mut impl Future<Output = T>>) -> bool {
        work.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[test]
    fn half_of_the_places_are_for_one_address() {
        let handshakes = Handshakes::new(4);
        let endless = || std::future::pending::<()>();
        {
            let mut of_one: Vec<_> =
                (0..4).map(|_| Box::pin(handshakes.one_of(address(1), endless()))).collect();
            assert!(of_one.iter_mut().all(|work| waits(work.as_mut())));
            assert_eq!(handshakes.free(), 2);

            // Whoever comes later from elsewhere does not queue behind those that wait.
            let mut other = pin!(handshakes.one_of(address(2), endless()));
            assert!(waits(other.as_mut()));
            assert_eq!(handshakes.free(), 1);
            assert!(!waits(pin!(handshakes.one_of(address(3), std::future::ready(())))));

            // A place that is given back goes to the next of the same address.
            drop(of_one.remove(0));
            assert!(waits(of_one[1].as_mut()));
            assert_eq!(handshakes.free(), 1);
        }
        assert_eq!(handshakes.free(), 4);
    }

    #[test]
    fn the_smallest_limit_lets_one_in() {
        let handshakes = Handshakes::new(1);
        let ready = pin!(handshakes.one_of(address(1), std::future::ready(7)));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(ready.poll(&mut context), Poll::Ready(7));
    }
}
