//! How many handshakes are under way at once, in all and of each address. What is too much waits:
//! its own time runs out, and nobody else's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// The places.
#[derive(Debug)]
pub(super) struct Handshakes {
    places: Semaphore,
    /// Of one address: half of all, so that there are always some for the others.
    of_one: usize,
    by_address: Mutex<HashMap<IpAddr, Own>>,
}

/// The places of one address, and how many have come for them.
#[derive(Debug)]
struct Own {
    places: Arc<Semaphore>,
    visits: usize,
}

/// An address that has a handshake under way or waiting, until it is dropped.
struct Visit<'a> {
    address: IpAddr,
    places: Arc<Semaphore>,
    handshakes: &'a Handshakes,
}

impl Handshakes {
    pub(super) fn new(at_most: usize) -> Self {
        let at_most = at_most.min(Semaphore::MAX_PERMITS);
        Self {
            places: Semaphore::new(at_most),
            of_one: at_most.div_ceil(2),
            by_address: Mutex::default(),
        }
    }

    /// Does `handshake` as soon as there is a place for one of this address. Cancelled, it gives
    /// back whatever it had.
    #[expect(clippy::expect_used, reason = "the semaphores are ours and nobody closes them")]
    pub(super) async fn one_of<T>(&self, address: IpAddr, handshake: impl Future<Output = T>) -> T {
        const OPEN: &str = "the semaphores are never closed";
        let visit = self.visit(address);
        // The address's own queue first: whoever waits in it takes no turn of anybody else.
        let _own = visit.places.acquire().await.expect(OPEN);
        let _place = self.places.acquire().await.expect(OPEN);
        handshake.await
    }

    fn visit(&self, address: IpAddr) -> Visit<'_> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Own { places: Arc::new(Semaphore::new(self.of_one)), visits: 0 };
        let own = by_address.entry(address).or_insert_with(new);
        own.visits += 1;
        Visit { address, places: Arc::clone(&own.places), handshakes: self }
    }

    /// How many could begin now, of different addresses.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.places.available_permits()
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let by_address = &self.handshakes.by_address;
        let mut by_address = by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = by_address.get_mut(&self.address) {
            own.visits -= 1;
            if own.visits == 0 {
                by_address.remove(&self.address);
            }
        }
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
    fn half_of_the_places_are_for_one_address_and_nothing_is_kept_of_who_has_left() {
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
        assert!(handshakes.by_address.lock().unwrap().is_empty());
    }

    #[test]
    fn the_smallest_limit_lets_one_in() {
        let handshakes = Handshakes::new(1);
        let ready = pin!(handshakes.one_of(address(1), std::future::ready(7)));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(ready.poll(&mut context), Poll::Ready(7));
    }
}
