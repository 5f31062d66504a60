//! The certificate that a client has shown. It was good at the handshake; a connection may be older
//! than the rule, and outlive the certificate, so it is asked about again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::clock::Timestamp;

/// A certificate and those that lead to its authority.
#[derive(Debug)]
pub struct Shown {
    chain: Vec<CertificateDer<'static>>,
    verdict: Mutex<Verdict>,
}

/// Why a client may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// Its certificate has expired, or one on the way to the authority.
    Expired,
    /// The rule is another one by now, and the certificate is not good by it; or there is none.
    Refused,
}

/// By whom the chain was found good, and until when nobody has to be asked again.
#[derive(Debug)]
struct Verdict {
    by: Arc<dyn ClientCertVerifier>,
    until: Timestamp,
}

impl Shown {
    /// What was found good `by` this one, just now.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        by: Arc<dyn ClientCertVerifier>,
        now: Timestamp,
    ) -> Self {
        let until = next_end(&chain, now);
        Self { chain, verdict: Mutex::new(Verdict { by, until }) }
    }

    /// Whether it is good now. Costs two comparisons while neither the rule has changed nor a
    /// certificate ended.
    pub(super) fn ask(
        &self,
        rule: &Arc<dyn ClientCertVerifier>,
        now: Timestamp,
    ) -> Result<(), Lapse> {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&verdict.by, rule) && now <= verdict.until {
            return Ok(());
        }
        let (certificate, others) = self.chain.split_first().ok_or(Lapse::Refused)?;
        let at = UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis()));
        rule.verify_client_cert(certificate, others, at).map_err(|error| Lapse::of(&error))?;
        *verdict = Verdict { by: Arc::clone(rule), until: next_end(&self.chain, now) };
        Ok(())
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

/// The first moment from `now` on at which one of the chain ends; those that have ended already are
/// not on the way to the authority. One that cannot be read has to be asked about each time.
fn next_end(chain: &[CertificateDer<'_>], now: Timestamp) -> Timestamp {
    let ends: Option<Vec<_>> = chain.iter().map(|certificate| end(certificate)).collect();
    let ahead = ends.unwrap_or_default().into_iter().filter(|end| now <= *end);
    ahead.min().unwrap_or_default()
}

/// The last moment at which a certificate is good: it names a second (RFC 5280, 4.1.2.5), and that
/// belongs to it.
fn end(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let second = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(Timestamp::from_millis(second.saturating_mul(1000).saturating_add(999)))
}
