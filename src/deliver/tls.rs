//! Trust towards an https upstream: whom we believe, and who we say we are.

use std::fmt;
use std::sync::Arc;

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use super::upstream::BuildError;

/// `upstream.ca`, `upstream.client_certificate` and `upstream.client_key`: what is in the files.
#[derive(Clone, Default)]
pub struct UpstreamTls {
    /// The authorities to trust, and no other; `None`: the public ones.
    pub ca: Option<Arc<RootCertStore>>,
    /// Shown to an upstream that asks.
    pub identity: Option<Arc<CertifiedKey>>,
}

impl UpstreamTls {
    pub(super) fn client_config(&self) -> Result<ClientConfig, BuildError> {
        let public = || Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
        let roots = self.ca.clone().unwrap_or_else(public);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(BuildError::Tls)?
            .with_root_certificates(roots);
        Ok(match &self.identity {
            Some(identity) => {
                let shown = SingleCertAndKey::from(Arc::clone(identity));
                builder.with_client_cert_resolver(Arc::new(shown))
            }
            None => builder.with_no_client_auth(),
        })
    }
}

impl PartialEq for UpstreamTls {
    /// What was read again and is the same is equal. A certificate tells which key it has.
    fn eq(&self, other: &Self) -> bool {
        let roots = |tls: &Self| tls.ca.as_ref().map(|roots| roots.roots.clone());
        let shown = |tls: &Self| tls.identity.as_ref().map(|shown| shown.cert.clone());
        roots(self) == roots(other) && shown(self) == shown(other)
    }
}

impl fmt::Debug for UpstreamTls {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certificates = self.identity.as_ref().map(|shown| shown.cert.len());
        f.debug_struct("UpstreamTls")
            .field("ca", &self.ca)
            .field("certificates", &certificates)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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

    /// Believes this authority, and shows what it has issued, if it has.
    fn trust(authority: &Authority, shown: Option<(String, String)>) -> UpstreamTls {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority");
        let identity = shown.map(|(chain, key)| {
            let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).expect("PEM")];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            Arc::new(CertifiedKey::from_der(chain, key, &provider).expect("a pair"))
        });
        UpstreamTls { ca: Some(Arc::new(roots)), identity }
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
        let (ours, theirs) = (authority(), authority());
        let address = server(&ours, None).await;
        let trusting = |tls| UpstreamSettings { tls, ..https(address) };
        assert_eq!(send(&trusting(trust(&ours, None))).await.status(), Some(401));
        assert_eq!(failed(send(&trusting(trust(&theirs, None))).await), FailureKind::Tls);
        assert_eq!(failed(send(&https(address)).await), FailureKind::Tls);
    }

    #[tokio::test]
    async fn a_certificate_for_another_name_is_refused() {
        let ours = authority();
        let address = server(&ours, None).await;
        let uri = format!("https://{address}/").parse().expect("a URI");
        let settings = UpstreamSettings {
            tls: trust(&ours, None),
            ..fixture::settings(UpstreamUrl::Http(uri))
        };
        assert_eq!(failed(send(&settings).await), FailureKind::Tls);
    }

    #[tokio::test]
    async fn the_client_certificate_is_shown() {
        let ours = authority();
        let address = server(&ours, Some(&ours)).await;
        let tls = trust(&ours, Some(issue(&ours, "postgate")));
        let settings = UpstreamSettings { tls, ..https(address) };
        assert_eq!(send(&settings).await.status(), Some(200));

        let anonymous = UpstreamSettings { tls: trust(&ours, None), ..settings };
        // In TLS 1.3 the client's side is done first: the alert may be lost to the reset after it.
        let kind = failed(send(&anonymous).await);
        assert!(matches!(kind, FailureKind::Tls | FailureKind::Broken), "{kind}");
    }

    #[test]
    fn what_is_the_same_is_equal_and_no_key_is_printed() {
        let (ours, theirs) = (authority(), authority());
        let pair = issue(&ours, "postgate");
        let tls = trust(&ours, Some(pair.clone()));
        assert_eq!(tls, trust(&ours, Some(pair)), "read twice");
        for other in [
            trust(&ours, None),
            trust(&ours, Some(issue(&ours, "postgate"))),
            trust(&theirs, None),
            UpstreamTls::default(),
        ] {
            assert_ne!(tls, other);
        }
        assert_ne!(trust(&ours, None), trust(&theirs, None));
        let printed = format!("{tls:?}");
        assert!(printed.ends_with("certificates: Some(1), .. }"), "{printed}");
    }
}
