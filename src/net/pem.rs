//! PEM with certificates and keys, and what is wrong with a text that holds none.

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a text has not what it should have. Its name belongs before this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// It is PEM, or anything else, without the item.
    #[error("has no {0}")]
    Without(&'static str),
    /// No more is told: the parser's words may quote the text, and it may be a key.
    #[error("is not well-formed PEM")]
    Malformed,
}

/// All certificates of a text: at least one.
///
/// # Errors
/// When there is none, or something that only looks like one.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let read = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    match read.map_err(|_| PemError::Malformed)? {
        certificates if certificates.is_empty() => Err(PemError::Without("certificate")),
        certificates => Ok(certificates),
    }
}

/// The first private key of a text: PKCS#8, PKCS#1 or SEC1.
///
/// # Errors
/// When there is none in clear text.
pub fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => PemError::Without("private key"),
        _ => PemError::Malformed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let (no_certificate, no_key) =
            (Some(PemError::Without("certificate")), Some(PemError::Without("private key")));
        let malformed = Some(PemError::Malformed);
        for (text, of_certificate, of_key) in [
            (&*certificate, None, no_key),
            (&key, no_certificate, None),
            ("", no_certificate, no_key),
            ("# nothing\n", no_certificate, no_key),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", malformed, malformed),
        ] {
            let text = text.as_bytes();
            let found = (certificates(text).err(), private_key(text).err());
            assert_eq!(found, (of_certificate, of_key));
        }
    }
}
