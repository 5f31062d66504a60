//! Certificates made for one test, and files that hold them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postgate::clock::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, IsCa, KeyPair,
    date_time_ymd, generate_simple_self_signed,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::config::Folder;

/// Writes `tls.crt` and `tls.key` for this machine into `folder`; answers with the certificate, to be
/// trusted by the client.
pub(crate) fn write(folder: &Path) -> CertificateDer<'static> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    std::fs::write(folder.join("tls.crt"), cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

/// Whoever makes certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server on this machine that takes no client without a certificate of this authority.
    pub(crate) fn server(&self) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let itself = self.issue("localhost");
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![itself.certificate.clone()], itself.private_key())
            .unwrap()
    }

    /// A certificate of this name, which is good for as long as the test may take.
    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.issue_until(name, None)
    }

    /// One that ends with the second of this moment.
    pub(crate) fn issue_until(&self, name: &str, end: Option<Timestamp>) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if let Some(end) = end {
            params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_millis(end.as_millis());
        }
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { pem: certificate.pem(), certificate: certificate.der().clone(), key }
    }
}

impl Issued {
    /// Writes `NAME.crt` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Folder, name: &str) {
        std::fs::write(folder.path(&format!("{name}.key")), self.key.serialize_pem()).unwrap();
        std::fs::write(folder.path(&format!("{name}.crt")), &self.pem).unwrap();
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.serialize_pem().as_bytes()).unwrap()
    }
}
