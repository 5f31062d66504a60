//! Certificates and keys: can they be read, do they match, and when does it end.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::key::Key;
use super::report::Report;
use crate::clock::Timestamp;
use crate::net::{Pair, pem};

/// Let's Encrypt renews 30 days before the end; at 14 the renewal has failed for two weeks.
const WARN_BEFORE: Duration = Duration::from_hours(14 * 24);

/// A certificate with its key, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What is shown.
    pub pair: Pair,
    /// The names it is for, as in a browser; its subject when it names none.
    pub names: Vec<String>,
    /// The last moment at which it is valid.
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
    let chain = pem::certificates(chain_path).map_err(|error| {
        let mend = "name a PEM file that starts with -----BEGIN CERTIFICATE-----";
        report.problem(chain_key, error.to_string(), mend);
    });
    let secret = pem::private_key(secret_path).map_err(|error| {
        let mend = "name a PEM file with the private key in clear text";
        report.problem(secret_key, error.to_string(), mend);
    });
    warn_if_open(secret_key, secret_path, report);
    let chain = chain.ok()?;
    let certificate = chain.first()?;
    let told = describe((chain_key, chain_path), certificate, shown_to, report);
    match Pair::new(chain, secret.ok()?) {
        Ok(pair) => told.map(|(names, not_after)| Certificate { pair, names, not_after }),
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
    let read = pem::certificates(path);
    let read = read.map_err(|error| report.problem(key, error.to_string(), mend)).ok()?;
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

/// The names that a certificate is for, and its last moment.
fn describe(
    (key, path): (&Key, &Path),
    certificate: &CertificateDer<'_>,
    shown_to: &str,
    report: &mut Report,
) -> Option<(Vec<String>, Timestamp)> {
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
        let mend = format!("renew it; {shown_to} may refuse it");
        report.problem(key, "the certificate has expired", mend);
    } else if not_after < report.now.plus(WARN_BEFORE) {
        let days = not_after.since(report.now).as_secs() / (24 * 3600);
        let what = format!("the certificate expires in {days} days");
        report.warn(key, what, "renew it now; postgate takes the new file without a restart");
    }
    if report.now < not_before {
        let mend = "check the clock of this machine, or wait";
        report.warn(key, "the certificate is not valid yet", mend);
    }
    Some((names(&parsed), not_after))
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

    #[test]
    fn a_key_for_everybody_is_told() {
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
        let read = authorities(&Key::top("ca"), &good, &mut report);
        assert_eq!((read.map(|roots| roots.len()), report.problems.len()), (Some(1), 0));
        assert!(authorities(&Key::top("ca"), &bad, &mut report).is_none());
        assert_eq!(report.problems.len(), 1);
    }
}
