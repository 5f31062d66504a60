//! What the operator is answered: the one place that makes an answer, a good one or a refusal.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::spool::OperateError;
use crate::telemetry::AdminRefusal;

/// A whole one.
pub type Answer = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
/// `OpenMetrics` 1.0, section "Overall Structure": Prometheus chooses its parser by this.
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// One value.
pub(super) fn value(value: &impl Serialize) -> Answer {
    reply(StatusCode::OK, JSON, json(value))
}

/// A value a line.
pub(super) fn lines<T: Serialize>(values: impl Iterator<Item = T>) -> Answer {
    let mut body = Vec::new();
    for value in values {
        body.extend(json(&value));
        body.push(b'\n');
    }
    reply(StatusCode::OK, NDJSON, body)
}

pub(super) fn metrics(text: String) -> Answer {
    reply(StatusCode::OK, OPENMETRICS, text)
}

/// Whether postbacks may be sent here, and what there is to say of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Standing {
    pub(super) ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstreams_away: Option<u64>,
}

impl Standing {
    pub(super) fn answer(&self) -> Answer {
        let status = if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        reply(status, JSON, json(self))
    }
}

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reason: AdminRefusal,
    title: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// Says no more than its status does.
    pub(super) fn new(reason: AdminRefusal) -> Self {
        Self::saying(reason, status(reason).canonical_reason().unwrap_or("Error"))
    }

    pub(super) fn saying(reason: AdminRefusal, title: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, title: title.into(), header: None }
    }

    pub(super) fn bad(what: &str, wrong: impl std::fmt::Display) -> Self {
        Self::saying(AdminRefusal::BadRequest, format!("{what} {wrong}"))
    }

    /// RFC 9110, 15.5.6: it says which methods there are.
    pub(super) fn method(allowed: &'static str) -> Self {
        let header = (ALLOW, HeaderValue::from_static(allowed));
        Self { header: Some(header), ..Self::new(AdminRefusal::UnknownMethod) }
    }

    /// RFC 9110, 15.5.2: it says how to ask.
    pub(super) fn token() -> Self {
        let header = (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Self { header: Some(header), ..Self::new(AdminRefusal::WrongToken) }
    }

    pub(super) fn answer(self) -> Answer {
        #[derive(Serialize)]
        struct Problem<'a> {
            title: &'a str,
            status: u16,
        }
        let status = status(self.reason);
        let problem = Problem { title: &self.title, status: status.as_u16() };
        let mut answer = reply(status, PROBLEM, json(&problem));
        answer.headers_mut().extend(self.header);
        answer
    }
}

impl From<OperateError> for Refused {
    fn from(error: OperateError) -> Self {
        let cause = std::error::Error::source(&error).and_then(std::error::Error::source);
        let title = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        Self::saying(AdminRefusal::SpoolFailed, title)
    }
}

fn status(reason: AdminRefusal) -> StatusCode {
    match reason {
        AdminRefusal::BadRequest => StatusCode::BAD_REQUEST,
        AdminRefusal::WrongToken => StatusCode::UNAUTHORIZED,
        AdminRefusal::ForeignPage => StatusCode::FORBIDDEN,
        AdminRefusal::UnknownPath | AdminRefusal::UnknownEvent => StatusCode::NOT_FOUND,
        AdminRefusal::UnknownMethod => StatusCode::METHOD_NOT_ALLOWED,
        AdminRefusal::SlowBody => StatusCode::REQUEST_TIMEOUT,
        AdminRefusal::SpoolFailed | AdminRefusal::SpoolSlow => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Our own types have no map with a key that is not text, which is all that can fail.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn reply(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    // A remembered "ready" is a wrong one.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
