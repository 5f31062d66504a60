//! PEM files with certificates and keys, and what is wrong with those that hold none.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a file has not what it should have.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// There is no such file.
    #[error("the file {0} does not exist")]
    Missing(PathBuf),
    /// It is there, and cannot be read.
    #[error("the file {0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    /// It is PEM, or anything else, without the item.
    #[error("the file {0} has no {1}")]
    Without(PathBuf, &'static str),
    /// No more is told: the parser's words may quote the file, and the file may be a key.
    #[error("the file {0} is not well-formed PEM")]
    Malformed(PathBuf),
}

/// All certificates of a file: at least one.
///
/// # Errors
/// When there is none, or something that only looks like one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    const WHAT: &str = "certificate";
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read.map_err(|error| PemError::new(path, error, WHAT))? {
        certificates if certificates.is_empty() => Err(PemError::Without(path.to_owned(), WHAT)),
        certificates => Ok(certificates),
    }
}

/// The first private key of a file: PKCS#8, PKCS#1 or SEC1.
///
/// # Errors
/// When there is none in clear text.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| PemError::new(path, error, "private key"))
}

impl PemError {
    fn new(path: &Path, error: pem::Error, item: &'static str) -> Self {
        let path = path.to_owned();
        match error {
            pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing(path),
            pem::Error::Io(error) => Self::Unreadable(path, error),
            pem::Error::NoItemsFound => Self::Without(path, item),
            _ => Self::Malformed(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for (name, text) in [
            ("tls.crt", made.cert.pem()),
            ("tls.key", made.signing_key.serialize_pem()),
            ("empty", "# nothing\n".to_owned()),
            ("cut", cut.to_owned()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        for (name, certificate, key) in [
            ("tls.crt", None, Some("has no private key")),
            ("tls.key", Some("has no certificate"), None),
            ("empty", Some("has no certificate"), Some("has no private key")),
            ("cut", Some("is not well-formed PEM"), Some("is not well-formed PEM")),
            ("folder", Some("cannot be read: "), Some("cannot be read: ")),
            ("none", Some("does not exist"), Some("does not exist")),
        ] {
            let path = folder.path().join(name);
            for (error, expected) in
                [(certificates(&path).err(), certificate), (private_key(&path).err(), key)]
            {
                let error = error.map(|error| error.to_string());
                let named = format!("the file {} {}", path.display(), expected.unwrap_or_default());
                match error {
                    Some(error) => assert!(error.starts_with(&named), "{error} for {name}"),
                    None => assert_eq!(expected, None, "{name}"),
                }
            }
        }
    }
}
