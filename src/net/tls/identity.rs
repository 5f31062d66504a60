//! Who we are: certificate, key, and what is offered with them.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use super::{Pair, TlsError, clients};
use crate::net::ClientSettings;

/// What we offer to speak, the better one first (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Whom a self-signed certificate is for.
const SELF_SIGNED_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Who we are.
pub(super) struct Identity {
    pub(super) acceptor: TlsAcceptor,
    pub(super) certificate: CertificateDer<'static>,
}

impl Identity {
    /// Makes a certificate for loopback.
    pub(super) fn make() -> Result<Self, TlsError> {
        let names = SELF_SIGNED_NAMES.map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::SelfSigned)?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let pair =
            Pair::new(vec![made.cert.der().clone()], key.into()).map_err(TlsError::Rustls)?;
        Self::new(&pair, None)
    }

    /// Shows this certificate to clients that are good.
    pub(super) fn new(pair: &Pair, clients: Option<&ClientSettings>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = match clients {
            Some(settings) => clients::verifier(settings, &provider)?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(TlsError::Rustls)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(pair.clone()));
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        // Our order of ciphers is the considered one; a client's may be anything.
        config.ignore_client_order = true;
        if clients.is_some() {
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
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }
}
