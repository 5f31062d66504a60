//! PEM files: can they be read, do certificate and key match, and when does it end.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::key::Key;
use super::report::Report;
use crate::clock::Timestamp;

/// Let's Encrypt renews 30 days before the end; at 14 the renewal has failed for two weeks.
const WARN_BEFORE: Duration = Duration::from_hours(14 * 24);

/// What the certificate of the gateway says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The names it is for, as in a browser; its subject when it names none.
    pub names: Vec<String>,
    /// The last moment at which it is valid.
    pub not_after: Timestamp,
}

/// Reads a certificate chain and its key, each with the key of the configuration that names it.
pub(super) fn identity(
    (chain_key, chain_path): (&Key, &Path),
    (secret_key, secret_path): (&Key, &Path),
    report: &mut Report,
) -> Option<Certificate> {
    let chain = certificates(chain_key, chain_path, report);
    let secret = PrivateKeyDer::from_pem_file(secret_path)
        .map_err(|error| {
            let what = unreadable(secret_path, &error, "private key");
            report.problem(secret_key, what, "name a PEM file with the private key in clear text");
        })
        .ok();
    warn_if_open(secret_key, secret_path, report);
    let chain = chain?;
    let certificate = describe(chain_key, chain.first()?, chain_path, report);
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    match CertifiedKey::from_der(chain, secret?, &provider) {
        Ok(_) => certificate,
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

/// Checks a file of certificates to trust.
pub(super) fn authorities(key: &Key, path: &Path, report: &mut Report) {
    let Some(authorities) = certificates(key, path, report) else {
        return;
    };
    let mut roots = rustls::RootCertStore::empty();
    for authority in authorities {
        if let Err(error) = roots.add(authority) {
            let what = format!("{} has a certificate that cannot be used: {error}", path.display());
            report.problem(key, what, "name a PEM file of certificate authorities");
            return;
        }
    }
}

fn certificates(
    key: &Key,
    path: &Path,
    report: &mut Report,
) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let what = match chain {
        Ok(chain) if !chain.is_empty() => return Some(chain),
        Ok(_) => unreadable(path, &pem::Error::NoItemsFound, "certificate"),
        Err(error) => unreadable(path, &error, "certificate"),
    };
    report.problem(key, what, "name a PEM file that starts with -----BEGIN CERTIFICATE-----");
    None
}

fn unreadable(path: &Path, error: &pem::Error, item: &str) -> String {
    let path = path.display();
    match error {
        pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            format!("the file {path} does not exist")
        }
        pem::Error::Io(error) => format!("the file {path} cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("the file {path} has no {item}"),
        // Its text may quote the file, and the file may be a key.
        _ => format!("the file {path} is not well-formed PEM"),
    }
}

fn describe(
    key: &Key,
    certificate: &CertificateDer<'_>,
    path: &Path,
    report: &mut Report,
) -> Option<Certificate> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        let what = format!("the file {} has a certificate that is none", path.display());
        report.problem(key, what, "ask for a new one from whoever issued it");
        return None;
    };
    let validity = parsed.validity();
    let seconds = |moment: i64| {
        let seconds = u64::try_from(moment).unwrap_or_default();
        Timestamp::from_millis(seconds.saturating_mul(1000))
    };
    let not_before = seconds(validity.not_before.timestamp());
    let not_after = seconds(validity.not_after.timestamp());
    if not_after < report.now {
        report.problem(key, "the certificate has expired", "renew it; impact.com may refuse it");
    } else if not_after < report.now.plus(WARN_BEFORE) {
        let days = not_after.since(report.now).as_secs() / (24 * 3600);
        let what = format!("the certificate expires in {days} days");
        report.warn(key, what, "renew it now; postgate takes the new file without a restart");
    }
    if report.now < not_before {
        let mend = "check the clock of this machine, or wait";
        report.warn(key, "the certificate is not valid yet", mend);
    }
    Some(Certificate { names: names(&parsed), not_after })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names: Vec<String> = alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    if names.is_empty() { vec![certificate.subject().to_string()] } else { names }
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

    const DAY: Duration = Duration::from_hours(24);

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
        let (certificate, _) = files.read("one.crt", "one.key", Timestamp::default());
        files.not_after = certificate.expect("a certificate").not_after;
        files
    }

    impl Files {
        fn read(&self, crt: &str, key: &str, now: Timestamp) -> (Option<Certificate>, Report) {
            let mut report = report_in(self.folder.path());
            report.now = now;
            let (crt, key) = (report.path(crt), report.path(key));
            let (crt_key, key_key) = (Key::top("crt"), Key::top("key"));
            let certificate = identity((&crt_key, &crt), (&key_key, &key), &mut report);
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

        let (_, report) = files.read("one.crt", "two.key", Timestamp::default());
        let keys: Vec<_> = report.problems.iter().map(|problem| &problem.key).collect();
        assert_eq!(keys, ["key"]);

        let (_, report) = files.read("one.key", "two.crt", Timestamp::default());
        assert_eq!(report.problems.len(), 2, "each file has no item of the other's kind");
        assert!(report.problems[0].what.ends_with("has no certificate"));
    }

    #[test]
    fn the_end_is_told_fourteen_days_before() {
        let files = files();
        let found = |now: Timestamp| {
            let (_, report) = files.read("one.crt", "one.key", now);
            let expires = |warning: &&super::super::Problem| warning.what.contains("expires");
            (report.problems.len(), report.warnings.iter().filter(expires).count())
        };
        let before = |by: Duration| {
            let by = u64::try_from(by.as_millis()).expect("small");
            Timestamp::from_millis(files.not_after.as_millis() - by)
        };
        assert_eq!(found(before(DAY * 14)), (0, 0));
        assert_eq!(found(before(DAY * 13)), (0, 1));
        assert_eq!(found(files.not_after), (0, 1));
        assert_eq!(found(files.not_after.plus(Duration::from_secs(1))), (1, 0));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_for_everybody_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let files = files();
        let told = |mode: u32| {
            let path = files.folder.path().join("one.key");
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).expect("set");
            let (_, report) = files.read("one.crt", "one.key", Timestamp::default());
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
        authorities(&Key::top("ca"), &good, &mut report);
        assert_eq!(report.problems.len(), 0);
        authorities(&Key::top("ca"), &bad, &mut report);
        assert_eq!(report.problems.len(), 1);
    }
}
