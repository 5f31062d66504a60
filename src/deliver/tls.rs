//! Trust towards an https upstream: whom we believe, and who we say we are.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::upstream::BuildError;

/// The TLS of a client that trusts the authorities of `ca` alone, or the public ones, and shows
/// `identity` (chain, key) to a server that asks. Reads the files.
pub(super) fn client_config(
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, BuildError> {
    let roots = match ca {
        Some(path) => own_roots(path)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?
        .with_root_certificates(roots);
    let Some((chain_path, key_path)) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(chain_path)?;
    let key =
        PrivateKeyDer::from_pem_file(key_path).map_err(|source| unreadable(key_path, source))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|source| BuildError::Certificate { path: chain_path.to_owned(), source })
}

fn own_roots(path: &Path) -> Result<RootCertStore, BuildError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|source| BuildError::Certificate { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

/// All certificates of a PEM file; none is an error.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(path, source))?;
    if found.is_empty() {
        return Err(unreadable(path, pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn unreadable(path: &Path, source: pem::Error) -> BuildError {
    BuildError::Pem { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::PathBuf;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::ServerConfig;
    use rustls::server::WebPkiClientVerifier;
    use tokio::time::Instant;

    use super::super::fixture::{self, PATIENCE, serve_tls, status};
    use super::super::outcome::{FailureKind, Outcome};
    use super::super::policy::{Judgement, judge};
    use super::super::request::Template;
    use super::super::settings::{UpstreamSettings, UpstreamUrl};
    use super::super::{Outgoing, Upstream};
    use super::*;
    use crate::clock::Timestamp;
    use crate::spool::EventId;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        CertifiedIssuer::self_signed(params, key).expect("an authority")
    }

    /// Certificate and key of `name`, signed by `authority`, in PEM.
    fn issue(authority: &Authority, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, authority).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// A server that answers 200 to clients with a certificate, 401 to others. With `clients`,
    /// it takes no connection without a certificate of that authority.
    async fn server(authority: &Authority, clients: Option<&Authority>) -> SocketAddr {
        let (chain, key) = issue(authority, "localhost");
        let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the default versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.der().clone()).expect("an authority");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let tls = builder.with_single_cert(chain, key).expect("its own key");
        serve_tls(tls, |seen| async move { status(if seen.identified { 200 } else { 401 }) }).await
    }

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path
        }

        fn identity(&self, pair: &(String, String)) -> (PathBuf, PathBuf) {
            (self.write("me.crt", &pair.0), self.write("me.key", &pair.1))
        }
    }

    fn https(address: SocketAddr) -> UpstreamSettings {
        let uri = format!("https://localhost:{}/", address.port()).parse();
        fixture::settings(UpstreamUrl::Http(uri.expect("a URI")))
    }

    async fn send(settings: &UpstreamSettings) -> Outcome {
        let upstream = Upstream::new(settings).expect("good settings");
        let event = Outgoing {
            id: EventId::new(Timestamp::default()),
            accepted: Timestamp::default(),
            attempt: 1,
            body: "{}".into(),
        };
        let template = Template::new(&upstream.target, "/", "action");
        let request = || template.request(&event, Timestamp::default());
        upstream.client.send(request, Instant::now() + PATIENCE).await
    }

    fn failed(outcome: Outcome) -> FailureKind {
        assert_eq!(judge(&outcome), Judgement::Later);
        match outcome {
            Outcome::Answered(answer) => panic!("{answer:?}"),
            Outcome::Failed(failure) => failure.kind,
        }
    }

    #[tokio::test]
    async fn an_own_authority_is_trusted_and_no_other() {
        let (ours, theirs, files) = (authority(), authority(), Files::new());
        let address = server(&ours, None).await;
        let trusting = |ca: Option<PathBuf>| UpstreamSettings { ca, ..https(address) };
        let known = trusting(Some(files.write("ours.pem", &ours.pem())));
        let unknown = trusting(Some(files.write("theirs.pem", &theirs.pem())));
        assert_eq!(send(&known).await.status(), Some(401));
        assert_eq!(failed(send(&unknown).await), FailureKind::Tls);
        assert_eq!(failed(send(&trusting(None)).await), FailureKind::Tls);
    }

    #[tokio::test]
    async fn a_certificate_for_another_name_is_refused() {
        let (ours, files) = (authority(), Files::new());
        let address = server(&ours, None).await;
        let uri = format!("https://{address}/").parse().expect("a URI");
        let settings = UpstreamSettings {
            ca: Some(files.write("ours.pem", &ours.pem())),
            ..fixture::settings(UpstreamUrl::Http(uri))
        };
        assert_eq!(failed(send(&settings).await), FailureKind::Tls);
    }

    #[tokio::test]
    async fn the_client_certificate_is_shown() {
        let (ours, files) = (authority(), Files::new());
        let address = server(&ours, Some(&ours)).await;
        let settings = UpstreamSettings {
            ca: Some(files.write("ours.pem", &ours.pem())),
            client_identity: Some(files.identity(&issue(&ours, "postgate"))),
            ..https(address)
        };
        assert_eq!(send(&settings).await.status(), Some(200));

        let anonymous = UpstreamSettings { client_identity: None, ..settings.clone() };
        // In TLS 1.3 the client's side is done first: the alert may be lost to the reset after it.
        let kind = failed(send(&anonymous).await);
        assert!(matches!(kind, FailureKind::Tls | FailureKind::Broken), "{kind}");
    }

    #[test]
    fn files_that_cannot_work_are_refused_at_start_up() {
        let (ours, files) = (authority(), Files::new());
        let empty = files.write("empty.pem", "no certificate\n");
        let missing = files.0.path().join("missing.pem");
        for ca in [&empty, &missing] {
            let error = client_config(Some(ca), None).expect_err("no authority");
            assert!(matches!(&error, BuildError::Pem { path, .. } if path == ca), "{error}");
        }
        let (chain, _) = issue(&ours, "postgate");
        let (_, key) = issue(&ours, "postgate");
        let (chain, key) = files.identity(&(chain, key));
        let error = client_config(None, Some((&chain, &key))).expect_err("another key");
        assert!(matches!(error, BuildError::Certificate { .. }), "{error}");
    }
}
