//! Whose certificate a sender believes.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Whose certificate is believed.
#[derive(Clone, Debug)]
pub(in crate::cli) enum Trust {
    /// The public authorities.
    Public,
    /// The authorities, or the one certificate, in a PEM file.
    File(PathBuf),
    /// This one certificate.
    Certificate(CertificateDer<'static>),
    /// Anybody's. For loopback, where nobody stands between.
    Anybody,
}

impl Trust {
    /// The TLS of a client that trusts so. Reads the file.
    pub(super) fn client_config(&self) -> anyhow::Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let roots = match self {
            Self::Public => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
            Self::File(path) => {
                let certificates = CertificateDer::pem_file_iter(path)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .with_context(|| format!("cannot read {} as PEM", path.display()))?;
                anyhow::ensure!(
                    !certificates.is_empty(),
                    "{} holds no certificate: a PEM file begins with -----BEGIN CERTIFICATE-----",
                    path.display()
                );
                store(certificates)?
            }
            Self::Certificate(certificate) => store([certificate.clone()])?,
            Self::Anybody => {
                let verifier = Arc::new(Unverified(provider));
                let dangerous = builder.dangerous().with_custom_certificate_verifier(verifier);
                return Ok(dangerous.with_no_client_auth());
            }
        };
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

fn store(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).context("a certificate cannot be trusted")?;
    }
    Ok(roots)
}

/// Takes every certificate; still checks that the server has its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
