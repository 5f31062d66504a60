//! Who holds how much of what there is: so much in all, and so much for one address, so that there is always
//! some for the others. Nobody waits here; `turns.rs` has those who do.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The ledger.
#[derive(Debug)]
pub(crate) struct Ledger {
    in_all: usize,
    of_one: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// What an address holds, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    ledger: Arc<Ledger>,
    address: IpAddr,
    amount: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Ledger {
    pub(crate) fn new(in_all: usize, of_one: usize) -> Arc<Self> {
        Arc::new(Self { in_all, of_one, held: Mutex::default() })
    }

    /// Half of it is for one address.
    pub(crate) fn halved(in_all: usize) -> Arc<Self> {
        Self::new(in_all, in_all.div_ceil(2))
    }

    pub(crate) fn share(self: &Arc<Self>, address: IpAddr, amount: usize) -> Result<Share, NoRoom> {
        let mut share = self.nothing(address);
        share.resize(amount)?;
        Ok(share)
    }

    /// Nothing yet, of this address.
    pub(crate) fn nothing(self: &Arc<Self>, address: IpAddr) -> Share {
        Share { ledger: Arc::clone(self), address, amount: 0 }
    }

    /// What one address gets.
    pub(crate) fn of_one(&self) -> usize {
        self.of_one
    }

    fn take(&self, address: IpAddr, amount: usize) -> Result<(), NoRoom> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let total = held.total.saturating_add(amount);
        let own = held.by_address.get(&address).copied().unwrap_or_default();
        let own = own.saturating_add(amount);
        if total > self.in_all || own > self.of_one {
            return Err(NoRoom);
        }
        held.total = total;
        held.by_address.insert(address, own);
        Ok(())
    }

    fn give_back(&self, address: IpAddr, amount: usize) {
        if amount == 0 {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= amount;
        if let Some(own) = held.by_address.get_mut(&address) {
            *own -= amount;
            if *own == 0 {
                held.by_address.remove(&address);
            }
        }
    }

    /// What is held in all.
    #[cfg(test)]
    pub(crate) fn total(&self) -> usize {
        self.held.lock().unwrap().total
    }

    /// How many hold something.
    #[cfg(test)]
    pub(crate) fn addresses(&self) -> usize {
        self.held.lock().unwrap().by_address.len()
    }
}

impl Share {
    /// Makes it so much; where there is no room, it stays what it was.
    pub(crate) fn resize(&mut self, amount: usize) -> Result<(), NoRoom> {
        match amount.checked_sub(self.amount) {
            Some(0) => {}
            Some(more) => self.ledger.take(self.address, more)?,
            None => self.ledger.give_back(self.address, self.amount - amount),
        }
        self.amount = amount;
        Ok(())
    }

    /// Makes it no more than so much.
    pub(crate) fn shrink(&mut self, at_most: usize) {
        let rest = self.amount.min(at_most);
        self.ledger.give_back(self.address, self.amount - rest);
        self.amount = rest;
    }

    /// All of it, for another to hold.
    pub(crate) fn take(&mut self) -> Self {
        let nothing = self.ledger.nothing(self.address);
        mem::replace(self, nothing)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.ledger.give_back(self.address, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_part_and_nothing_is_kept_of_who_has_left() {
        let ledger = Ledger::new(3, 2);
        let share = |last| ledger.share(IpAddr::from([192, 0, 2, last]), 1);
        let (first, second) = (share(1).unwrap(), share(1).unwrap());
        assert_eq!(share(1).unwrap_err(), NoRoom);
        let other = share(2).unwrap();
        assert_eq!(share(2).unwrap_err(), NoRoom, "in all");
        drop(first);
        assert!(share(1).is_ok());
        drop((second, other));
        assert_eq!((ledger.total(), ledger.addresses()), (0, 0));
    }
}
