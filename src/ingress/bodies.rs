//! How many bytes of bodies are held at once, in all and for each address: what is too much is
//! refused before it is read. A request counts before its body comes: a head of HTTP/2 is a few
//! bytes, and whoever sends thousands of them gets no memory for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// What a request counts for at least. `bench/memory` shows what one takes that waits for its body.
pub(super) const LEAST: usize = 8 << 10;

/// The ledger.
#[derive(Debug)]
pub(super) struct Bodies {
    at_most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// What is held for one request, until it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    bodies: Arc<Bodies>,
    address: IpAddr,
    /// Of the body.
    bytes: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Bodies {
    pub(super) fn new(at_most: usize) -> Arc<Self> {
        Arc::new(Self { at_most, held: Mutex::default() })
    }

    /// For a request of this address, whose body is still to come.
    pub(super) fn hold(self: &Arc<Self>, address: IpAddr) -> Result<Hold, NoRoom> {
        self.take(address, LEAST)?;
        Ok(Hold { bodies: Arc::clone(self), address, bytes: 0 })
    }

    /// Notes that so many bytes more are held. One address gets half of all room, so that there is
    /// always some for the others.
    fn take(&self, address: IpAddr, bytes: usize) -> Result<(), NoRoom> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let total = held.total.saturating_add(bytes);
        let own = held.by_address.get(&address).copied().unwrap_or_default();
        let own = own.saturating_add(bytes);
        if total > self.at_most || own > self.at_most.div_ceil(2) {
            return Err(NoRoom);
        }
        held.total = total;
        held.by_address.insert(address, own);
        Ok(())
    }
}

impl Hold {
    /// Notes that so many bytes more of the body are held.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = self.bytes.saturating_add(bytes);
        let more = bytes.max(LEAST) - self.counted();
        // Most bodies are small.
        if more > 0 {
            self.bodies.take(self.address, more)?;
        }
        self.bytes = bytes;
        Ok(())
    }

    /// What stands in the ledger.
    fn counted(&self) -> usize {
        self.bytes.max(LEAST)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let counted = self.counted();
        let mut held = self.bodies.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= counted;
        if let Some(own) = held.by_address.get_mut(&self.address) {
            *own -= counted;
            if *own == 0 {
                held.by_address.remove(&self.address);
            }
        }
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
        let bodies = Bodies::new(4 * LEAST);
        let (mut one, mut other) =
            (bodies.hold(address(1)).unwrap(), bodies.hold(address(2)).unwrap());
        assert_eq!(one.grow(2 * LEAST), Ok(()));
        assert_eq!(other.grow(2 * LEAST + 1), Err(NoRoom), "no more than half is for one address");
        assert_eq!(other.grow(2 * LEAST), Ok(()));
        assert_eq!(bodies.hold(address(3)).unwrap_err(), NoRoom);
        drop(one);
        let mut third = bodies.hold(address(3)).unwrap();
        assert_eq!(third.grow(2 * LEAST), Ok(()));
        assert_eq!(third.grow(usize::MAX), Err(NoRoom));
    }

    #[test]
    fn requests_of_one_address_share_its_half() {
        let bodies = Bodies::new(6 * LEAST);
        let another = || bodies.hold(address(1));
        let (mut one, other) = (another().unwrap(), another().unwrap());
        assert_eq!(one.grow(2 * LEAST), Ok(()));
        assert_eq!(one.grow(1), Err(NoRoom));
        assert_eq!(another().unwrap_err(), NoRoom);
        drop(other);
        assert_eq!(one.grow(LEAST), Ok(()));
        drop(one);
        let held = bodies.held.lock().unwrap();
        assert_eq!((held.total, held.by_address.len()), (0, 0), "nothing is kept of who has left");
    }

    #[test]
    fn a_request_counts_without_a_body_and_a_small_one_for_no_more() {
        let bodies = Bodies::new(4 * LEAST);
        let another = || bodies.hold(address(1));
        let (mut one, mut other) = (another().unwrap(), another().unwrap());
        assert_eq!(another().unwrap_err(), NoRoom);
        assert_eq!((one.grow(LEAST), other.grow(LEAST)), (Ok(()), Ok(())));
        assert_eq!(one.grow(1), Err(NoRoom));
    }
}
