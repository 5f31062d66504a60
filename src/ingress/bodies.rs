//! How many bytes of requests are held at once, in all and for each address: what is too much is
//! refused before it is read.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// What a request takes beside its head and its body, about: a task, its timers, a reply.
pub const REQUEST_BYTES: usize = 4 << 10;

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
    bytes: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Bodies {
    pub(super) fn new(at_most: usize) -> Arc<Self> {
        Arc::new(Self { at_most, held: Mutex::default() })
    }

    /// For a request of this address with a head of so many bytes, of whose body nothing is held
    /// yet.
    pub(super) fn hold(self: &Arc<Self>, address: IpAddr, head: usize) -> Result<Hold, NoRoom> {
        let mut hold = Hold { bodies: Arc::clone(self), address, bytes: 0 };
        hold.grow(REQUEST_BYTES.saturating_add(head))?;
        Ok(hold)
    }
}

impl Hold {
    /// Notes that so many bytes more are held. One address gets half of all room, so that there is
    /// always some for the others.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let at_most = self.bodies.at_most;
        let mut held = self.bodies.held.lock().unwrap_or_else(PoisonError::into_inner);
        let total = held.total.saturating_add(bytes);
        let own = held.by_address.get(&self.address).copied().unwrap_or_default();
        let own = own.saturating_add(bytes);
        if total > at_most || own > at_most.div_ceil(2) {
            return Err(NoRoom);
        }
        held.total = total;
        held.by_address.insert(self.address, own);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.bodies.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= self.bytes;
        if let Some(own) = held.by_address.get_mut(&self.address) {
            *own -= self.bytes;
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

    /// Room for the requests themselves, and for 10 bytes of them.
    fn room(requests: usize) -> Arc<Bodies> {
        Bodies::new(requests * REQUEST_BYTES + 10)
    }

    #[test]
    fn at_the_limit_and_one_past_it() {
        let bodies = room(4);
        let mut one = bodies.hold(address(1), 2).unwrap();
        let mut other = bodies.hold(address(2), 0).unwrap();
        assert_eq!(one.grow(REQUEST_BYTES + 3), Ok(()));
        assert_eq!(other.grow(REQUEST_BYTES + 6), Err(NoRoom), "one address gets half");
        assert_eq!(other.grow(REQUEST_BYTES + 5), Ok(()));
        assert_eq!(bodies.hold(address(3), 0).err(), Some(NoRoom));
        drop(one);
        let mut third = bodies.hold(address(3), 0).unwrap();
        assert_eq!(third.grow(5), Ok(()));
        assert_eq!(third.grow(usize::MAX), Err(NoRoom));
    }

    #[test]
    fn requests_of_one_address_share_its_half() {
        let bodies = room(4);
        let mut one = bodies.hold(address(1), 0).unwrap();
        let mut other = bodies.hold(address(1), 2).unwrap();
        assert_eq!(bodies.hold(address(1), 0).err(), Some(NoRoom), "a request without a body too");
        assert_eq!(other.grow(3), Ok(()));
        assert_eq!((one.grow(1), other.grow(1)), (Err(NoRoom), Err(NoRoom)));
        drop(other);
        assert_eq!(one.grow(5), Ok(()));
        drop(one);
        let held = bodies.held.lock().unwrap();
        assert_eq!((held.total, held.by_address.len()), (0, 0), "nothing is kept of who has left");
    }
}
