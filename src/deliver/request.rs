//! The request of one attempt: `CloudEvents` 1.0 over HTTP, Standard Webhooks, and the operator's
//! own headers.

use bytes::Bytes;
use http::header::{self, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use jiff::fmt::temporal::DateTimePrinter;

use super::Outgoing;
use super::settings::Envelope;
use super::signature::Signer;
use crate::clock::Timestamp;

const CE_ID: HeaderName = HeaderName::from_static("ce-id");
const CE_SOURCE: HeaderName = HeaderName::from_static("ce-source");
const CE_SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");
const CE_TIME: HeaderName = HeaderName::from_static("ce-time");
const CE_TYPE: HeaderName = HeaderName::from_static("ce-type");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const POSTGATE_ATTEMPT: HeaderName = HeaderName::from_static("postgate-attempt");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");

/// `CloudEvents` `time`: RFC 3339 with milliseconds.
const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Whether delivery sets this header itself, or the connection does: configured, it is left out.
///
/// These are what frames a message or belongs to one connection (RFC 9110, 7.6.1), and what
/// differs from event to event: a constant in its place would be wrong for every one of them.
#[must_use]
pub fn reserved_header(name: &HeaderName) -> bool {
    const FRAMING: [HeaderName; 9] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    const OF_THE_EVENT: [HeaderName; 7] = [
        CE_ID,
        CE_TIME,
        IDEMPOTENCY_KEY,
        POSTGATE_ATTEMPT,
        WEBHOOK_ID,
        WEBHOOK_SIGNATURE,
        WEBHOOK_TIMESTAMP,
    ];
    FRAMING.contains(name) || OF_THE_EVENT.contains(name)
}

/// Where requests go and how they are made, the same for all routes of an upstream.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// The operator's, without the reserved ones.
    pub(super) headers: HeaderMap,
    pub(super) envelope: Envelope,
    pub(super) signer: Option<Signer>,
}

/// Everything of a route's requests that does not differ between them, made once.
#[derive(Clone, Debug)]
pub(super) struct Template {
    target: Target,
    /// Structured mode: the envelope up to the id.
    opening: Option<String>,
}

impl Template {
    /// For the route at `path` that receives `kind`. The operator's headers come last and win.
    pub(super) fn new(target: &Target, path: &str, kind: &str) -> Self {
        let mut target = target.clone();
        let event_type = format!("com.impact.postback.{kind}");
        let mut headers = HeaderMap::with_capacity(16);
        let opening = match target.envelope {
            Envelope::None => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(CE_SPECVERSION, HeaderValue::from_static("1.0"));
                headers.insert(CE_TYPE, attribute(&event_type));
                headers.insert(CE_SOURCE, attribute(path));
                None
            }
            Envelope::CloudEvents => {
                let media = HeaderValue::from_static("application/cloudevents+json");
                headers.insert(CONTENT_TYPE, media);
                Some(format!(
                    concat!(
                        r#"{{"specversion":"1.0","type":{},"source":{},"#,
                        r#""datacontenttype":"application/json","id":""#
                    ),
                    serde_json::Value::from(event_type),
                    serde_json::Value::from(path),
                ))
            }
        };
        for (name, value) in &target.headers {
            headers.insert(name.clone(), value.clone());
        }
        target.headers = headers;
        Self { target, opening }
    }

    /// The request of one attempt, made at `now`.
    pub(super) fn request(&self, event: &Outgoing, now: Timestamp) -> Request<Full<Bytes>> {
        let id = event.id.to_string();
        let time = rfc3339(event.accepted);
        let body = self.body(event, &id, time.as_deref());
        let timestamp_s = now.as_millis() / 1000;

        let mut headers = self.target.headers.clone();
        if let Some(signer) = &self.target.signer {
            let signature = signer.sign(&id, timestamp_s, &body);
            headers.insert(WEBHOOK_SIGNATURE, ascii(signature));
        }
        let id = ascii(id);
        if self.opening.is_none() {
            headers.insert(CE_ID, id.clone());
            if let Some(time) = time {
                headers.insert(CE_TIME, ascii(time));
            }
        }
        headers.insert(WEBHOOK_ID, id.clone());
        headers.insert(WEBHOOK_TIMESTAMP, timestamp_s.into());
        headers.insert(IDEMPOTENCY_KEY, id);
        headers.insert(POSTGATE_ATTEMPT, event.attempt.into());

        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.target.method.clone();
        *request.uri_mut() = self.target.uri.clone();
        *request.headers_mut() = headers;
        request
    }

    /// The event's own bytes, or a `CloudEvents` object around them.
    fn body(&self, event: &Outgoing, id: &str, time: Option<&str>) -> Bytes {
        let Some(opening) = &self.opening else {
            return event.body.clone();
        };
        let mut whole = Vec::with_capacity(opening.len() + event.body.len() + 96);
        whole.extend_from_slice(opening.as_bytes());
        whole.extend_from_slice(id.as_bytes());
        if let Some(time) = time {
            whole.extend_from_slice(br#"","time":""#);
            whole.extend_from_slice(time.as_bytes());
        }
        whole.extend_from_slice(br#"","data":"#);
        whole.extend_from_slice(&event.body);
        whole.push(b'}');
        whole.into()
    }
}

/// `None` beyond the year 9999, which RFC 3339 cannot write; `CloudEvents` does not require a time.
fn rfc3339(at: Timestamp) -> Option<String> {
    let millis = i64::try_from(at.as_millis()).ok()?;
    let at = jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(TIME.timestamp_to_string(&at))
}

/// A `CloudEvents` attribute as a header: percent-encoded where its HTTP binding (3.1.3.2) asks for
/// it.
fn attribute(text: &str) -> HeaderValue {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'%');
    let encoded = text.bytes().map(|byte| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    ascii(encoded.collect())
}

#[expect(clippy::expect_used, reason = "every caller makes the text of visible ASCII alone")]
fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("visible ASCII is a header value")
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::spool::EventId;

    const ID: [u8; 16] = [0x01, 0x91, 0xda, 0x2c, 0x3e, 0x70, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1];
    const ID_TEXT: &str = "0191da2c-3e70-7000-8000-000000000001";

    fn event(body: &'static [u8]) -> Outgoing {
        Outgoing {
            id: EventId::from_bytes(ID),
            accepted: Timestamp::from_millis(1_725_986_562_040),
            attempt: 3,
            body: Bytes::from_static(body),
        }
    }

    fn target(envelope: Envelope) -> Target {
        Target {
            method: Method::POST,
            uri: Uri::from_static("http://127.0.0.1:8080/postbacks?tenant=7"),
            headers: HeaderMap::new(),
            envelope,
            signer: None,
        }
    }

    fn made(target: &Target) -> (http::request::Parts, Bytes) {
        let template = Template::new(target, "/postback/actions", "action");
        let event = event(br#"{"event":"action"}"#);
        let now = Timestamp::from_millis(1_725_986_570_999);
        let body = template.body(&event, ID_TEXT, rfc3339(event.accepted).as_deref());
        (template.request(&event, now).into_parts().0, body)
    }

    fn text(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let mut pairs: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        pairs.sort_unstable();
        pairs
    }

    #[test]
    fn binary_mode_is_headers_and_the_bytes_as_stored() {
        let (head, body) = made(&target(Envelope::None));
        assert_eq!(head.method, Method::POST);
        assert_eq!(head.uri, "http://127.0.0.1:8080/postbacks?tenant=7");
        assert_eq!(body, r#"{"event":"action"}"#);
        assert_eq!(
            text(&head.headers),
            [
                ("ce-id", ID_TEXT),
                ("ce-source", "/postback/actions"),
                ("ce-specversion", "1.0"),
                ("ce-time", "2024-09-10T16:42:42.040Z"),
                ("ce-type", "com.impact.postback.action"),
                ("content-type", "application/json"),
                ("idempotency-key", ID_TEXT),
                ("postgate-attempt", "3"),
                ("webhook-id", ID_TEXT),
                ("webhook-timestamp", "1725986570"),
            ]
        );
    }

    #[test]
    fn structured_mode_is_one_object() {
        let (head, body) = made(&target(Envelope::CloudEvents));
        assert_eq!(
            body,
            concat!(
                r#"{"specversion":"1.0","type":"com.impact.postback.action","#,
                r#""source":"/postback/actions","datacontenttype":"application/json","#,
                r#""id":"0191da2c-3e70-7000-8000-000000000001","#,
                r#""time":"2024-09-10T16:42:42.040Z","data":{"event":"action"}}"#,
            )
        );
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        assert_eq!(
            text(&head.headers),
            [
                ("content-type", "application/cloudevents+json"),
                ("idempotency-key", ID_TEXT),
                ("postgate-attempt", "3"),
                ("webhook-id", ID_TEXT),
                ("webhook-timestamp", "1725986570"),
            ]
        );
    }

    #[test]
    fn the_signature_is_over_what_is_sent() {
        let signer = Signer::new(&SecretString::from("s3cret")).expect("a good secret");
        for envelope in [Envelope::None, Envelope::CloudEvents] {
            let target = Target { signer: Some(signer.clone()), ..target(envelope) };
            let (head, body) = made(&target);
            let expected = signer.sign(ID_TEXT, 1_725_986_570, &body);
            assert_eq!(head.headers[WEBHOOK_SIGNATURE], expected);
        }
    }

    #[test]
    fn the_operators_headers_win() {
        let mut target = target(Envelope::None);
        let own = [("content-type", "text/json"), ("ce-source", "urn:shop")];
        for (name, value) in own {
            target.headers.insert(name, HeaderValue::from_static(value));
        }
        let (head, _) = made(&target);
        assert_eq!(head.headers[CONTENT_TYPE], "text/json");
        assert_eq!(head.headers[CE_SOURCE], "urn:shop");
        assert_eq!(head.headers.get_all(CONTENT_TYPE).iter().count(), 1);
    }

    #[test]
    fn framing_and_what_differs_by_event_is_reserved() {
        let reserved = |name| reserved_header(&HeaderName::from_static(name));
        for name in ["content-length", "transfer-encoding", "webhook-id", "ce-id"] {
            assert!(reserved(name), "{name}");
        }
        for name in ["authorization", "content-type", "host", "ce-source"] {
            assert!(!reserved(name), "{name}");
        }
    }

    #[test]
    fn an_odd_path_is_encoded_and_never_refused() {
        assert_eq!(attribute("/a b\"%\u{e9}~"), "/a%20b%22%25%C3%A9~");
    }

    #[test]
    fn a_time_out_of_range_is_left_out() {
        assert_eq!(rfc3339(Timestamp::from_millis(u64::MAX)), None);
        let epoch = rfc3339(Timestamp::default());
        assert_eq!(epoch.as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }
}
