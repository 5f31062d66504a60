//! Who may ask the admin listener: whoever knows the token, or, where there is none, whoever is on
//! this machine and no web page of somebody else.

use std::fmt;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// What is asked for as `Authorization: Bearer ...`, if anything is.
pub(super) struct Token(Option<SecretString>);

impl Token {
    pub(super) fn new(text: Option<&str>) -> Self {
        Self(text.map(Into::into))
    }

    /// Whether nothing is asked for.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a request may come in. In a time that depends on lengths alone.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.0 else {
            return true;
        };
        // More than one `Authorization` is not valid (RFC 9110, 5.3); choosing one would be
        // guessing.
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else {
            return false;
        };
        let token = token.expose_secret().as_bytes();
        bearer(value.as_bytes()).is_some_and(|text| token.ct_eq(text).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() { "None" } else { "Token(…)" })
    }
}

/// What browsers say of where a request comes from (Fetch Metadata, 2.3); they let no page set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether no web page of somebody else can be behind this request. A browser on the operator's
/// machine reaches loopback too: it tells the page in `Origin`, or for a plain GET, which has none,
/// that it is another site in `Sec-Fetch-Site`, or, when a foreign name was made to mean loopback, that
/// name in `Host`.
pub(super) fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let named = host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse::<IpAddr>().is_ok()
    });
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    let typed = sites.all(|site| matches!(site.as_bytes(), b"none" | b"same-origin"));
    named && typed && !headers.contains_key(ORIGIN)
}

/// The token of `Bearer TOKEN`; the scheme in any letter case (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_web_page_of_somebody_else_is_not_local() {
        let local = |fields: &[(&str, &str)]| {
            let mut request = Request::builder();
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            is_local(request.body(()).unwrap().headers())
        };
        for host in ["127.0.0.1:9900", "localhost", "[::1]:9900"] {
            assert!(local(&[("host", host)]), "{host}");
        }
        for host in ["evil.example:9900", "localhost.evil.example", ""] {
            assert!(!local(&[("host", host)]), "{host}");
        }
        assert!(!local(&[]));
        assert!(!local(&[("host", "127.0.0.1:9900"), ("origin", "https://evil.example")]));
        for (site, good) in [
            ("none", true),
            ("same-origin", true),
            ("same-site", false),
            ("cross-site", false),
            ("", false),
        ] {
            let fields = [("host", "127.0.0.1:9900"), ("sec-fetch-site", site)];
            assert_eq!(local(&fields), good, "{site}");
            let twice = [("sec-fetch-site", "none"), fields[0], fields[1]];
            assert_eq!(local(&twice), good, "{site}");
        }
    }
}
