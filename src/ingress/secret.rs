//! The route's secret: compared in constant time, never kept in the clear, never forwarded.

use aws_lc_rs::digest::{self, Digest, SHA256};
use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use super::settings::{RouteSecret, SecretPlace};
use super::strict;

/// The digest of what the sender must know. Digests have one length, so that comparing them tells
/// nothing of the secret's length either.
#[derive(Debug)]
pub(super) struct Secret {
    place: SecretPlace,
    expected: Digest,
}

impl Secret {
    pub(super) fn new(settings: &RouteSecret) -> Self {
        let expected = digest::digest(&SHA256, settings.value.expose_secret().as_bytes());
        Self { place: settings.place.clone(), expected }
    }

    /// Whether the request carries the secret, exactly once: two of them would be somebody's
    /// attempt to have one overlooked.
    pub(super) fn is_in(&self, head: &Parts) -> bool {
        match &self.place {
            SecretPlace::Header(name) => {
                let mut given = head.headers.get_all(name).iter();
                match (given.next(), given.next()) {
                    (Some(value), None) => self.is(value.as_bytes()),
                    _ => false,
                }
            }
            SecretPlace::Query(name) => {
                let query = strict::received(head).unwrap_or_default();
                let mut given = form_urlencoded::parse(query).filter(|(key, _)| key == name);
                match (given.next(), given.next()) {
                    (Some((_, value)), None) => self.is(value.as_bytes()),
                    _ => false,
                }
            }
        }
    }

    /// Whether this header carries the secret.
    pub(super) fn is_header(&self, name: &HeaderName) -> bool {
        matches!(&self.place, SecretPlace::Header(secret) if secret == name)
    }

    /// The query without the secret, and otherwise as it was sent. `None`: nothing else was in it.
    pub(super) fn out_of_query(&self, query: &[u8]) -> Option<Bytes> {
        let rest = self.without(Bytes::copy_from_slice(query), |_| true);
        (!rest.is_empty()).then_some(rest)
    }

    /// The body without the secret, and otherwise as it was sent: what else looks like that pair may be
    /// anybody's text, and what is converted again must be what came.
    pub(super) fn out_of_body(&self, body: Bytes) -> Bytes {
        self.without(body, |value| self.is(value.trim_end_matches(['\r', '\n']).as_bytes()))
    }

    /// The text without those pairs of the secret's name whose value `goes`.
    fn without(&self, text: Bytes, goes: impl Fn(&str) -> bool) -> Bytes {
        let SecretPlace::Query(name) = &self.place else {
            return text;
        };
        let stays = |pair: &&[u8]| {
            let mut decoded = form_urlencoded::parse(pair);
            !decoded.next().is_some_and(|(key, value)| key == name.as_str() && goes(&value))
        };
        let pairs = || text.split(|&byte| byte == b'&');
        if pairs().all(|pair| stays(&pair)) {
            return text;
        }
        Bytes::from(pairs().filter(stays).collect::<Vec<_>>().join(&b'&'))
    }

    fn is(&self, given: &[u8]) -> bool {
        digest::digest(&SHA256, given).as_ref().ct_eq(self.expected.as_ref()).into()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Request};

    use super::*;

    fn secret(place: SecretPlace) -> Secret {
        Secret::new(&RouteSecret { place, value: "s3 cret+".into() })
    }

    #[test]
    fn a_header_holds_it_exactly_once() {
        let secret = secret(SecretPlace::Header(HeaderName::from_static("x-postback-token")));
        for (given, good) in [
            (vec!["s3 cret+"], true),
            (vec![], false),
            (vec![""], false),
            (vec!["s3 cret"], false),
            (vec!["s3 cret++"], false),
            (vec!["S3 cret+"], false),
            (vec!["s3 cret+", "s3 cret+"], false),
            (vec!["wrong", "s3 cret+"], false),
        ] {
            let mut request = Request::post("/?X-Postback-Token=s3%20cret%2B");
            for value in &given {
                request = request.header("X-Postback-Token", *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(secret.is_in(&head), good, "{given:?}");
        }
    }

    #[test]
    fn a_query_parameter_holds_it_exactly_once() {
        let secret = secret(SecretPlace::Query("token".to_owned()));
        for (query, good) in [
            ("?token=s3%20cret%2B", true),
            ("?a=1&token=s3+cret%2b&b=2", true),
            ("?t%6Fken=s3+cret%2B", true),
            ("", false),
            ("?token", false),
            ("?token=", false),
            ("?Token=s3+cret%2B", false),
            ("?token=s3+cret%2B&token=s3+cret%2B", false),
            ("?token=s3+cret%2B&token=", false),
        ] {
            let request = Request::get(format!("/path{query}")).header("token", "s3 cret+");
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(secret.is_in(&head), good, "{query}");
        }
    }

    #[test]
    fn what_is_kept_of_a_query_is_all_but_the_secret() {
        let in_query = secret(SecretPlace::Query("token".to_owned()));
        for (query, kept) in [
            ("token=s3+cret%2B", None),
            ("a=1&token=s3+cret%2B&b=2&b=%zz", Some("a=1&b=2&b=%zz")),
            ("t%6Fken=s3+cret%2B&&a", Some("&a")),
            ("Token=1&a=token", Some("Token=1&a=token")),
            ("", None),
        ] {
            let kept = kept.map(str::as_bytes);
            assert_eq!(in_query.out_of_query(query.as_bytes()).as_deref(), kept, "{query}");
        }
        let in_header = secret(SecretPlace::Header(HeaderName::from_static("token")));
        assert_eq!(in_header.out_of_query(b"token=1&a").as_deref(), Some(&b"token=1&a"[..]));
    }

    #[test]
    fn what_is_kept_of_a_body_is_all_but_the_secret() {
        let in_query = secret(SecretPlace::Query("token".to_owned()));
        for (body, kept) in [
            ("a=1&token=s3+cret%2B&b=%e9", "a=1&b=%e9"),
            ("token=guess&tok%65n=s3+cret%2B\r\n", "token=guess"),
            ("Token=s&a=token", "Token=s&a=token"),
            ("a b&token=s3%20cret%2B\r\n", "a b"),
            ("a b&token=another", "a b&token=another"),
            (r#"{"u":"/?a=1&token=mine&b=2"}"#, r#"{"u":"/?a=1&token=mine&b=2"}"#),
            (r#"{"u":"/?a=1&token=s3+cret%2b&b=2"}"#, r#"{"u":"/?a=1&b=2"}"#),
        ] {
            let body = Bytes::from_static(body.as_bytes());
            assert_eq!(in_query.out_of_body(body), kept);
        }
        let in_header = secret(SecretPlace::Header(HeaderName::from_static("token")));
        let body = Bytes::from_static(b"token=1&a");
        assert_eq!(in_header.out_of_body(body.clone()), body);
    }
}
