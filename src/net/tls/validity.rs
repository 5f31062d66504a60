//! From when until when a certificate is good.

use x509_parser::prelude::X509Certificate;

use crate::clock::Timestamp;

/// The first and the last moment at which it is. It names seconds, and the whole of the last one belongs
/// to it (RFC 5280, 4.1.2.5).
#[must_use]
pub fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let moment = |seconds: i64, millis: u64| {
        let seconds = u64::try_from(seconds).unwrap_or_default();
        Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(millis))
    };
    let validity = certificate.validity();
    (moment(validity.not_before.timestamp(), 0), moment(validity.not_after.timestamp(), 999))
}
