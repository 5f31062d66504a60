//! Certificates and keys: can they be read, do they match, and when does it end.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustls::RootCertStore;

use super::chain::{self, Told};
use super::file;
use super::key::Key;
use super::report::Report;
use crate::clock::Timestamp;
use crate::net::Pair;
use crate::net::pem::{self, PemError};

/// All authorities that browsers know are a quarter of a mebibyte.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// A certificate with its key, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What is shown.
    pub pair: Pair,
    /// The names it is for, as in a browser; its subject when it names none.
    pub names: Vec<String>,
    /// The last moment at which it, and all of its chain, is valid.
    pub not_after: Timestamp,
}

/// Reads a certificate chain and its key, each with the key of the configuration that names it.
/// `shown_to` looks at it.
pub(super) fn identity(
    (chain_key, chain_path): (&Key, &Path),
    (secret_key, secret_path): (&Key, &Path),
    shown_to: &str,
    report: &mut Report,
) -> Option<Certificate> {
    let chain = read(chain_path, pem::certificates).map_err(|what| {
        let mend = "name a PEM file that starts with -----BEGIN CERTIFICATE-----";
        report.problem(chain_key, what, mend);
    });
    let secret = read(secret_path, pem::private_key).map_err(|what| {
        let mend = "name a PEM file with the private key in clear text";
        report.problem(secret_key, what, mend);
    });
    warn_if_open(secret_key, secret_path, report);
    let chain = chain.ok()?;
    let told = chain::look(chain_key, &chain, shown_to, report);
    match Pair::new(chain, secret.ok()?) {
        Ok(pair) => told.map(|Told { names, not_after }| Certificate { pair, names, not_after }),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let what = format!("is not the key of the certificate in {}", chain_path.display());
            report.problem(secret_key, what, "name the key and the certificate of one pair");
            None
        }
        Err(error) => {
            let mend = "use an RSA (2048 bits or more), ECDSA or Ed25519 key, as PKCS#8";
            report.problem(secret_key, format!("cannot be used: {error}"), mend);
            None
        }
    }
}

/// Reads a file of certificates to trust.
pub(super) fn authorities(key: &Key, path: &Path, report: &mut Report) -> Option<RootCertStore> {
    let mend = "name a PEM file of certificate authorities";
    let read = read(path, pem::certificates);
    let read = read.map_err(|what| report.problem(key, what, mend)).ok()?;
    let mut roots = RootCertStore::empty();
    for authority in read {
        if let Err(error) = roots.add(authority) {
            let what = format!("{} has a certificate that cannot be used: {error}", path.display());
            report.problem(key, what, mend);
            return None;
        }
    }
    Some(roots)
}

/// What `parse` finds in a file; else what is wrong with that.
fn read<T>(path: &Path, parse: fn(&[u8]) -> Result<T, PemError>) -> Result<T, String> {
    let text = file::bytes(path, MOST_BYTES).map_err(|error| error.to_string());
    let found = text.and_then(|text| parse(&text).map_err(|error| error.to_string()));
    found.map_err(|what| format!("the file {} {what}", path.display()))
}

fn warn_if_open(key: &Key, path: &Path, report: &mut Report) {
    const READABLE_BY_OTHERS: u32 = 0o004;
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & READABLE_BY_OTHERS != 0) {
        let what = format!("everybody on this machine can read {}", path.display());
        report.warn(key, what, format!("chmod o-r {}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report_in;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    struct Files {
        folder: tempfile::TempDir,
        not_after: Timestamp,
    }

    fn files() -> Files {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["one", "two"] {
            let made = rcgen::generate_simple_self_signed(vec![format!("{name}.example")]);
            let made = made.expect("a certificate");
            let path = |end: &str| folder.path().join(format!("{name}.{end}"));
            std::fs::write(path("crt"), made.cert.pem()).expect("written");
            std::fs::write(path("key"), made.signing_key.serialize_pem()).expect("written");
        }
        let mut files = Files { folder, not_after: Timestamp::default() };
        let (certificate, _) = files.read("one.crt", "one.key", NOW);
        files.not_after = certificate.expect("a certificate").not_after;
        files
    }

    impl Files {
        fn read(&self, crt: &str, key: &str, now: Timestamp) -> (Option<Certificate>, Report) {
            let mut report = report_in(self.folder.path());
            report.now = now;
            let (crt, key) = (report.path(crt), report.path(key));
            let (crt_key, key_key) = (Key::top("crt"), Key::top("key"));
            let certificate = identity((&crt_key, &crt), (&key_key, &key), "a client", &mut report);
            (certificate, report)
        }
    }

    #[test]
    fn a_pair_is_a_pair() {
        let files = files();
        let (certificate, report) = files.read("one.crt", "one.key", files.not_after);
        assert_eq!(
            certificate.map(|certificate| certificate.names),
            Some(vec!["one.example".into()])
        );
        assert_eq!(report.problems.len(), 0);

        let (_, report) = files.read("one.crt", "two.key", NOW);
        let keys: Vec<_> = report.problems.iter().map(|problem| &problem.key).collect();
        assert_eq!(keys, ["key"]);

        let (_, report) = files.read("one.key", "two.crt", NOW);
        assert_eq!(report.problems.len(), 2, "each file has no item of the other's kind");
        assert!(report.problems[0].what.ends_with("has no certificate"));
    }

    #[test]
    fn a_key_for_everybody_is_told() {
        let files = files();
        let told = |mode: u32| {
            let path = files.folder.path().join("one.key");
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).expect("set");
            let (_, report) = files.read("one.crt", "one.key", NOW);
            report.warnings.iter().any(|warning| warning.mend.starts_with("chmod"))
        };
        assert!(told(0o644));
        assert!(!told(0o640));
    }

    #[test]
    fn authorities_must_be_certificates() {
        let files = files();
        let mut report = report_in(files.folder.path());
        let (good, bad) = (report.path("one.crt"), report.path("one.key"));
        let read = authorities(&Key::top("ca"), &good, &mut report);
        assert_eq!((read.map(|roots| roots.len()), report.problems.len()), (Some(1), 0));
        assert!(authorities(&Key::top("ca"), &bad, &mut report).is_none());
        assert_eq!(report.problems.len(), 1);
    }
}
