//! A certificate and its key.

use std::fmt;
use std::sync::Arc;

use rustls::Error;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// A certificate, those that lead to its authority, and the key of the first: they belong together.
#[derive(Clone)]
pub struct Pair {
    key: Arc<CertifiedKey>,
    certificate: CertificateDer<'static>,
}

impl Pair {
    /// Looks whether they do.
    ///
    /// # Errors
    /// When they do not, or when one of them cannot be used.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let certificate = chain.first().cloned().ok_or(Error::NoCertificatesPresented)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = CertifiedKey::from_der(chain, key, &provider)?;
        Ok(Self { key: Arc::new(key), certificate })
    }

    /// For a client to show.
    #[must_use]
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// The certificate itself.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
}

impl PartialEq for Pair {
    /// Equal certificates have equal keys: each key was found to be its certificate's.
    fn eq(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

impl ResolvesServerCert for Pair {
    /// Whatever name was asked for: there is no other.
    fn resolve(&self, _asked: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key))
    }
}

impl fmt::Debug for Pair {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("certificates", &self.key.cert.len()).finish_non_exhaustive()
    }
}
