//! Turns: of places that all addresses share, no address gets more than half, so that there are always
//! some for the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of each address.
#[derive(Debug)]
pub(crate) struct Turns {
    of_one: usize,
    by_address: Mutex<HashMap<IpAddr, Own>>,
}

/// The turns of one address, and how many have come for them.
#[derive(Debug)]
struct Own {
    turns: Arc<Semaphore>,
    visits: usize,
}

/// It is the address's turn, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _own: OwnedSemaphorePermit,
    _visit: Visit<'a>,
}

/// An address that has a turn or waits for one, until it is dropped.
#[derive(Debug)]
struct Visit<'a> {
    address: IpAddr,
    turns: &'a Turns,
}

impl Turns {
    /// For so many places, which are somebody else's.
    pub(crate) fn of(places: usize) -> Self {
        let of_one = places.div_ceil(2).min(Semaphore::MAX_PERMITS);
        Self { of_one, by_address: Mutex::default() }
    }

    /// Waits until the address may ask for a place. It waits in a queue of its own: whoever is in it
    /// takes no turn of anybody else.
    #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
    pub(crate) async fn take(&self, address: IpAddr) -> Turn<'_> {
        let (visit, own) = self.visit(address);
        let own = own.acquire_owned().await.expect("the semaphore is never closed");
        Turn { _own: own, _visit: visit }
    }

    fn visit(&self, address: IpAddr) -> (Visit<'_>, Arc<Semaphore>) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Own { turns: Arc::new(Semaphore::new(self.of_one)), visits: 0 };
        let own = by_address.entry(address).or_insert_with(new);
        own.visits += 1;
        (Visit { address, turns: self }, Arc::clone(&own.turns))
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let by_address = &self.turns.by_address;
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
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn now(turns: &Turns, last: u8) -> Option<Turn<'_>> {
        let taken = pin!(turns.take(address(last))).poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(turn) = taken { Some(turn) } else { None }
    }

    #[test]
    fn an_address_has_half_of_the_places_and_nothing_is_kept_of_who_has_left() {
        for (places, of_one) in [(1, 1), (2, 1), (3, 2), (4, 2), (usize::MAX, 2)] {
            let turns = Turns::of(places);
            let taken: Vec<_> = (0..of_one).map(|_| now(&turns, 1).expect("a turn")).collect();
            assert_eq!(now(&turns, 1).is_some(), places > 4, "{places}");
            assert!(now(&turns, 2).is_some(), "another's");
            assert_eq!(turns.by_address.lock().unwrap().len(), 1);
            drop(taken);
            assert!(turns.by_address.lock().unwrap().is_empty());
        }
    }
}
