//! TLS 1.2 and 1.3 with rustls: who we are, and the handshake within a deadline.

mod clients;
mod handshakes;
mod identity;
mod pair;
mod shown;
mod validity;

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
use super::{ClientSettings, Stream, TlsSettings};
use crate::telemetry::HandshakeFailure;

pub use self::identity::Identity;
pub use self::pair::Pair;
pub use self::shown::{ClientRule, Lapse, Shown};
pub use self::validity::validity;

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
    /// The client left before it said a word.
    #[error("the client left before the handshake")]
    Left(#[source] io::Error),
    /// It spoke something else, or broke off.
    #[error("the handshake failed")]
    Failed(#[source] io::Error),
}

impl HandshakeError {
    /// As it is counted.
    #[must_use]
    pub fn failure(&self) -> HandshakeFailure {
        match self {
            Self::TooSlow => HandshakeFailure::TooSlow,
            Self::Left(_) => HandshakeFailure::Left,
            Self::Failed(_) => HandshakeFailure::Failed,
        }
    }
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
        let identity = Identity::new(&settings.mode)?;
        let identity = identity.map(|identity| Arc::new(ArcSwap::from_pointee(identity)));
        Ok(Self {
            identity,
            handshake_time: settings.handshake_time,
            handshakes: Arc::new(Handshakes::new(settings.handshakes)),
        })
    }

    /// Makes ready what these settings ask for. `None`: it is what is in force already, so that
    /// sessions go on being resumed; or the mode is another one, which takes a restart.
    ///
    /// # Errors
    /// When it cannot be offered so.
    pub fn prepare(&self, settings: &TlsSettings) -> Result<Option<Identity>, TlsError> {
        let in_force = self.identity.as_ref().map(|identity| identity.load());
        match in_force {
            Some(identity) if identity.may_become(&settings.mode) => Identity::new(&settings.mode),
            _ => Ok(None),
        }
    }

    /// Shakes hands by this one from now on. Tickets for resumption end, so that nobody gets past new
    /// authorities with an old one. Nothing happens where there is no TLS.
    pub fn replace(&self, identity: Identity) {
        if let Some(ours) = &self.identity {
            ours.store(Arc::new(identity));
        }
    }

    /// Our own certificate, where there is one.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.identity.as_ref().map(|identity| identity.load().certificate.clone())
    }

    /// Whom clients must be vouched for by; `None`: they show no certificate.
    #[must_use]
    pub fn clients(&self) -> Option<ClientSettings> {
        self.identity.as_ref().and_then(|identity| identity.load().clients())
    }

    /// What clients are asked for in handshakes now.
    #[must_use]
    pub fn client_rule(&self) -> ClientRule {
        let identity = self.identity.as_ref().map(|identity| identity.load());
        ClientRule::new(identity.and_then(|identity| identity.verifier.clone()))
    }

    /// When a connection that begins now must have shaken hands.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.handshake_time
    }

    /// Shakes hands with a client of this address, within the deadline. Answers with what the client
    /// has shown, too, where it must show something.
    ///
    /// # Errors
    /// When the client does not get there.
    pub async fn accept(
        &self,
        io: TcpStream,
        client: IpAddr,
        deadline: Instant,
    ) -> Result<(Stream, Option<Shown>), HandshakeError> {
        let Some(identity) = &self.identity else {
            return Ok((Stream::Plain(io), None));
        };
        let handshake = async {
            // Whoever says nothing gets no place, and no memory but its socket's: what comes then is boxed.
            match io.peek(&mut [0]).await {
                Ok(0) => return Err(HandshakeError::Left(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(HandshakeError::Left(error)),
            }
            let handshake = async {
                let identity = identity.load_full();
                let accepted = identity.acceptor.accept(io).await;
                let stream = accepted.map_err(HandshakeError::Failed)?;
                let shown = identity.shown(stream.get_ref().1.peer_certificates());
                Ok((Stream::Tls(Box::new(stream)), shown))
            };
            Box::pin(self.handshakes.one_of(client, handshake)).await
        };
        let shaken = tokio::time::timeout_at(deadline, handshake).await;
        shaken.unwrap_or(Err(HandshakeError::TooSlow))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("handshake_time", &self.handshake_time).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
