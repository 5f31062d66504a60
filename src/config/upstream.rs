//! `[upstream]` and `[retry]`, for all routes and for each route alone.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use rustls::RootCertStore;
use secrecy::{ExposeSecret as _, SecretString};

use super::key::Key;
use super::quantity::{amount, count, duration};
use super::raw::{RawRetry, RawUpstream};
use super::report::Report;
use super::word::word;
use super::{certificate, headers, secret, target};
use crate::deliver::{Envelope, RetrySettings, UpstreamSettings, UpstreamTls, UpstreamUrl};
use crate::net::Pair;

const DAY: Duration = Duration::from_hours(24);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(10);
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY.saturating_mul(7);
/// A longer one would leave an upstream idle that has been back for hours.
const BREAKER_PAUSES: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_hours(1);
const AGES: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY.saturating_mul(366);

/// Every key of `[upstream]` and `[retry]` after reading. `None` is a key with a problem or, where
/// the settings have an `Option` too, one that is left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    url: Option<UpstreamUrl>,
    method: Option<Method>,
    timeout: Option<Duration>,
    headers: Option<Vec<(HeaderName, SecretString)>>,
    ca: Option<Arc<RootCertStore>>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    /// What is in these two.
    identity: Option<Pair>,
    max_in_flight: Option<usize>,
    breaker_failures: Option<u32>,
    breaker_pause: Option<Duration>,
    signing_secret: Option<SecretString>,
    envelope: Option<Envelope>,
    initial: Option<Duration>,
    max: Option<Duration>,
    factor: Option<f64>,
    max_age: Option<Duration>,
    max_attempts: Option<u32>,
    direct_time: Option<Duration>,
}

impl Draft {
    /// This draft with the keys that `upstream` and `retry` set; their names begin with the keys
    /// given. What belongs together is checked together where one of it is set.
    pub(super) fn with(
        &self,
        (upstream_key, upstream): (&Key, &RawUpstream),
        (retry_key, retry): (&Key, &RawRetry),
        report: &mut Report,
    ) -> Self {
        let mut draft = self.clone();
        draft.read_target(upstream_key, upstream, report);
        draft.read_request(upstream_key, upstream, report);
        draft.read_retry(retry_key, retry, report);
        if upstream.client_certificate.is_some() || upstream.client_key.is_some() {
            draft.identity = draft.read_identity(upstream_key, report);
        }
        if upstream.url.is_some() || upstream.ca.is_some() || upstream.client_certificate.is_some()
        {
            draft.check_scheme(upstream_key, report);
        }
        if retry.initial.is_some() || retry.max.is_some() {
            draft.check_pauses(retry_key, report);
        }
        draft
    }

    /// The settings; `None` when a key has a problem.
    pub(super) fn settings(self) -> Option<(UpstreamSettings, RetrySettings)> {
        let upstream = UpstreamSettings {
            url: self.url?,
            method: self.method?,
            timeout: self.timeout?,
            headers: self.headers?,
            tls: UpstreamTls { ca: self.ca, identity: self.identity.map(|pair| pair.key()) },
            max_in_flight: self.max_in_flight?,
            breaker_failures: self.breaker_failures?,
            breaker_pause: self.breaker_pause?,
            signing_secret: self.signing_secret,
            envelope: self.envelope?,
        };
        let retry = RetrySettings {
            initial: self.initial?,
            max: self.max?,
            factor: self.factor?,
            max_age: self.max_age?,
            max_attempts: self.max_attempts,
            direct_time: self.direct_time?,
        };
        Some((upstream, retry))
    }

    fn read_target(&mut self, at: &Key, raw: &RawUpstream, report: &mut Report) {
        if let Some(text) = &raw.url {
            self.url = target::url(text, &at.child("url"), report);
        }
        if let Some(text) = &raw.ca {
            let path = optional_path(text, report);
            self.ca = path.and_then(|path| authorities(&at.child("ca"), path, report));
        }
        if let Some(text) = &raw.client_certificate {
            self.client_certificate = optional_path(text, report);
        }
        if let Some(text) = &raw.client_key {
            self.client_key = optional_path(text, report);
        }
    }

    fn read_request(&mut self, at: &Key, raw: &RawUpstream, report: &mut Report) {
        if let Some(text) = &raw.method {
            self.method = method(text, &at.child("method"), report);
        }
        if let Some(text) = &raw.timeout {
            self.timeout = duration(report, &at.child("timeout"), text, TIMEOUTS);
        }
        if let Some(raw) = &raw.headers {
            self.headers = headers::headers(raw, &at.child("headers"), report);
        }
        if let Some(number) = raw.max_in_flight {
            self.max_in_flight = amount(report, &at.child("max_in_flight"), number, 1..=10_000);
        }
        if let Some(number) = raw.breaker_failures {
            let failures = count(report, &at.child("breaker_failures"), number, 0..=1000);
            self.breaker_failures = failures.and_then(|failures| u32::try_from(failures).ok());
        }
        if let Some(text) = &raw.breaker_pause {
            self.breaker_pause = duration(report, &at.child("breaker_pause"), text, BREAKER_PAUSES);
        }
        if let Some(text) = &raw.signing_secret {
            self.signing_secret = signing_secret(text, &at.child("signing_secret"), report);
        }
        if let Some(text) = &raw.envelope {
            let envelopes = [("none", Envelope::None), ("cloudevents", Envelope::CloudEvents)];
            self.envelope = word(report, &at.child("envelope"), text, &envelopes);
        }
    }

    fn read_retry(&mut self, at: &Key, raw: &RawRetry, report: &mut Report) {
        if let Some(text) = &raw.initial {
            self.initial = duration(report, &at.child("initial"), text, PAUSES);
        }
        if let Some(text) = &raw.max {
            self.max = duration(report, &at.child("max"), text, PAUSES);
        }
        if let Some(number) = raw.factor {
            self.factor = factor(number, &at.child("factor"), report);
        }
        if let Some(text) = &raw.max_age {
            self.max_age = duration(report, &at.child("max_age"), text, AGES);
        }
        if let Some(number) = raw.max_attempts {
            let key = at.child("max_attempts");
            let number = count(report, &key, number, 0..=u64::from(u32::MAX));
            let number = number.and_then(|number| u32::try_from(number).ok());
            self.max_attempts = number.filter(|number| *number > 0);
        }
        if let Some(text) = &raw.direct_time {
            self.direct_time = duration(report, &at.child("direct_time"), text, TIMEOUTS);
        }
    }

    fn read_identity(&self, at: &Key, report: &mut Report) -> Option<Pair> {
        let (chain, secret) = (at.child("client_certificate"), at.child("client_key"));
        match (&self.client_certificate, &self.client_key) {
            (Some(chain_path), Some(secret_path)) => {
                return identity((&chain, chain_path), (&secret, secret_path), report);
            }
            (Some(_), None) => {
                report.problem(&secret, "is empty", "name the key of client_certificate");
            }
            (None, Some(_)) => {
                report.problem(&chain, "is empty", "name the certificate of client_key");
            }
            (None, None) => {}
        }
        None
    }

    fn check_scheme(&self, at: &Key, report: &mut Report) {
        let secure = match &self.url {
            Some(UpstreamUrl::Http(uri)) => uri.scheme_str() == Some("https"),
            Some(UpstreamUrl::Unix { .. }) => false,
            None => return,
        };
        for (name, set) in
            [("ca", self.ca.is_some()), ("client_certificate", self.client_certificate.is_some())]
        {
            if set && !secure {
                let what = "has no effect: the url is not https";
                report.warn(&at.child(name), what, "use https in url, or leave this empty");
            }
        }
    }

    fn check_pauses(&self, at: &Key, report: &mut Report) {
        if let (Some(initial), Some(max)) = (self.initial, self.max)
            && initial > max
        {
            let what = "is longer than the longest pause (max)";
            report.problem(&at.child("initial"), what, "lower initial, or raise max");
        }
    }
}

/// The authorities of this file; or those that were last in it.
fn authorities(key: &Key, path: PathBuf, report: &mut Report) -> Option<Arc<RootCertStore>> {
    let last = report.in_force.upstreams.authorities.get(&path).cloned();
    let read = |report: &mut Report| certificate::authorities(key, &path, report).map(Arc::new);
    let found = report.or_last(last, read)?;
    report.upstream_files.authorities.insert(path, Arc::clone(&found));
    Some(found)
}

/// The certificate and the key of these files; or those that were last in them.
fn identity(chain: (&Key, &Path), secret: (&Key, &Path), report: &mut Report) -> Option<Pair> {
    let files = (chain.1.to_owned(), secret.1.to_owned());
    let last = report.in_force.upstreams.identities.get(&files).cloned();
    let found = report.or_last(last, |report| {
        certificate::identity(chain, secret, "the upstream", report).map(|found| found.pair)
    })?;
    report.upstream_files.identities.insert(files, found.clone());
    Some(found)
}

fn optional_path(text: &str, report: &mut Report) -> Option<PathBuf> {
    let path = (!text.is_empty()).then(|| report.path(text))?;
    report.watch(&path);
    Some(path)
}

fn method(text: &str, key: &Key, report: &mut Report) -> Option<Method> {
    // The body is the event: methods that have none, or mean something to proxies, cannot carry it.
    let methods = [Method::POST, Method::PUT, Method::PATCH];
    let choices = methods.map(|method| (method.to_string(), method));
    let choices = choices.each_ref().map(|(word, method)| (word.as_str(), method.clone()));
    word(report, key, text, &choices)
}

/// `None` means that nothing is signed.
fn signing_secret(text: &str, key: &Key, report: &mut Report) -> Option<SecretString> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let secret = secret::optional(report, key, text)?;
    // Standard Webhooks, "Signature scheme": `whsec_` stands before a secret in base64.
    let encoded = secret.expose_secret().strip_prefix("whsec_");
    if let Some(encoded) = encoded
        && !STANDARD.decode(encoded).is_ok_and(|bytes| !bytes.is_empty())
    {
        let what = "begins with whsec_ and does not go on in base64";
        report.problem(key, what, "copy it whole, or use a plain text without whsec_");
        return None;
    }
    Some(secret)
}

fn factor(number: f64, key: &Key, report: &mut Report) -> Option<f64> {
    if (1.0..=100.0).contains(&number) {
        return Some(number);
    }
    let mend = "write a number from 1.0 (always the same pause) to 100.0";
    report.problem(key, format!("{number} is out of bounds"), mend);
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, settings};

    #[test]
    fn bounds() {
        for (key, at, past) in [
            ("upstream.timeout", "\"10ms\"", "\"9ms\""),
            ("upstream.timeout", "\"600s\"", "\"601s\""),
            ("upstream.max_in_flight", "1", "0"),
            ("upstream.max_in_flight", "10000", "10001"),
            ("upstream.breaker_failures", "0", "-1"),
            ("upstream.breaker_failures", "1000", "1001"),
            ("upstream.breaker_pause", "\"10ms\"", "\"9ms\""),
            ("upstream.breaker_pause", "\"1h\"", "\"61m\""),
            ("retry.factor", "1.0", "0.99"),
            ("retry.factor", "100", "100.1"),
            ("retry.factor", "2", "nan"),
            ("retry.initial", "\"1ms\"", "\"0s\""),
            ("retry.max", "\"7d\"", "\"169h\""),
            ("retry.max_age", "\"1s\"", "\"999ms\""),
            ("retry.max_attempts", "4294967295", "4294967296"),
            ("retry.direct_time", "\"10ms\"", "\"9ms\""),
            ("retry.direct_time", "\"600s\"", "\"601s\""),
        ] {
            assert_eq!(problems(&[(key, at)]), [""; 0], "{key} = {at}");
            assert_eq!(problems(&[(key, past)]), [key], "{key} = {past}");
        }
        let equal = [("retry.initial", "\"5s\""), ("retry.max", "\"5s\"")];
        assert_eq!(problems(&equal), [""; 0]);
        let crossed = [equal[0], ("retry.max", "\"4s\"")];
        assert_eq!(problems(&crossed), ["retry.initial"]);
    }

    #[test]
    fn a_signing_secret_must_decode() {
        for good in ["\"\"", "\"plain\"", "\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\""] {
            assert_eq!(problems(&[("upstream.signing_secret", good)]), [""; 0], "{good}");
        }
        for bad in ["\"whsec_\"", "\"whsec_***\""] {
            let keys = problems(&[("upstream.signing_secret", bad)]);
            assert_eq!(keys, ["upstream.signing_secret"], "{bad}");
        }
    }

    #[test]
    fn words_have_a_nearest() {
        assert_eq!(problems(&[("upstream.method", "\"post\"")]), ["upstream.method"]);
        assert_eq!(problems(&[("upstream.method", "\"PUT\"")]), [""; 0]);
        assert_eq!(problems(&[("upstream.envelope", "\"cloudevent\"")]), ["upstream.envelope"]);
    }

    #[test]
    fn an_identity_is_two_files() {
        let key = problems(&[("upstream.client_certificate", "\"c.pem\"")]);
        assert_eq!(key, ["upstream.client_key"]);
        let key = problems(&[("upstream.client_key", "\"k.pem\"")]);
        assert_eq!(key, ["upstream.client_certificate"]);
    }

    #[test]
    fn certificates_for_clear_text_are_told() {
        let told = |url: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            let made = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]);
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, made.expect("a certificate").cert.pem()).expect("written");
            let ca = format!("{:?}", path.display().to_string());
            let set = settings(&[("upstream.ca", &ca), ("upstream.url", url)]);
            set.warnings.iter().any(|warning| warning.key == "upstream.ca")
        };
        assert!(told("\"http://shop.example/\""));
        assert!(!told("\"https://shop.example/\""));
    }
}
