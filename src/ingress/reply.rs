//! Every reply that a sender sees is made here. A refusal tells what to mend and nothing else: not
//! the request, no secret, no path of ours.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use super::admit::HeadRefusal;
use super::promise::Promise;
use super::refusal::Refusal;
use super::route::Asked;
use super::settings::ReplySettings;

/// What is sent back.
pub(super) type Reply = Response<Full<Bytes>>;

/// What stands for the event's id in a success body.
const ID: &str = "{id}";
/// Seconds after which the sender may try again: long enough for a disk to be tidied or a restart,
/// short enough that nobody waits for it.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("30");
/// RFC 9110, 11.6.1, wants a challenge with every 401. The scheme is our own: no browser asks a
/// person for it.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Postback-Token");
/// The only coding that a body may have (RFC 9110, 15.5.16).
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
/// A postback by GET must reach us every time: no cache on the way may answer it.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
pub(super) const CLOSE: HeaderValue = HeaderValue::from_static("close");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// `[routes.reply]`, cut up for use.
#[derive(Debug)]
pub(super) struct Replies {
    success_status: StatusCode,
    /// What stands before, between and after each `{id}`.
    success_parts: Vec<Box<str>>,
    success_type: Option<HeaderValue>,
    error_body: Bytes,
}

impl Replies {
    pub(super) fn new(settings: &ReplySettings) -> Self {
        Self {
            success_status: settings.success_status,
            success_parts: settings.success_body.split(ID).map(Box::from).collect(),
            success_type: content_type(&settings.success_body),
            error_body: Bytes::from(settings.error_body.clone()),
        }
    }

    /// Success, which whoever has a promise may answer.
    pub(super) fn success(&self, promise: Promise) -> Reply {
        let body = match &*self.success_parts {
            [only] => String::from(&**only),
            parts => parts.join(&*promise.id().to_string()),
        };
        self.with(Full::from(body))
    }

    /// The same as for success, where nothing was received.
    pub(super) fn head(&self) -> Reply {
        self.with(Full::default())
    }

    fn with(&self, body: Full<Bytes>) -> Reply {
        let mut reply = Response::new(body);
        *reply.status_mut() = self.success_status;
        reply.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        if let Some(content_type) = &self.success_type {
            reply.headers_mut().insert(CONTENT_TYPE, content_type.clone());
        }
        reply
    }
}

/// The reply to OPTIONS.
pub(super) fn options(asked: Asked<'_>) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    if let Asked::Options(allow) = asked {
        reply.headers_mut().insert(ALLOW, allow);
    }
    reply
}

/// The reply to a refused request, on a route with these replies or before one was found.
pub(super) fn refuse(refusal: &Refusal, replies: Option<&Replies>) -> Reply {
    let own = replies.map(|replies| &replies.error_body).filter(|body| !body.is_empty());
    let (status, reason) = refusal.status();
    let (body, content_type) = match own {
        Some(body) => {
            let text = std::str::from_utf8(body).unwrap_or_default();
            (body.clone(), content_type(text))
        }
        None => (problem(refusal, status, reason), Some(PROBLEM_JSON)),
    };
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if refusal.may_be_tried_again() {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    match refusal {
        Refusal::UnknownMethod { allow } => headers.insert(ALLOW, allow.clone()),
        Refusal::Secret => headers.insert(WWW_AUTHENTICATE, CHALLENGE),
        Refusal::Encoded => headers.insert(ACCEPT_ENCODING, IDENTITY),
        // No request of this connection will be taken.
        Refusal::Certificate(_) | Refusal::Address(HeadRefusal::Outdated) => {
            headers.insert(CONNECTION, CLOSE)
        }
        _ => None,
    };
    reply
}

/// RFC 9457. Without `type` the title is the status' own phrase; `reason` is a word for programs.
fn problem(refusal: &Refusal, status: StatusCode, reason: &str) -> Bytes {
    let problem = serde_json::json!({
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "reason": reason,
        "detail": refusal.detail(),
    });
    Bytes::from(problem.to_string())
}

/// What a configured body looks like; an empty one has no type.
fn content_type(body: &str) -> Option<HeaderValue> {
    match body.trim_start().bytes().next()? {
        b'{' | b'[' => Some(HeaderValue::from_static("application/json")),
        b'<' => Some(HeaderValue::from_static("application/xml")),
        _ => Some(HeaderValue::from_static("text/plain; charset=utf-8")),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::super::body::BodyError;
    use super::super::forwarded::Unreadable;
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::Malformed;
    use crate::net::Lapse;
    use crate::spool::{AppendError, EventId, Receipt};

    fn replies(success_body: &str, error_body: &str) -> Replies {
        Replies::new(&ReplySettings {
            success_status: StatusCode::ACCEPTED,
            success_body: success_body.to_owned(),
            error_body: error_body.to_owned(),
        })
    }

    fn text(reply: Reply) -> String {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(reply.into_body().frame()).poll(&mut context) {
            std::task::Poll::Ready(Some(Ok(frame))) => {
                String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
            }
            std::task::Poll::Ready(None) => String::new(),
            other => panic!("a reply is one frame: {other:?}"),
        }
    }

    fn promise(id: EventId) -> Promise {
        Promise::of_receipt(Receipt::Stored(id))
    }

    fn malformed() -> Malformed {
        crate::event::convert(
            &crate::event::Input { query: Some(b"Jane=1&Jane=2"), ..Default::default() },
            &crate::event::Rules::of(crate::event::Kind::Action),
        )
        .unwrap_err()
    }

    #[test]
    fn every_refusal_has_its_status() {
        use Refusal::{Address, Body, Spool};
        let allow = HeaderValue::from_static("GET, POST");
        for (refusal, status, again) in [
            (Address(HeadRefusal::Outdated), 403, false),
            (Address(HeadRefusal::NotAllowed), 403, false),
            (Address(HeadRefusal::Unreadable(Unreadable::Forwarded)), 403, false),
            (Refusal::Certificate(Lapse::Expired), 403, false),
            (Refusal::Certificate(Lapse::Refused), 403, false),
            (Refusal::Host, 400, false),
            (Refusal::Scheme, 400, false),
            (Refusal::Query, 400, false),
            (Refusal::Misdirected, 421, false),
            (Refusal::Expectation, 417, false),
            (Refusal::HeadSize, 431, false),
            (Refusal::TargetTooLong, 414, false),
            (Refusal::UnknownPath, 404, false),
            (Refusal::UnknownMethod { allow }, 405, false),
            (Refusal::Secret, 401, false),
            (Refusal::Encoded, 415, false),
            (Body(BodyError::TooLarge), 413, false),
            (Body(BodyError::TooSlow), 408, false),
            (Body(BodyError::Broken), 400, false),
            (Body(BodyError::NoRoom), 503, true),
            (Refusal::Malformed(malformed()), 422, false),
            (Spool(AppendError::Full), 503, true),
            (Spool(AppendError::QuarantineFull), 503, true),
            (Spool(AppendError::Busy), 503, true),
            (Spool(AppendError::Failed), 503, true),
            (Spool(AppendError::Closed), 503, true),
            (Refusal::UpstreamRefused, 502, false),
            (Refusal::UpstreamUnavailable, 503, true),
        ] {
            let what = format!("{refusal:?}");
            let reply = refuse(&refusal, None);
            assert_eq!(reply.status().as_u16(), status, "{what}");
            assert_eq!(reply.headers().contains_key(RETRY_AFTER), again, "{what}");
            assert_eq!(reply.headers().contains_key(ALLOW), status == 405, "{what}");
            assert_eq!(reply.headers().contains_key(WWW_AUTHENTICATE), status == 401, "{what}");
            assert_eq!(reply.headers().contains_key(ACCEPT_ENCODING), status == 415, "{what}");
            let closes =
                matches!(refusal, Refusal::Certificate(_) | Address(HeadRefusal::Outdated));
            assert_eq!(reply.headers().contains_key(CONNECTION), closes, "{what}");
            assert_eq!(reply.headers()[CACHE_CONTROL], "no-store", "{what}");
            assert_eq!(reply.headers()[CONTENT_TYPE], "application/problem+json", "{what}");
            let problem: serde_json::Value = serde_json::from_str(&text(reply)).unwrap();
            assert_eq!(problem["status"], status, "{what}");
            assert_eq!(problem["reason"], refusal.status().1, "{what}");
            assert!(problem["detail"].as_str().unwrap().ends_with('.'), "{what}");
            assert!(!problem.to_string().contains("Jane"), "what was sent is not told again");
        }
    }

    #[test]
    fn the_id_is_put_wherever_it_is_asked_for() {
        let id = EventId::new(Timestamp::from_millis(1));
        for (template, expected) in [
            (r#"{"id":"{id}"}"#, format!(r#"{{"id":"{id}"}}"#)),
            ("{id}{id}", format!("{id}{id}")),
            ("OK", "OK".to_owned()),
            ("", String::new()),
        ] {
            let reply = replies(template, "").success(promise(id));
            assert_eq!(reply.status(), StatusCode::ACCEPTED);
            assert_eq!(text(reply), expected, "{template}");
        }
    }

    #[test]
    fn a_body_of_the_route_has_the_type_it_looks_like() {
        let id = EventId::new(Timestamp::from_millis(1));
        for (body, expected) in [
            ("{}", Some("application/json")),
            (" [1]", Some("application/json")),
            ("<ok/>", Some("application/xml")),
            ("OK", Some("text/plain; charset=utf-8")),
            ("", None),
        ] {
            let reply = replies(body, "").success(promise(id));
            let found = reply.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap());
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn a_route_may_have_an_error_body_of_its_own() {
        let reply = refuse(&Refusal::Secret, Some(&replies("", "ERROR")));
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(text(reply), "ERROR");
    }
}
