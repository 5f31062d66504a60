//! Headers that go with every request to an upstream.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::key::Key;
use super::report::Report;
use super::secret;
use crate::deliver::reserved_header;

/// The headers, with the secrets they name; `None` when one has a problem.
pub(super) fn headers(
    raw: &BTreeMap<String, String>,
    key: &Key,
    report: &mut Report,
) -> Option<Vec<(HeaderName, SecretString)>> {
    let mut headers: Vec<(HeaderName, SecretString)> = Vec::with_capacity(raw.len());
    let mut whole = true;
    for (name, text) in raw {
        let key = key.child(name);
        match header(name, text, &key, report) {
            Some((name, _)) if headers.iter().any(|(known, _)| *known == name) => {
                report.problem(&key, "is there twice, in other letter case", "remove one");
            }
            Some(header) => headers.push(header),
            None => whole = false,
        }
    }
    whole.then_some(headers)
}

fn header(
    name: &str,
    text: &str,
    key: &Key,
    report: &mut Report,
) -> Option<(HeaderName, SecretString)> {
    let value = secret::secret(report, key, text);
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
        report.problem(key, "is no header name", "use letters, digits and - alone");
        return None;
    };
    if reserved_header(&name) {
        report.problem(key, "is set by postgate itself", "remove it");
        return None;
    }
    let value = value?;
    if HeaderValue::from_str(value.expose_secret()).is_err() {
        let what = "has characters that a header cannot carry";
        report.problem(key, what, "use printable ASCII without line breaks");
        return None;
    }
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::tests::{problems, settings};

    #[test]
    fn headers_are_checked_and_read_from_where_they_are() {
        let good = settings(&[("upstream.headers", r#"{ Authorization = "env:TOKEN" }"#)]);
        let headers = &good.routes[0].deliver.upstream.headers;
        assert_eq!(headers[0].0, "authorization");
        assert_eq!(headers[0].1.expose_secret(), "t0ken");
        let bad = r#"{ "a b" = "x", X-Ok = "a\nb", Ce-Id = "1", TE = "x", X-Two = "1",
            x-two = "2", X-No = "env:NO" }"#;
        let expected = ["Ce-Id", "TE", "X-No", "X-Ok", "a b", "x-two"];
        let mut found = problems(&[("upstream.headers", bad)]);
        found.sort();
        assert_eq!(found, expected.map(|name| format!("upstream.headers.{name}")));
    }
}
