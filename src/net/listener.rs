//! Accepting connections: a place first, then the connection; errors are waited out, never spun on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ListenSettings;
use super::arrival::Arrival;
use crate::ledger::Ledger;
use crate::telemetry::Telemetry;

/// Connections that the kernel holds while we accept: a burst of them costs little there.
const BACKLOG: u32 = 1024;
/// The first pause after a failed accept, such as "too many open files"; it doubles with every
/// further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause: the front door opens again within a second after the cause is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on listen.address {address}")]
pub struct ListenError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// A bound socket, and how many may come through it.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    places: Arc<Semaphore>,
    /// How many there are.
    at_most: usize,
    /// The connections of each address. Those in all are `places`.
    open: Arc<Ledger>,
    telemetry: Arc<Telemetry>,
}

impl Listener {
    /// Binds the address.
    ///
    /// # Errors
    /// When the address is taken, or not ours.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(settings: &ListenSettings, telemetry: Arc<Telemetry>) -> Result<Self, ListenError> {
        let address = settings.address;
        let (socket, address) = bind(address).map_err(|source| ListenError { address, source })?;
        let places = settings.connections.min(Semaphore::MAX_PERMITS);
        Ok(Self {
            socket,
            address,
            places: Arc::new(Semaphore::new(places)),
            at_most: places,
            open: Ledger::new(usize::MAX, settings.connections_per_address),
            telemetry,
        })
    }

    /// The address that was bound, with the port that the kernel chose where 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next connection. Waits for a free place before it accepts, so that what is too much
    /// stays with the kernel. Cancelling it loses nothing.
    pub async fn accept(&mut self) -> Arrival {
        let permit = self.permit().await;
        let (io, peer) = self.connection().await;
        // An answer is one small write; waiting for more would only delay it. It works without,
        // too.
        if let Err(error) = io.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY is not to be had");
        }
        let (open, telemetry) = (Arc::clone(&self.open), Arc::clone(&self.telemetry));
        Arrival::new(io, peer.ip().to_canonical(), permit, open, telemetry)
    }

    #[expect(clippy::expect_used, reason = "the semaphore is ours and nobody closes it")]
    async fn permit(&self) -> OwnedSemaphorePermit {
        let places = Arc::clone(&self.places);
        if let Ok(permit) = Arc::clone(&places).try_acquire_owned() {
            return permit;
        }
        self.telemetry.connections.full(self.at_most);
        places.acquire_owned().await.expect("the semaphore is never closed")
    }

    async fn connection(&self) -> (TcpStream, SocketAddr) {
        let mut pause = FIRST_PAUSE;
        let mut streak: u32 = 0;
        loop {
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    streak = streak.saturating_add(1);
                    self.telemetry.connections.accept_failed(&error, streak);
                    tokio::time::sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait until the kernel has forgotten old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The connection was gone before it was accepted: the next one may be good (accept(2), "Error
/// handling").
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn listener(connections: usize, per_address: usize) -> Listener {
        told(connections, per_address, Arc::new(Telemetry::new()))
    }

    fn told(connections: usize, per_address: usize, telemetry: Arc<Telemetry>) -> Listener {
        let settings = ListenSettings {
            address: "127.0.0.1:0".parse().unwrap(),
            connections,
            connections_per_address: per_address,
        };
        Listener::bind(&settings, telemetry).unwrap()
    }

    #[tokio::test]
    async fn at_the_limit_the_next_connection_waits_for_a_place() {
        let telemetry = Arc::new(Telemetry::new());
        let mut listener = told(2, 10, Arc::clone(&telemetry));
        let reached = |times| {
            let line = format!("postgate_connections_full_total {times}\n");
            telemetry.encode().contains(&line)
        };
        let address = listener.local_addr();
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let first = listener.accept().await;
        let _second = listener.accept().await;
        assert!(reached(0), "a place was free for each of them");
        {
            let third = std::pin::pin!(listener.accept());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(third.poll(&mut context).is_pending(), "there is no place for a third");
            assert!(reached(1));
        }
        drop(first);
        listener.accept().await;
    }

    #[tokio::test]
    async fn past_the_limit_of_one_address_a_connection_is_closed() {
        let mut listener = listener(10, 2);
        let address = listener.local_addr();
        let _first_client = TcpStream::connect(address).await.unwrap();
        let _second_client = TcpStream::connect(address).await.unwrap();
        let mut third_client = TcpStream::connect(address).await.unwrap();
        let first = listener.accept().await.direct();
        let _second = listener.accept().await.direct().unwrap();
        assert!(listener.accept().await.direct().is_none());
        assert_eq!(third_client.read(&mut [0; 1]).await.unwrap(), 0, "the third was closed");
        drop(first);
        let _fourth_client = TcpStream::connect(address).await.unwrap();
        assert!(listener.accept().await.direct().is_some());
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_named() {
        let first = listener(1, 1);
        let settings = ListenSettings {
            address: first.local_addr(),
            connections: 1,
            connections_per_address: 1,
        };
        let error = Listener::bind(&settings, Arc::new(Telemetry::new())).unwrap_err();
        assert!(error.to_string().contains(&first.local_addr().to_string()), "{error}");
    }
}
