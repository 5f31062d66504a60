//! From an accepted socket to a connection: whose it is, and whether there is a place for it.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::proxy_protocol::{self, Announced};
use crate::ledger::{Ledger, Share};
use crate::telemetry::{ConnectionRefusal, Telemetry};

/// An accepted socket, of which nothing is read.
#[derive(Debug)]
pub struct Arrival {
    io: TcpStream,
    peer: IpAddr,
    permit: OwnedSemaphorePermit,
    /// Of the connections that are open, how many each address has.
    open: Arc<Ledger>,
    telemetry: Arc<Telemetry>,
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
    _of_address: Share,
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
        open: Arc<Ledger>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self { io, peer, permit, open, telemetry }
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
                self.telemetry.connections.proxy_header_refused(self.peer, &error);
                None
            }
        }
    }

    fn seated(self, announced: Option<Announced>) -> Option<Conn> {
        let Self { io, peer, permit, open, telemetry } = self;
        let origin = Origin { peer, announced };
        let address = origin.address();
        let Ok(of_address) = open.share(address, 1) else {
            telemetry.connections.refused(peer, address, ConnectionRefusal::TooMany);
            return None;
        };
        Some(Conn { io, origin, place: Place { _permit: permit, _of_address: of_address } })
    }
}
