//! What of a request is kept: what came, and what tells by which software and on which way. Never:
//! the secret, credentials, cookies.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, USER_AGENT, VIA};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::forward::ForwardedEvent;
use super::secret::Secret;
use super::strict;
use crate::clock::Timestamp;
use crate::event::{Format, Input};
use crate::spool::{EventId, Header, Received};

/// Names by which a log of somebody else's can be searched for the request.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The type of the body is kept beside these.
const KEPT: [HeaderName; 4] = [USER_AGENT, VIA, X_REQUEST_ID, TRACEPARENT];

/// More of a value explains nothing.
const MOST_VALUE_BYTES: usize = 256;

/// A request that came in, before anybody has understood it.
pub(super) struct Arrived {
    pub(super) id: EventId,
    pub(super) at: Timestamp,
    pub(super) client: IpAddr,
    pub(super) head: Parts,
    pub(super) body: Bytes,
}

impl Arrived {
    /// With the body that was made of it; all else is let go.
    pub(super) fn into_forwarded(self, body: Bytes) -> ForwardedEvent {
        ForwardedEvent { id: self.id, accepted: self.at, client: self.client, body }
    }

    /// It as conversion looks at it.
    pub(super) fn input(&self) -> Input<'_> {
        Input {
            content_type: self.head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes),
            query: strict::received(&self.head),
            body: &self.body,
        }
    }

    /// It as it is kept: without the secret of its route. `format` is what it was read as.
    pub(super) fn into_received(self, format: Option<Format>, secret: Option<&Secret>) -> Received {
        let Self { client, head, body, .. } = self;
        let content_type = head.headers.get(CONTENT_TYPE);
        let query = strict::received(&head);
        let (query, body) = match secret {
            Some(secret) => {
                (query.and_then(|query| secret.out_of_query(query)), secret.out_of_body(body))
            }
            None => (query.map(Bytes::copy_from_slice), body),
        };
        Received {
            client: client.to_string(),
            method: head.method.to_string(),
            content_type: content_type.map(|value| Bytes::copy_from_slice(value.as_bytes())),
            query,
            headers: headers(&head.headers, secret),
            format: format.map(|format| format.as_str().to_owned()),
            body,
        }
    }
}

/// The first of each name, as received, as far as it is kept.
fn headers(headers: &HeaderMap, secret: Option<&Secret>) -> Vec<Header> {
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
