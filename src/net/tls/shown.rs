//! The certificate that a client has shown. It was good at the handshake; a connection may be older
//! than the rule, and outlive the certificate, so it is asked about again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::validity;
use crate::clock::Timestamp;

/// A certificate and those that lead to its authority.
#[derive(Debug)]
pub struct Shown {
    chain: Vec<CertificateDer<'static>>,
    /// Until then none of them ends. Later the whole is asked about each time, for one that has ended may
    /// be on the way to the authority or not.
    until: Timestamp,
    /// By whom it was found good.
    good_by: Mutex<Arc<dyn ClientCertVerifier>>,
}

/// Whether clients have to show a certificate, and by whom it has to be good.
#[derive(Clone, Debug, Default)]
pub struct ClientRule(Option<Arc<dyn ClientCertVerifier>>);

/// Why a client may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// Its certificate has expired, or one on the way to the authority.
    Expired,
    /// The rule is another one by now, and the certificate is not good by it; or there is none.
    Refused,
}

impl Shown {
    /// What was found good `by` this one.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        by: Arc<dyn ClientCertVerifier>,
    ) -> Self {
        let ends: Option<Vec<_>> = chain.iter().map(|certificate| end(certificate)).collect();
        let until = ends.and_then(|ends| ends.into_iter().min()).unwrap_or_default();
        Self { chain, until, good_by: Mutex::new(by) }
    }

    /// Whether it is good now. Costs two comparisons while neither the rule has changed nor a
    /// certificate ended.
    fn ask(&self, rule: &Arc<dyn ClientCertVerifier>, now: Timestamp) -> Result<(), Lapse> {
        let mut good_by = self.good_by.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&good_by, rule) && now <= self.until {
            return Ok(());
        }
        let (certificate, others) = self.chain.split_first().ok_or(Lapse::Refused)?;
        let at = UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis()));
        rule.verify_client_cert(certificate, others, at).map_err(|error| Lapse::of(&error))?;
        *good_by = Arc::clone(rule);
        Ok(())
    }
}

impl ClientRule {
    /// `None`: nobody is asked.
    pub(super) fn new(verifier: Option<Arc<dyn ClientCertVerifier>>) -> Self {
        Self(verifier)
    }

    /// Whether a client may send a request now that has shown this at its handshake, or nothing.
    ///
    /// # Errors
    /// Why it may not.
    pub fn ask(&self, shown: Option<&Shown>, now: Timestamp) -> Result<(), Lapse> {
        match &self.0 {
            Some(verifier) => shown.ok_or(Lapse::Refused)?.ask(verifier, now),
            None => Ok(()),
        }
    }
}

impl Lapse {
    fn of(error: &Error) -> Self {
        use CertificateError::{Expired, ExpiredContext};
        match error {
            Error::InvalidCertificate(Expired | ExpiredContext { .. }) => Self::Expired,
            _ => Self::Refused,
        }
    }
}

/// The last moment at which it is good.
fn end(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(validity(&certificate).1)
}
