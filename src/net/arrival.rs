//! From an accepted socket to a connection: whose it is, and whether there is a place for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::proxy_protocol::{self, Announced};
use crate::telemetry::{ConnectionRefusal, Telemetry};

/// An accepted socket, of which nothing is read.
#[derive(Debug)]
pub struct Arrival {
    io: TcpStream,
    peer: IpAddr,
    permit: OwnedSemaphorePermit,
    visitors: Arc<Visitors>,
}

/// A connection, and whose it is. It holds its place until it is dropped.
#[derive(Debug)]
pub struct Conn {
    /// The bytes. Nothing is read yet, but for a PROXY header.
    pub io: TcpStream,
    /// Whose they are.
    pub origin: Origin,
    /// Counted until dropped.
    pub place: Place,
}

/// Whose a connection is. Addresses are IPv4 in its own form also where the socket is IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The other end of the socket.
    pub peer: IpAddr,
    /// What its PROXY header says; `None`: it had none to send.
    pub announced: Option<Announced>,
}

/// One of the places of a [`super::Listener`].
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _visitor: Visitor,
}

impl Origin {
    /// A connection of `peer` without a PROXY header.
    #[must_use]
    pub fn direct(peer: IpAddr) -> Self {
        Self { peer: peer.to_canonical(), announced: None }
    }

    /// Who is at the far end: the peer, or whom it forwards.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self.announced {
            Some(Announced::Client(client)) => client,
            Some(Announced::Itself) | None => self.peer,
        }
    }
}

impl Arrival {
    pub(super) fn new(
        io: TcpStream,
        peer: IpAddr,
        permit: OwnedSemaphorePermit,
        visitors: Arc<Visitors>,
    ) -> Self {
        Self { io, peer, permit, visitors }
    }

    /// The other end of the socket.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The connection as the peer's own. `None`: the peer has too many.
    #[must_use]
    pub fn direct(self) -> Option<Conn> {
        self.seated(None)
    }

    /// The connection of whomever its PROXY header names, which must be there before `deadline`.
    /// `None`: it was not, or that address has too many connections.
    pub async fn announced(mut self, deadline: Instant) -> Option<Conn> {
        match proxy_protocol::read(&mut self.io, deadline).await {
            Ok(announced) => self.seated(Some(announced)),
            Err(error) => {
                self.visitors.telemetry.connections.proxy_header_refused(self.peer, &error);
                None
            }
        }
    }

    fn seated(self, announced: Option<Announced>) -> Option<Conn> {
        let Self { io, peer, permit, visitors } = self;
        let origin = Origin { peer, announced };
        let visitor = visitors.enter(&origin)?;
        Some(Conn { io, origin, place: Place { _permit: permit, _visitor: visitor } })
    }
}

/// How many connections each address has open.
#[derive(Debug)]
pub(super) struct Visitors {
    open: Mutex<HashMap<IpAddr, usize>>,
    at_most: usize,
    telemetry: Arc<Telemetry>,
}

#[derive(Debug)]
struct Visitor {
    address: IpAddr,
    visitors: Arc<Visitors>,
}

impl Visitors {
    pub(super) fn new(at_most: usize, telemetry: Arc<Telemetry>) -> Self {
        Self { open: Mutex::default(), at_most, telemetry }
    }

    /// Counts one more, unless there are too many.
    fn enter(self: &Arc<Self>, origin: &Origin) -> Option<Visitor> {
        let address = origin.address();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.at_most {
            drop(open);
            let refusal = ConnectionRefusal::TooMany;
            self.telemetry.connections.refused(origin.peer, address, refusal);
            return None;
        }
        *count += 1;
        Some(Visitor { address, visitors: Arc::clone(self) })
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let mut open = self.visitors.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_an_address_are_given_back() {
        let visitors = Arc::new(Visitors::new(1, Arc::new(Telemetry::new())));
        let origin = |peer: &str| Origin::direct(peer.parse().unwrap());
        let address = &origin("192.0.2.1");
        let first = visitors.enter(address);
        assert!(first.is_some());
        assert!(visitors.enter(address).is_none());
        assert!(visitors.enter(&origin("192.0.2.2")).is_some());
        drop(first);
        assert!(visitors.enter(address).is_some());
        assert!(visitors.open.lock().unwrap().is_empty(), "nothing is kept of who has left");
    }
}
