//! `[tls]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::ServerName;

use super::certificate::{self, Certificate};
use super::key::Key;
use super::limits::Limits;
use super::raw::RawTls;
use super::report::Report;
use super::word::word;
use crate::net::{ClientSettings, TlsMode, TlsSettings};

/// Each is compared with the certificate of every client.
const MOST_NAMES: usize = 100;

#[derive(Clone, Copy)]
enum Mode {
    Files,
    SelfSigned,
    Off,
}

/// The settings, and what the certificate says of itself where there is one in a file.
pub(super) fn tls(
    raw: &RawTls,
    listen: Option<SocketAddr>,
    limits: &Limits,
    report: &mut Report,
) -> (Option<TlsSettings>, Option<Certificate>) {
    let key = Key::top("tls").child("mode");
    let modes = [("files", Mode::Files), ("self-signed", Mode::SelfSigned), ("off", Mode::Off)];
    let (mode, certificate) = match word(report, &key, &raw.mode, &modes) {
        Some(Mode::Files) => files(raw, report).unzip(),
        Some(Mode::SelfSigned) => (self_signed(raw, listen, &key, report), None),
        Some(Mode::Off) => {
            let mend = "leave it so only when something in front of postgate ends TLS";
            report.warn(&key, "postbacks and their secrets arrive in clear text", mend);
            (Some(TlsMode::Off), None)
        }
        None => (None, None),
    };
    let ca = Key::top("tls").child("client_ca");
    if raw.mode != "files" && !raw.client_ca.is_empty() {
        let mend = "use mode = \"files\", or set client_ca = \"\"";
        report.problem(&ca, "asks for client certificates, which this mode cannot", mend);
    }
    names_without_authority(raw, report);
    (settings(mode, limits), certificate)
}

fn settings(mode: Option<TlsMode>, limits: &Limits) -> Option<TlsSettings> {
    let (handshake_time, handshakes) = (limits.handshake_time?, limits.handshakes?);
    Some(TlsSettings { mode: mode?, handshake_time, handshakes })
}

fn files(raw: &RawTls, report: &mut Report) -> Option<(TlsMode, Certificate)> {
    let key = |name: &str| Key::top("tls").child(name);
    let certificate = path(&raw.certificate, &key("certificate"), report);
    let private_key = path(&raw.private_key, &key("private_key"), report);
    let client_ca = (!raw.client_ca.is_empty()).then(|| report.path(&raw.client_ca));
    let names = names(&raw.client_names, &key("client_names"), report);

    let clients = client_ca.and_then(|path| {
        report.watch(&path);
        let authorities = certificate::authorities(&key("client_ca"), &path, report)?;
        Some(ClientSettings { authorities: Arc::new(authorities), names })
    });
    let (chain, secret) = (certificate?, private_key?);
    let (chain, secret) = ((&key("certificate"), &*chain), (&key("private_key"), &*secret));
    let certificate = identity(chain, secret, report)?;
    let pair = certificate.pair.clone();
    Some((TlsMode::Files { pair, clients }, certificate))
}

/// The certificate of these files; or the one that is in force already, where they cannot be used.
fn identity(
    (chain_key, chain): (&Key, &Path),
    (secret_key, secret): (&Key, &Path),
    report: &mut Report,
) -> Option<Certificate> {
    report.watch(chain);
    report.watch(secret);
    let in_force = report.in_force.certificate.take();
    report.or_last(in_force, |report| {
        let (chain, secret) = ((chain_key, chain), (secret_key, secret));
        certificate::identity(chain, secret, "impact.com", report)
    })
}

/// Names alone would let everybody in.
fn names_without_authority(raw: &RawTls, report: &mut Report) {
    if raw.client_ca.is_empty() && !raw.client_names.is_empty() {
        let mend = "name the PEM file of their authority in client_ca, or list no names";
        let key = Key::top("tls").child("client_names");
        report.problem(&key, "has names, and no authority vouches for them", mend);
    }
}

fn names(texts: &[String], key: &Key, report: &mut Report) -> Vec<ServerName<'static>> {
    if texts.len() > MOST_NAMES {
        let what = format!("has {} names", texts.len());
        report.problem(key, what, format!("list {MOST_NAMES} at most"));
    }
    let mut names = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match ServerName::try_from(text.as_str()) {
            Ok(name) => names.push(name.to_owned()),
            Err(_) => report.problem(
                &key.at(index),
                format!("{text:?} is neither a DNS name nor an address"),
                "write a name as it stands in the certificate, such as \"sender.example\"",
            ),
        }
    }
    names
}

fn self_signed(
    raw: &RawTls,
    listen: Option<SocketAddr>,
    key: &Key,
    report: &mut Report,
) -> Option<TlsMode> {
    let away = listen.is_some_and(|address| !address.ip().is_loopback());
    if away && !raw.self_signed_anywhere {
        report.problem(
            key,
            "\"self-signed\" is for loopback addresses: impact.com would not trust the certificate",
            "use mode = \"files\", or force it with self_signed_anywhere = true",
        );
        return None;
    }
    if away {
        let mend = "use mode = \"files\" with a certificate that impact.com trusts";
        report.warn(key, "a self-signed certificate is shown to everybody", mend);
    }
    Some(TlsMode::SelfSigned)
}

fn path(text: &str, key: &Key, report: &mut Report) -> Option<PathBuf> {
    if text.is_empty() {
        report.problem(key, "is empty", "name the PEM file, or choose another tls.mode");
        return None;
    }
    Some(report.path(text))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, report, settings};
    use super::*;

    #[test]
    fn self_signed_stays_at_home_unless_forced() {
        let away = ("listen.address", "\"0.0.0.0:8443\"");
        let mode = ("tls.mode", "\"self-signed\"");
        assert_eq!(problems(&[away, mode]), ["tls.mode"]);
        assert_eq!(problems(&[("listen.address", "\"[::1]:8443\""), mode]), [""; 0]);
        let forced = settings(&[away, mode, ("tls.self_signed_anywhere", "true")]);
        assert!(forced.warnings.iter().any(|warning| warning.key == "tls.mode"));
    }

    #[test]
    fn clear_text_is_never_silent() {
        let settings = settings(&[("tls.mode", "\"off\"")]);
        assert!(settings.warnings.iter().any(|warning| warning.key == "tls.mode"));
    }

    #[test]
    fn client_certificates_are_not_forgotten() {
        let keys = problems(&[("tls.client_ca", "\"ca.pem\"")]);
        assert_eq!(keys, ["tls.client_ca"], "the mode is off");
    }

    #[test]
    fn files_must_be_there() {
        let keys = problems(&[("tls.mode", "\"files\"")]);
        assert_eq!(keys, ["tls.certificate", "tls.private_key"]);
        let keys = problems(&[
            ("tls.mode", "\"files\""),
            ("tls.certificate", "\"\""),
            ("tls.private_key", "\"\""),
            ("tls.client_ca", "\"ca.pem\""),
        ]);
        assert_eq!(keys, ["tls.certificate", "tls.client_ca", "tls.private_key"]);
    }

    #[test]
    fn names_of_clients_are_read_and_need_an_authority() {
        let read = |texts: &[String]| {
            let mut report = report();
            let read = names(texts, &Key::top("tls").child("client_names"), &mut report);
            let keys: Vec<_> = report.problems.iter().map(|problem| problem.key.clone()).collect();
            (read.len(), keys)
        };
        let owned =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let good = owned(&["sender.example", "192.0.2.7", "2001:db8::1", "localhost"]);
        assert_eq!(read(&good), (4, vec![]));
        for text in ["", "a b", "-a.example", "*.example", "https://a.example", "a.example:443"] {
            let keys = vec!["tls.client_names[1]".to_owned()];
            assert_eq!(read(&owned(&["a.example", text])), (1, keys), "{text:?}");
        }
        let many = |count| vec!["a.example".to_owned(); count];
        assert_eq!(read(&many(MOST_NAMES)), (MOST_NAMES, vec![]));
        assert_eq!(read(&many(MOST_NAMES + 1)).1, ["tls.client_names"]);
        assert_eq!(problems(&[("tls.client_names", "[\"a.example\"]")]), ["tls.client_names"]);
    }
}
