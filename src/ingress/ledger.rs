//! Who holds how much of what there is. One address gets half, so that there is always some for the
//! others.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The ledger.
#[derive(Debug)]
pub(super) struct Ledger {
    at_most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// What an address holds, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    ledger: Arc<Ledger>,
    address: IpAddr,
    amount: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Ledger {
    pub(super) fn new(at_most: usize) -> Arc<Self> {
        Arc::new(Self { at_most, held: Mutex::default() })
    }

    pub(super) fn share(self: &Arc<Self>, address: IpAddr, amount: usize) -> Result<Share, NoRoom> {
        let mut share = self.nothing(address);
        share.resize(amount)?;
        Ok(share)
    }

    /// Nothing yet, of this address.
    pub(super) fn nothing(self: &Arc<Self>, address: IpAddr) -> Share {
        Share { ledger: Arc::clone(self), address, amount: 0 }
    }

    /// What one address gets.
    pub(super) fn of_one(&self) -> usize {
        self.at_most.div_ceil(2)
    }

    fn take(&self, address: IpAddr, amount: usize) -> Result<(), NoRoom> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let total = held.total.saturating_add(amount);
        let own = held.by_address.get(&address).copied().unwrap_or_default();
        let own = own.saturating_add(amount);
        if total > self.at_most || own > self.of_one() {
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
    pub(super) fn total(&self) -> usize {
        self.held.lock().unwrap().total
    }

    /// How many hold something.
    #[cfg(test)]
    pub(super) fn addresses(&self) -> usize {
        self.held.lock().unwrap().by_address.len()
    }
}

impl Share {
    /// Makes it so much; where there is no room, it stays what it was.
    pub(super) fn resize(&mut self, amount: usize) -> Result<(), NoRoom> {
        match amount.checked_sub(self.amount) {
            Some(0) => {}
            Some(more) => self.ledger.take(self.address, more)?,
            None => self.ledger.give_back(self.address, self.amount - amount),
        }
        self.amount = amount;
        Ok(())
    }

    /// Makes it no more than so much.
    pub(super) fn shrink(&mut self, at_most: usize) {
        let rest = self.amount.min(at_most);
        self.ledger.give_back(self.address, self.amount - rest);
        self.amount = rest;
    }

    /// All of it, for another to hold.
    pub(super) fn take(&mut self) -> Self {
        let nothing = self.ledger.nothing(self.address);
        mem::replace(self, nothing)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.ledger.give_back(self.address, self.amount);
    }
}
