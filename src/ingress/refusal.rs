//! Why a request gets an error, and what its sender is told of it.

use http::{HeaderValue, StatusCode};

use super::admit::HeadRefusal;
use super::body::BodyError;
use crate::event::Malformed;
use crate::net::Lapse;
use crate::spool::AppendError;

/// Why a request gets an error.
#[derive(Debug)]
pub(super) enum Refusal {
    Address(HeadRefusal),
    Certificate(Lapse),
    Host,
    Scheme,
    Query,
    Misdirected,
    Expectation,
    HeadSize,
    TargetTooLong,
    UnknownPath,
    UnknownMethod { allow: HeaderValue },
    Secret,
    Encoded,
    Body(BodyError),
    Malformed(Malformed),
    Spool(AppendError),
    UpstreamRefused,
    UpstreamUnavailable,
}

impl Refusal {
    /// The status, and the word for it in metrics, logs and the reply.
    pub(super) fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Address(HeadRefusal::Outdated | HeadRefusal::NotAllowed) => {
                (StatusCode::FORBIDDEN, "address")
            }
            Self::Address(HeadRefusal::Unreadable(_)) => (StatusCode::FORBIDDEN, "forwarded"),
            Self::Certificate(Lapse::Expired) => {
                (StatusCode::FORBIDDEN, "client_certificate_expired")
            }
            Self::Certificate(Lapse::Refused) => (StatusCode::FORBIDDEN, "client_certificate"),
            Self::Host => (StatusCode::BAD_REQUEST, "host"),
            Self::Scheme => (StatusCode::BAD_REQUEST, "scheme"),
            Self::Query => (StatusCode::BAD_REQUEST, "query"),
            Self::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "server_name"),
            Self::Expectation => (StatusCode::EXPECTATION_FAILED, "expectation"),
            Self::HeadSize => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_size"),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "target_bytes"),
            Self::UnknownPath => (StatusCode::NOT_FOUND, "path"),
            Self::UnknownMethod { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Secret => (StatusCode::UNAUTHORIZED, "secret"),
            Self::Encoded => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding"),
            Self::Body(BodyError::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "body_bytes"),
            Self::Body(BodyError::TooSlow) => (StatusCode::REQUEST_TIMEOUT, "body_time"),
            Self::Body(BodyError::Broken) => (StatusCode::BAD_REQUEST, "body_broken"),
            Self::Body(BodyError::NoRoom) => (StatusCode::SERVICE_UNAVAILABLE, "bodies_bytes"),
            Self::Malformed(_) => (StatusCode::UNPROCESSABLE_ENTITY, "malformed"),
            Self::Spool(AppendError::Full) => (StatusCode::SERVICE_UNAVAILABLE, "spool_full"),
            Self::Spool(AppendError::QuarantineFull) => {
                (StatusCode::SERVICE_UNAVAILABLE, "quarantine_full")
            }
            Self::Spool(AppendError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "spool_busy"),
            Self::Spool(AppendError::Failed) => (StatusCode::SERVICE_UNAVAILABLE, "spool_failed"),
            Self::Spool(AppendError::Closed) => (StatusCode::SERVICE_UNAVAILABLE, "spool_closed"),
            Self::UpstreamRefused => (StatusCode::BAD_GATEWAY, "upstream_refused"),
            Self::UpstreamUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable"),
        }
    }

    /// What the sender can do about it.
    pub(super) fn detail(&self) -> String {
        let text = match self {
            Self::Address(HeadRefusal::Outdated) => {
                "Who may send here has changed, and this connection is not let in any longer."
            }
            Self::Address(HeadRefusal::NotAllowed) => "This address may not send here.",
            Self::Address(HeadRefusal::Unreadable(_)) => {
                "X-Forwarded-For or Forwarded does not tell who the client is."
            }
            Self::Certificate(Lapse::Expired) => {
                "The client certificate of this connection has expired. Connect with a new one."
            }
            Self::Certificate(Lapse::Refused) => {
                "The client certificate of this connection is no longer good here. Connect again."
            }
            Self::Host => "There must be one Host header, and it must be the host of the URL.",
            Self::Scheme => "The scheme is https or http.",
            Self::Query => "The query can be read in two ways: escape it.",
            Self::Misdirected => "This host is not served here.",
            Self::Expectation => "The one thing that can be expected is 100-continue.",
            Self::HeadSize => "The head is too large, or has too many lines.",
            Self::TargetTooLong => "The path and the query are too long.",
            Self::UnknownPath => "Nothing is received at this path.",
            Self::UnknownMethod { .. } => "This path takes the methods that Allow lists.",
            Self::Secret => "The secret is missing, wrong, or given twice.",
            Self::Encoded => "Send the body without a Content-Encoding.",
            Self::Body(BodyError::TooLarge) => "The body is too large.",
            Self::Body(BodyError::TooSlow) => "The body took too long.",
            Self::Body(BodyError::Broken) => "The body broke off, or was framed wrongly.",
            Self::Malformed(malformed) => {
                return format!("Kept, but not understood: {}.", malformed.discreet());
            }
            Self::Body(BodyError::NoRoom) | Self::Spool(_) => {
                "Nothing can be accepted now. Send it again."
            }
            Self::UpstreamRefused => "The system behind refused it. Another try will not help.",
            Self::UpstreamUnavailable => "The system behind cannot take it now. Send it again.",
        };
        text.to_owned()
    }

    /// It came before the body was read to its end.
    pub(super) const fn leaves_body(&self) -> bool {
        match self {
            Self::Malformed(_)
            | Self::Spool(_)
            | Self::UpstreamRefused
            | Self::UpstreamUnavailable => false,
            Self::Address(_)
            | Self::Certificate(_)
            | Self::Host
            | Self::Scheme
            | Self::Query
            | Self::Misdirected
            | Self::Expectation
            | Self::HeadSize
            | Self::TargetTooLong
            | Self::UnknownPath
            | Self::UnknownMethod { .. }
            | Self::Secret
            | Self::Encoded
            | Self::Body(_) => true,
        }
    }

    pub(super) fn may_be_tried_again(&self) -> bool {
        matches!(self, Self::Body(BodyError::NoRoom) | Self::Spool(_) | Self::UpstreamUnavailable)
    }
}
