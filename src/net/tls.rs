//! TLS 1.2 and 1.3 with rustls: who we are, and the handshake within a deadline.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Stream, TlsMode, TlsSettings};

/// What we offer to speak, the better one first (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Whom a self-signed certificate is for.
const SELF_SIGNED_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file is missing, unreadable, or holds something else.
    #[error("cannot read {what} from {path}")]
    Pem {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The certificate file holds no certificate.
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
    /// The certificate and the key do not belong together, or one cannot be used.
    #[error("the certificate and the private key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// A client authority cannot be used.
    #[error("tls.client_ca cannot be used")]
    ClientCa(#[source] VerifierBuilderError),
    /// An authority in the file is no certificate.
    #[error("tls.client_ca holds something that is no authority")]
    ClientCaEntry(#[source] rustls::Error),
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

/// How connections become streams.
#[derive(Clone)]
pub struct Tls {
    identity: Option<Identity>,
    handshake_time: Duration,
}

/// Who we are.
#[derive(Clone)]
struct Identity {
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

impl Tls {
    /// Reads the files, or makes a certificate.
    ///
    /// # Errors
    /// When there is no usable certificate and key.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        let identity = match &settings.mode {
            TlsMode::Files { certificate, private_key, client_ca } => {
                Some(Identity::read(certificate, private_key, client_ca.as_deref())?)
            }
            TlsMode::SelfSigned => Some(Identity::make()?),
            TlsMode::Off => None,
        };
        Ok(Self { identity, handshake_time: settings.handshake_time })
    }

    /// Our own certificate, where there is one.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.identity.as_ref().map(|identity| identity.certificate.clone())
    }

    /// Shakes hands, within the deadline.
    ///
    /// # Errors
    /// When the client does not get there.
    pub async fn accept(&self, io: TcpStream) -> Result<Stream, HandshakeError> {
        let Some(identity) = &self.identity else {
            return Ok(Stream::Plain(io));
        };
        let handshake = identity.acceptor.accept(io);
        match tokio::time::timeout(self.handshake_time, handshake).await {
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

impl Identity {
    fn read(
        certificate: &Path,
        private_key: &Path,
        client_ca: Option<&Path>,
    ) -> Result<Self, TlsError> {
        let chain = certificates("a certificate", certificate)?;
        let key = PrivateKeyDer::from_pem_file(private_key)
            .map_err(unreadable("a private key", private_key))?;
        Self::new(chain, key, client_ca)
    }

    fn make() -> Result<Self, TlsError> {
        let names = SELF_SIGNED_NAMES.map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::SelfSigned)?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        Self::new(vec![made.cert.der().clone()], key.into(), None)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        client_ca: Option<&Path>,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = match client_ca {
            Some(path) => client_verifier(path, &provider)?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let certificate =
            chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(TlsError::Pair)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(TlsError::Pair)?;
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        // Our order of ciphers is the considered one; a client's may be anything.
        config.ignore_client_order = true;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }
}

fn client_verifier(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates("client authorities", path)? {
        roots.add(authority).map_err(TlsError::ClientCaEntry)?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(TlsError::ClientCa)
}

/// All certificates of a PEM file: at least one.
fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read.map_err(unreadable(what, path))? {
        certificates if certificates.is_empty() => Err(TlsError::Empty(path.to_owned())),
        certificates => Ok(certificates),
    }
}

fn unreadable(what: &'static str, path: &Path) -> impl FnOnce(pem::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::Pem { what, path, source }
}
