//! TLS 1.2 and 1.3 with rustls: who we are, and the handshake within a deadline.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::Instant;
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

/// How connections become streams. All clones are one: what replaces the identity of one replaces
/// it for all.
#[derive(Clone)]
pub struct Tls {
    identity: Option<Arc<ArcSwap<Identity>>>,
    handshake_time: Duration,
}

/// Who we are.
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
        let identity = identity.map(|identity| Arc::new(ArcSwap::from_pointee(identity)));
        Ok(Self { identity, handshake_time: settings.handshake_time })
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

    /// Shakes hands, within the deadline.
    ///
    /// # Errors
    /// When the client does not get there.
    pub async fn accept(&self, io: TcpStream, deadline: Instant) -> Result<Stream, HandshakeError> {
        let Some(identity) = &self.identity else {
            return Ok(Stream::Plain(io));
        };
        let handshake = identity.load().acceptor.accept(io);
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
        // A sender opens a connection for nearly every event; a resumed one costs no signature. The
        // keys of tickets change by themselves. Early data stays off: it can be replayed.
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::Pair)?;
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rustls::pki_types::ServerName;
    use rustls::version::{TLS12, TLS13};
    use rustls::{ClientConfig, ProtocolVersion, SupportedProtocolVersion};
    use tempfile::TempDir;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::net::Protocol;

    /// A certificate in PEM files, as an operator has it.
    struct Files {
        folder: TempDir,
        made: rcgen::CertifiedKey<rcgen::KeyPair>,
    }

    impl Files {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(folder.path().join("tls.crt"), made.cert.pem()).unwrap();
            std::fs::write(folder.path().join("tls.key"), made.signing_key.serialize_pem())
                .unwrap();
            Self { folder, made }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn mode(&self, client_ca: Option<PathBuf>) -> TlsMode {
            let (certificate, private_key) = (self.path("tls.crt"), self.path("tls.key"));
            TlsMode::Files { certificate, private_key, client_ca }
        }

        fn identity(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
            let key = PrivatePkcs8KeyDer::from(self.made.signing_key.serialize_der());
            (vec![self.made.cert.der().clone()], key.into())
        }
    }

    fn tls(mode: TlsMode, handshake_time: Duration) -> Result<Tls, TlsError> {
        Tls::new(&TlsSettings { mode, handshake_time })
    }

    /// A client that trusts `tls`, and shows a certificate where it has one.
    fn client(
        tls: &Tls,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
        identity: Option<&Files>,
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(tls.certificate().unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity.map(Files::identity) {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    /// Both ends of one handshake; what the server made of it.
    async fn shake(tls: &Tls, client: &TlsConnector) -> Result<Stream, HandshakeError> {
        let (near, far) = pair().await;
        let name = ServerName::try_from("localhost").unwrap();
        let (server, client) =
            tokio::join!(tls.accept(far, tls.deadline()), client.connect(name, near));
        // A client of TLS 1.3 is done before the server has looked at its certificate.
        assert!(client.is_ok() || server.is_err(), "only the client found a fault: {client:?}");
        server
    }

    const PATIENCE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn both_versions_and_both_protocols_are_spoken() {
        let files = Files::new();
        for mode in [files.mode(None), TlsMode::SelfSigned] {
            let tls = tls(mode, PATIENCE).unwrap();
            for version in [&TLS12, &TLS13] {
                for (alpn, expected) in [
                    (&[&b"h2"[..], b"http/1.1"][..], Protocol::Http2),
                    (&[b"http/1.1", b"h2"], Protocol::Http2),
                    (&[b"http/1.1"], Protocol::Http1),
                    (&[], Protocol::Http1),
                ] {
                    let client = client(&tls, &[version], alpn, None);
                    let stream = shake(&tls, &client).await.unwrap();
                    assert_eq!(stream.protocol(), expected, "{version:?} {alpn:?}");
                    let Stream::Tls(stream) = stream else { panic!("no TLS") };
                    assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
                }
                let unknown = client(&tls, &[version], &[b"spdy/3"], None);
                assert!(matches!(shake(&tls, &unknown).await, Err(HandshakeError::Failed(_))));
            }
        }
    }

    #[tokio::test]
    async fn the_newer_version_is_preferred() {
        let tls = tls(TlsMode::SelfSigned, PATIENCE).unwrap();
        let client = client(&tls, &[&TLS12, &TLS13], &[], None);
        let Ok(Stream::Tls(stream)) = shake(&tls, &client).await else { panic!("no TLS") };
        assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    }

    #[tokio::test]
    async fn with_a_client_authority_a_certificate_must_be_shown() {
        let (files, friend, stranger) = (Files::new(), Files::new(), Files::new());
        let tls = tls(files.mode(Some(friend.path("tls.crt"))), PATIENCE).unwrap();
        for version in [&TLS12, &TLS13] {
            let shown = client(&tls, &[version], &[], Some(&friend));
            assert!(shake(&tls, &shown).await.is_ok(), "{version:?}");
            for identity in [None, Some(&stranger)] {
                let refused = client(&tls, &[version], &[], identity);
                let failed = shake(&tls, &refused).await;
                assert!(matches!(failed, Err(HandshakeError::Failed(_))), "{version:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_new_identity_is_for_new_handshakes_of_every_clone() {
        let (old, new) = (Files::new(), Files::new());
        let tls = tls(old.mode(None), PATIENCE).unwrap();
        let serving = tls.clone();
        let before = client(&tls, &[&TLS13], &[], None);
        shake(&serving, &before).await.unwrap();

        let other = self::tls(new.mode(None), PATIENCE).unwrap();
        tls.replace(&other);
        assert_eq!(serving.certificate(), other.certificate());
        assert!(shake(&serving, &client(&other, &[&TLS13], &[], None)).await.is_ok());
        let untrusted = shake(&serving, &before).await;
        assert!(untrusted.is_err(), "the old certificate is gone, and the old ticket with it");

        let off = self::tls(TlsMode::Off, PATIENCE).unwrap();
        tls.replace(&off);
        assert_eq!(serving.certificate(), other.certificate(), "TLS is not switched off");
    }

    #[tokio::test]
    async fn a_handshake_that_does_not_come_is_not_waited_for() {
        let tls = tls(TlsMode::SelfSigned, Duration::from_millis(20)).unwrap();
        let (mut near, far) = pair().await;
        near.write_all(b"\x16\x03\x01").await.unwrap();
        assert!(matches!(tls.accept(far, tls.deadline()).await, Err(HandshakeError::TooSlow)));
    }

    #[tokio::test]
    async fn what_is_no_tls_fails_at_once() {
        let tls = tls(TlsMode::SelfSigned, PATIENCE).unwrap();
        let (mut near, far) = pair().await;
        near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(matches!(tls.accept(far, tls.deadline()).await, Err(HandshakeError::Failed(_))));
    }

    #[tokio::test]
    async fn without_tls_a_connection_passes_as_it_is() {
        let tls = tls(TlsMode::Off, PATIENCE).unwrap();
        assert!(tls.certificate().is_none());
        let (_near, far) = pair().await;
        let stream = tls.accept(far, tls.deadline()).await.unwrap();
        assert_eq!(stream.protocol(), Protocol::Http1);
        assert!(matches!(stream, Stream::Plain(_)));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let (files, other) = (Files::new(), Files::new());
        std::fs::write(files.path("empty"), "# nothing\n").unwrap();
        let (certificate, private_key) = (files.path("tls.crt"), files.path("tls.key"));
        for (certificate, private_key, client_ca, named) in [
            (files.path("none"), private_key.clone(), None, "none"),
            (files.path("empty"), private_key.clone(), None, "empty"),
            (certificate.clone(), files.path("none"), None, "none"),
            (certificate.clone(), files.path("empty"), None, "empty"),
            (certificate.clone(), certificate.clone(), None, "tls.crt"),
            (certificate.clone(), private_key.clone(), Some(files.path("none")), "none"),
            (certificate.clone(), private_key.clone(), Some(files.path("empty")), "empty"),
        ] {
            let mode = TlsMode::Files { certificate, private_key, client_ca };
            let what = format!("{mode:?}");
            let error = tls(mode, PATIENCE).unwrap_err();
            assert!(error.to_string().contains(named), "{error} for {what}");
        }
        let private_key = other.path("tls.key");
        let mode = TlsMode::Files { certificate, private_key, client_ca: None };
        assert!(matches!(tls(mode, PATIENCE), Err(TlsError::Pair(_))));
    }
}
