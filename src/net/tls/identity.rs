//! Who we are: certificate, key, and what is offered with them.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use super::{Pair, Shown, TlsError, clients};
use crate::clock::Timestamp;
use crate::net::{ClientSettings, TlsMode};

/// What we offer to speak, the better one first (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Whom a self-signed certificate is for.
const SELF_SIGNED_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Who we are, and who may come.
pub struct Identity {
    pub(super) acceptor: TlsAcceptor,
    pub(super) certificate: CertificateDer<'static>,
    /// Asks clients; `None`: they show no certificate.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// What all this was made of.
    mode: TlsMode,
}

impl Identity {
    /// As these settings say; `None`: there is no TLS.
    pub(super) fn new(mode: &TlsMode) -> Result<Option<Self>, TlsError> {
        match mode {
            TlsMode::Files { pair, clients } => {
                Self::with(pair, clients.as_ref(), mode.clone()).map(Some)
            }
            TlsMode::SelfSigned => Self::with(&self_signed()?, None, mode.clone()).map(Some),
            TlsMode::Off => Ok(None),
        }
    }

    /// Whether this mode would make another one of it without a restart.
    pub(super) fn may_become(&self, mode: &TlsMode) -> bool {
        match (&self.mode, mode) {
            (TlsMode::Files { .. }, TlsMode::Files { .. }) => self.mode != *mode,
            _ => false,
        }
    }

    pub(super) fn clients(&self) -> Option<ClientSettings> {
        match &self.mode {
            TlsMode::Files { clients, .. } => clients.clone(),
            TlsMode::SelfSigned | TlsMode::Off => None,
        }
    }

    /// What a client has shown and was let in by.
    pub(super) fn shown(
        &self,
        chain: Option<&[CertificateDer<'static>]>,
        now: Timestamp,
    ) -> Option<Shown> {
        let verifier = Arc::clone(self.verifier.as_ref()?);
        Some(Shown::new(chain?.to_vec(), verifier, now))
    }

    /// Shows this certificate to clients that are good.
    fn with(
        pair: &Pair,
        clients: Option<&ClientSettings>,
        mode: TlsMode,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = clients.map(|clients| clients::verifier(clients, &provider)).transpose()?;
        let asks = verifier.clone().unwrap_or_else(WebPkiClientVerifier::no_client_auth);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(TlsError::Rustls)?
            .with_client_cert_verifier(asks)
            .with_cert_resolver(Arc::new(pair.clone()));
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        // Our order of ciphers is the considered one; a client's may be anything.
        config.ignore_client_order = true;
        if verifier.is_some() {
            // A resumed session brings the client's certificate along without asking again whether
            // it is still good, and a ticket begets the next one: every connection shows it anew.
            config.send_tls13_tickets = 0;
            config.session_storage = Arc::new(NoServerSessionStorage {});
        } else {
            // A sender opens a connection for nearly every event; a resumed one costs no signature.
            // The keys of tickets change by themselves, and clients of TLS 1.2 without tickets find
            // their session in rustls' own small store. Early data stays off: it can be replayed.
            config.ticketer =
                rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::Rustls)?;
        }
        let certificate = pair.certificate().clone();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate, verifier, mode })
    }
}

/// A certificate for loopback.
fn self_signed() -> Result<Pair, TlsError> {
    let names = SELF_SIGNED_NAMES.map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::SelfSigned)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Pair::new(vec![made.cert.der().clone()], key.into()).map_err(TlsError::Rustls)
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("mode", &self.mode).finish_non_exhaustive()
    }
}
