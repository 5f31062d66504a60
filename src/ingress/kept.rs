//! What of a request's head is kept with a request that was not understood: what tells by which
//! software and on which way it came. Never: the secret, credentials, cookies.

use http::HeaderMap;
use http::header::{HeaderName, USER_AGENT, VIA};

use super::secret::Secret;
use crate::spool::Header;

/// Names by which a log of somebody else's can be searched for the request.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The type of the body is kept beside these.
const KEPT: [HeaderName; 4] = [USER_AGENT, VIA, X_REQUEST_ID, TRACEPARENT];

/// More of a value explains nothing.
const MOST_VALUE_BYTES: usize = 256;

/// The first of each name, as received, as far as it is kept.
pub(super) fn headers(headers: &HeaderMap, secret: Option<&Secret>) -> Vec<Header> {
    let is_secret = |name: &HeaderName| secret.is_some_and(|secret| secret.is_header(name));
    let kept = KEPT.into_iter().filter(|name| !is_secret(name)).filter_map(|name| {
        let value = headers.get(&name)?.as_bytes();
        let value = value.get(..MOST_VALUE_BYTES).unwrap_or(value);
        Some(Header { name: name.to_string(), value: value.to_vec().into() })
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::ingress::{RouteSecret, SecretPlace};

    #[test]
    fn what_explains_is_kept_and_what_is_secret_is_not() {
        let mut head = HeaderMap::new();
        for (name, value) in [
            ("user-agent", "impact"),
            ("x-request-id", "r-1"),
            ("authorization", "Bearer x"),
            ("cookie", "c=1"),
            ("x-postback-token", "t"),
        ] {
            head.insert(name, HeaderValue::from_static(value));
        }
        let names = |secret: Option<&Secret>| {
            let kept = headers(&head, secret);
            kept.into_iter().map(|header| header.name).collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["user-agent", "x-request-id"]);
        let place = SecretPlace::Header(X_REQUEST_ID);
        let secret = Secret::new(&RouteSecret { place, value: "r-1".into() });
        assert_eq!(names(Some(&secret)), ["user-agent"]);
    }

    #[test]
    fn a_value_is_cut() {
        let mut head = HeaderMap::new();
        for bytes in [MOST_VALUE_BYTES, MOST_VALUE_BYTES + 1] {
            head.insert(USER_AGENT, HeaderValue::from_str(&"x".repeat(bytes)).unwrap());
            assert_eq!(headers(&head, None)[0].value.len(), MOST_VALUE_BYTES);
        }
    }
}
