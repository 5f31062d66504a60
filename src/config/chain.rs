//! What a chain of certificates says of itself. Each is looked at: a client that meets one that it cannot
//! use on the way to its authority turns away, however good the first is.

use rustls::pki_types::CertificateDer;
use x509_parser::error::X509Error;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::key::Key;
use super::report::Report;
use crate::clock::Timestamp;
use crate::net::validity;
use crate::telemetry::WARN_DAYS;

/// What a chain says of itself.
#[derive(Debug)]
pub(super) struct Told {
    /// The names that its first certificate is for, as in a browser; its subject when it names none.
    pub(super) names: Vec<String>,
    /// The last moment at which all of it is valid.
    pub(super) not_after: Timestamp,
}

/// Looks at every certificate of a chain, which `shown_to` looks at, too. `None` after a problem that
/// leaves nothing to be told.
pub(super) fn look(
    key: &Key,
    chain: &[CertificateDer<'_>],
    shown_to: &str,
    report: &mut Report,
) -> Option<Told> {
    let mut parsed = Vec::with_capacity(chain.len());
    for (certificate, number) in chain.iter().zip(1..) {
        match X509Certificate::from_der(certificate) {
            Ok((rest, certificate)) if rest.is_empty() && is_of_one_mind(&certificate) => {
                parsed.push(certificate);
            }
            _ => {
                let what = format!("{} is damaged", called(number));
                report.problem(key, what, "ask for a new one from whoever issued it");
            }
        }
    }
    if parsed.len() < chain.len() {
        return None;
    }
    for (certificate, number) in parsed.iter().zip(1..) {
        check_time(key, certificate, number, shown_to, report);
        check_issuer(key, certificate, number, &parsed, report);
    }
    let not_after = parsed.iter().map(|certificate| validity(certificate).1).min()?;
    Some(Told { names: names(parsed.first()?), not_after })
}

/// The first one is what people mean by "the certificate".
fn called(number: usize) -> String {
    match number {
        1 => "the certificate".to_owned(),
        _ => format!("certificate {number} of the chain"),
    }
}

fn check_time(
    key: &Key,
    certificate: &X509Certificate<'_>,
    number: usize,
    shown_to: &str,
    report: &mut Report,
) {
    let (not_before, not_after) = validity(certificate);
    let called = called(number);
    let renew = match number {
        1 => "renew it",
        _ => "put the one that its issuer hands out now in its place",
    };
    let days = not_after.since(report.now).as_secs() / (24 * 3600);
    if not_after < report.now {
        let mend = format!("{renew}; {shown_to} may refuse it");
        report.problem(key, format!("{called} has expired"), mend);
    } else if days < u64::from(WARN_DAYS) {
        let mend = format!("{renew} now; postgate takes the new file without a restart");
        report.warn(key, format!("{called} expires in {days} days"), mend);
    }
    if report.now < not_before {
        let mend = "check the clock of this machine, or wait";
        report.problem(key, format!("{called} is not valid yet"), mend);
    }
}

/// Whether one that the chain says has issued another really has. A client may know one that is not
/// there.
fn check_issuer(
    key: &Key,
    certificate: &X509Certificate<'_>,
    number: usize,
    chain: &[X509Certificate<'_>],
    report: &mut Report,
) {
    // One that may not issue can have the name of one that does, in a chain of somebody's own.
    let is_named =
        |issuer: &&X509Certificate<'_>| issuer.subject() == certificate.issuer() && issuer.is_ca();
    let named: Vec<_> = chain.iter().filter(is_named).collect();
    // A kind of signature that cannot be checked here is nothing against it.
    let denies = |issuer: &&X509Certificate<'_>| {
        let verified = certificate.verify_signature(Some(issuer.public_key()));
        matches!(verified, Err(X509Error::SignatureVerificationError))
    };
    if named.is_empty() && number < chain.len() {
        let what = format!("the issuer of {} is not in the chain, and others are", called(number));
        let mend =
            "take all of the chain from the issuer: a client that does not know it turns away";
        report.warn(key, what, mend);
    } else if !named.is_empty() && named.iter().all(denies) {
        let what =
            format!("{} is not signed by the one that the chain names for it", called(number));
        let mend =
            "one of the two is damaged, or of another chain: take all of the chain from its issuer";
        report.problem(key, what, mend);
    }
}

/// The kind of signature stands in it twice (RFC 5280, 4.1.1.2).
fn is_of_one_mind(certificate: &X509Certificate<'_>) -> bool {
    certificate.signature_algorithm == certificate.tbs_certificate.signature
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::super::tests::report;
    use super::*;

    const DAY_MILLIS: u64 = 24 * 3600 * 1000;
    const YEAR: i32 = 2026;
    /// What is left of the last second when it begins.
    const LAST: Duration = Duration::from_millis(999);

    /// In January of [`YEAR`].
    fn january(day: u8) -> Timestamp {
        let since = rcgen::date_time_ymd(YEAR, 1, day) - rcgen::date_time_ymd(1970, 1, 1);
        Timestamp::from_millis(u64::try_from(since.whole_days()).unwrap() * DAY_MILLIS)
    }

    /// Good from the one day to the other.
    fn params(name: &str, from: u8, to: u8) -> CertificateParams {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(YEAR, 1, from);
        params.not_after = rcgen::date_time_ymd(YEAR, 1, to);
        params
    }

    fn authority(name: &str, from: u8, to: u8) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = params(name, from, to);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// One of "shop.example" by this authority, then the authority's.
    fn chain(
        issuer: &CertifiedIssuer<'static, KeyPair>,
        (from, to): (u8, u8),
    ) -> Vec<CertificateDer<'static>> {
        let key = KeyPair::generate().unwrap();
        let leaf = params("shop.example", from, to).signed_by(&key, issuer).unwrap();
        vec![leaf.der().clone(), issuer.der().clone()]
    }

    fn looked(chain: &[CertificateDer<'_>], now: Timestamp) -> (Option<Told>, Vec<String>, Report) {
        let mut report = report();
        report.now = now;
        let told = look(&Key::top("crt"), chain, "a client", &mut report);
        let problems = report.problems.iter().map(|problem| problem.what.clone()).collect();
        (told, problems, report)
    }

    #[test]
    fn the_earliest_end_and_the_latest_begin_count() {
        let chain = chain(&authority("ca", 5, 20), (1, 31));
        let at = |day| looked(&chain, january(day));
        let (told, problems, _) = at(5);
        let told = told.unwrap();
        assert_eq!(
            (told.names, told.not_after),
            (vec!["shop.example".to_owned()], january(20).plus(LAST))
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(at(4).1, ["certificate 2 of the chain is not valid yet"]);
        assert_eq!(looked(&chain, january(20).plus(LAST)).1, [""; 0]);
        let over = january(20).plus(Duration::from_secs(1));
        assert_eq!(looked(&chain, over).1, ["certificate 2 of the chain has expired"]);
        let (told, problems, report) = looked(&chain, january(31).plus(Duration::from_secs(1)));
        assert_eq!(told.unwrap().not_after, january(20).plus(LAST));
        assert_eq!(
            problems,
            ["the certificate has expired", "certificate 2 of the chain has expired"]
        );
        assert!(report.problems[1].mend.contains("its issuer hands out now"));
    }

    #[test]
    fn a_certificate_is_not_good_before_its_day() {
        let chain = chain(&authority("ca", 1, 31), (10, 31));
        assert_eq!(looked(&chain, january(9)).1, ["the certificate is not valid yet"]);
        assert_eq!(looked(&chain, january(10)).1, [""; 0]);
    }

    #[test]
    fn the_end_is_told_fourteen_days_before_whichever_ends() {
        for ends in [((1, 31), (1, 30)), ((1, 30), (1, 31))] {
            let ((from, to), leaf) = ends;
            let chain = chain(&authority("ca", from, to), leaf);
            let warned = |day| {
                let (_, problems, report) = looked(&chain, january(day));
                assert_eq!(problems, [""; 0]);
                report.warnings.iter().filter(|one| one.what.contains("expires in")).count()
            };
            assert_eq!([warned(16), warned(17), warned(18)], [0, 1, 2], "{ends:?}");
        }
    }

    #[test]
    fn damage_is_found_in_each() {
        let issuer = authority("ca", 1, 31);
        let chain = chain(&issuer, (1, 31));
        let key = rcgen::PublicKeyData::der_bytes(issuer.key());
        let key_at = chain[1].windows(key.len()).position(|bytes| bytes == key).unwrap() + 9;
        for (damaged, at) in [0, 1].into_iter().flat_map(|damaged| {
            let last = chain[damaged].len() - 1;
            [1, 3, 20, last].map(|at| (damaged, at)).into_iter().chain([(1, key_at)])
        }) {
            let mut bytes = chain[damaged].to_vec();
            bytes[at] ^= 0x01;
            let mut chain = chain.clone();
            chain[damaged] = bytes.into();
            assert_ne!(looked(&chain, january(15)).1, [""; 0], "byte {at} of {damaged}");
        }
        for cut in [0, 100, chain[1].len() - 1] {
            let cut = CertificateDer::from(chain[1][..cut].to_vec());
            let (told, problems, _) = looked(&[chain[0].clone(), cut], january(15));
            assert!(told.is_none());
            assert_eq!(problems, ["certificate 2 of the chain is damaged"]);
        }
    }

    #[test]
    fn what_was_never_signed_by_its_issuer_is_found_and_a_missing_issuer_is_nothing() {
        let (one, other) = (authority("ca", 1, 31), authority("ca", 1, 31));
        let mixed = [chain(&one, (1, 31))[0].clone(), other.der().clone()];
        let (_, problems, _) = looked(&mixed, january(15));
        assert_eq!(
            problems,
            ["the certificate is not signed by the one that the chain names for it"]
        );
        let mut namesake = params("shop.example", 1, 31);
        namesake.distinguished_name = params("ca", 1, 31).distinguished_name;
        let namesake = namesake.signed_by(&KeyPair::generate().unwrap(), &one).unwrap();
        assert_eq!(looked(&[namesake.der().clone()], january(15)).1, [""; 0]);
        let both = [mixed[0].clone(), other.der().clone(), one.der().clone()];
        assert_eq!(looked(&both, january(15)).1, [""; 0], "one of that name has signed it");
        let warned = |chain: &[CertificateDer<'_>]| {
            let (_, problems, report) = looked(chain, january(5));
            assert_eq!(problems, [""; 0], "clients may know it");
            report.warnings.len()
        };
        assert_eq!(warned(&mixed[..1]), 0);
        let stranger = authority("another", 1, 31).der().clone();
        assert_eq!(warned(&[mixed[0].clone(), stranger]), 1);
    }
}
