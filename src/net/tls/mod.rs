//! TLS 1.2 and 1.3 with rustls: who we are, and the handshake within a deadline.

mod clients;
mod handshakes;
mod identity;
mod pair;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::CertificateDer;
use rustls::server::VerifierBuilderError;
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::handshakes::Handshakes;
use self::identity::Identity;
use super::{Stream, TlsMode, TlsSettings};

pub use self::pair::Pair;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The library cannot do what is asked of it.
    #[error("rustls cannot be set up")]
    Rustls(#[source] rustls::Error),
    /// The client authorities cannot be used.
    #[error("tls.client_ca cannot be used")]
    ClientCa(#[source] VerifierBuilderError),
    /// No self-signed certificate could be made.
    #[error("cannot make a certificate")]
    SelfSigned(#[source] rcgen::Error),
}

/// Why a handshake did not end well.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// `limits.handshake_time` has passed.
    #[error("the handshake took too long")]
    TooSlow,
    /// The client spoke something else, or broke off.
    #[error("the handshake failed")]
    Failed(#[source] io::Error),
}

/// How connections become streams. All clones are one: what replaces the identity of one replaces
/// it for all.
#[derive(Clone)]
pub struct Tls {
    identity: Option<Arc<ArcSwap<Identity>>>,
    handshake_time: Duration,
    /// A place for each handshake that has begun.
    handshakes: Arc<Handshakes>,
}

impl Tls {
    /// Takes the certificate, or makes one.
    ///
    /// # Errors
    /// When it cannot be offered so.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        let identity = match &settings.mode {
            TlsMode::Files { pair, clients } => Some(Identity::new(pair, clients.as_ref())?),
            TlsMode::SelfSigned => Some(Identity::make()?),
            TlsMode::Off => None,
        };
        let identity = identity.map(|identity| Arc::new(ArcSwap::from_pointee(identity)));
        Ok(Self {
            identity,
            handshake_time: settings.handshake_time,
            handshakes: Arc::new(Handshakes::new(settings.handshakes)),
        })
    }

    /// Takes over the certificate, the key and the client authorities of `other`, for handshakes
    /// from now on. What is open stays as it is; tickets for resumption end, so that nobody gets
    /// past new authorities with an old one. Nothing happens where either of the two has no TLS.
    pub fn replace(&self, other: &Self) {
        if let (Some(ours), Some(theirs)) = (&self.identity, &other.identity) {
            ours.store(theirs.load_full());
        }
    }

    /// Our own certificate, where there is one.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.identity.as_ref().map(|identity| identity.load().certificate.clone())
    }

    /// When a connection that begins now must have shaken hands.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.handshake_time
    }

    /// Shakes hands with a client of this address, within the deadline.
    ///
    /// # Errors
    /// When the client does not get there.
    pub async fn accept(
        &self,
        io: TcpStream,
        client: IpAddr,
        deadline: Instant,
    ) -> Result<Stream, HandshakeError> {
        let Some(identity) = &self.identity else {
            return Ok(Stream::Plain(io));
        };
        let handshake = async {
            // Whoever says nothing gets no place, and no memory but its socket's.
            io.peek(&mut [0]).await?;
            let handshake = async {
                let handshake = identity.load().acceptor.accept(io);
                handshake.await
            };
            self.handshakes.one_of(client, handshake).await
        };
        match tokio::time::timeout_at(deadline, handshake).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(HandshakeError::Failed(error)),
            Err(_) => Err(HandshakeError::TooSlow),
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("handshake_time", &self.handshake_time).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
