//! What came of one attempt, in types: who failed, and how. Words are for people only.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use crate::clock::Timestamp;

/// What came of one attempt.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The upstream answered.
    Answered(Answer),
    /// There was no answer.
    Failed(Failure),
}

/// An answer of the upstream, as far as delivery looks at it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<RetryAfter>,
    /// The first bytes of the body, for the history; empty for success.
    pub(super) excerpt: Bytes,
}

/// What the upstream asked for (RFC 9110, 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryAfter {
    /// `Retry-After: 120`.
    In(Duration),
    /// `Retry-After: Fri, 31 Dec 1999 23:59:59 GMT`.
    At(Timestamp),
}

/// Why there was no answer.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    /// The cause, in words, for a person.
    pub(super) cause: String,
}

/// Where an attempt without an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// No place among `upstream.max_in_flight` in time. Nothing was sent.
    Busy,
    /// The breaker is open. Nothing was sent.
    Away,
    /// No connection: refused, unreachable, unknown name. Nothing was sent.
    Connect,
    /// One side did not accept the other's certificate, or they speak different TLS.
    Tls,
    /// `upstream.timeout` passed. The upstream may have taken the event.
    Timeout,
    /// The connection ended, or what came was not HTTP. The upstream may have taken the event.
    Broken,
}

impl Outcome {
    /// The upstream's status, when it answered.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(answer) => Some(answer.status.as_u16()),
            Self::Failed(_) => None,
        }
    }

    /// For the history of the event. It may hold customer data, and is never logged.
    pub(super) fn excerpt(&self) -> Bytes {
        match self {
            Self::Answered(answer) => answer.excerpt.clone(),
            Self::Failed(_) => Bytes::new(),
        }
    }
}

/// Fit for the log: nothing of the answer's body.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(answer) => write!(f, "answered {}", answer.status),
            Self::Failed(failure) => write!(f, "{}: {}", failure.kind, failure.cause),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy | Self::Away => "not sent",
            Self::Connect => "no connection",
            Self::Tls => "TLS failed",
            Self::Timeout => "no answer in time",
            Self::Broken => "connection broken",
        })
    }
}

impl RetryAfter {
    /// Reads the header. What is neither a number of seconds nor a date counts as not sent.
    pub(super) fn parse(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // Only too many digits can fail here: longer than any cap.
            let seconds = text.parse().unwrap_or(u64::MAX);
            return Some(Self::In(Duration::from_secs(seconds)));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        let since_epoch = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Self::At(Timestamp::default().plus(since_epoch)))
    }

    /// How long to wait, seen from `now`; zero for a date that has passed.
    pub(super) fn wait(self, now: Timestamp) -> Duration {
        match self {
            Self::In(wait) => wait,
            Self::At(at) => at.since(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Option<RetryAfter> {
        RetryAfter::parse(&HeaderValue::from_static(text))
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |count| Some(RetryAfter::In(Duration::from_secs(count)));
        let date = Some(RetryAfter::At(Timestamp::from_millis(784_111_777_000)));
        assert_eq!(parse("0"), seconds(0));
        assert_eq!(parse("120"), seconds(120));
        assert_eq!(parse("99999999999999999999999"), seconds(u64::MAX));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), date);
        for nonsense in ["", "-1", "1.5", "+3", "soon", "12s"] {
            assert_eq!(parse(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_date_is_waited_for_and_a_past_one_is_not() {
        let at = RetryAfter::At(Timestamp::from_millis(10_000));
        let wait = |now| at.wait(Timestamp::from_millis(now));
        assert_eq!(wait(4_000), Duration::from_secs(6));
        assert_eq!(wait(10_000), Duration::ZERO);
        assert_eq!(wait(11_000), Duration::ZERO);
    }

    #[test]
    fn the_excerpt_is_history_but_no_log_line() {
        let outcome = Outcome::Answered(Answer {
            status: StatusCode::BAD_REQUEST,
            retry_after: None,
            excerpt: Bytes::from_static(b"bad\n\x1b[31mpayout \xff"),
        });
        assert_eq!(outcome.to_string(), "answered 400 Bad Request");
        assert_eq!(outcome.excerpt(), &b"bad\n\x1b[31mpayout \xff"[..]);
    }
}
