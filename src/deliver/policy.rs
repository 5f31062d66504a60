//! What an outcome means: the rules of delivery. Pure: time and randomness are arguments.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::breaker::{Evidence, Standing};
use super::outcome::{FailureKind, Outcome, RetryAfter};
use super::settings::RetrySettings;
use crate::clock::Timestamp;
use crate::spool::{EventId, Verdict};

/// What the upstream made of an event, whatever number the attempt had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It took it.
    Taken,
    /// Not now, but later perhaps.
    Later,
    /// It will never take it.
    Refused,
}

/// What becomes of an event after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Done,
    RetryAt(Timestamp),
    /// The same, and the attempt is not counted: the upstream is away, whatever the event is.
    PutBack(Timestamp),
    Dead(Reason),
}

/// Why an event is not tried again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Another attempt would get the same answer.
    Refused,
    /// `retry.max_age` is reached.
    Age,
    /// `retry.max_attempts` is reached.
    Attempts,
}

/// Which attempt it was, and when it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    /// From 1.
    pub(super) attempt: u32,
    /// From when the event's age counts.
    pub(super) since: Timestamp,
    pub(super) now: Timestamp,
    /// How the upstream stood after it.
    pub(super) standing: Standing,
}

/// Judges by type and status alone (RFC 9110, 15).
///
/// An answer that is no final answer (1xx, or a class that does not exist) comes from something
/// that is broken or half restarted: worth another attempt. A redirect is a mistake in
/// `upstream.url`, and repeating it mends nothing.
pub(super) fn judge(outcome: &Outcome) -> Judgement {
    let Outcome::Answered(answer) = outcome else {
        return Judgement::Later;
    };
    match answer.status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Judgement::Later
        }
        status if status.is_success() => Judgement::Taken,
        status if status.is_redirection() || status.is_client_error() => Judgement::Refused,
        _ => Judgement::Later,
    }
}

/// What the outcome of an attempt of this event says about the upstream; `None`: it works.
///
/// 502, 503 and 504 are what a proxy in front of a system that is down answers in its place. 500 is
/// the system's own word about this event, and 429 is the word of one that is well.
pub(super) fn evidence(outcome: &Outcome, event: EventId) -> Option<Evidence> {
    let unanswered = Evidence::Unanswered(event);
    match outcome {
        Outcome::Answered(answer) => match answer.status {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Some(unanswered),
            _ => None,
        },
        Outcome::Failed(failure) => match failure.kind {
            FailureKind::Connect | FailureKind::Tls => Some(Evidence::Unreachable),
            FailureKind::Busy | FailureKind::Away | FailureKind::Timeout | FailureKind::Broken => {
                Some(unanswered)
            }
        },
    }
}

/// Decides what becomes of the event. While the upstream is away no attempt counts, and age alone
/// can end it.
///
/// The wait is full jitter over an exponential bound. It is cut at the end of `max_age`, so that
/// the last attempt happens there and not up to `retry.max` later. `Retry-After` is a lower bound,
/// capped by `retry.max`, and wins over the cut: an attempt the upstream has ruled out is wasted.
pub(super) fn decide(
    outcome: &Outcome,
    tried: Try,
    retry: &RetrySettings,
    rng: &mut fastrand::Rng,
) -> Decision {
    match judge(outcome) {
        Judgement::Taken => return Decision::Done,
        Judgement::Refused => return Decision::Dead(Reason::Refused),
        Judgement::Later => {}
    }
    let counted = tried.standing == Standing::There;
    if counted && retry.max_attempts.is_some_and(|max| tried.attempt >= max) {
        return Decision::Dead(Reason::Attempts);
    }
    let age = tried.now.since(tried.since);
    let Some(left) = retry.max_age.checked_sub(age).filter(|left| !left.is_zero()) else {
        return Decision::Dead(Reason::Age);
    };
    let asked = asked_wait(outcome, tried.now).min(retry.max);
    let wait = jitter(bound(retry, tried.attempt), rng).min(left).max(asked);
    let at = tried.now.plus(wait);
    if counted { Decision::RetryAt(at) } else { Decision::PutBack(at) }
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Done => Self::Done,
            Decision::RetryAt(at) => Self::RetryAt(at),
            Decision::PutBack(at) => Self::PutBack(at),
            Decision::Dead(_) => Self::Dead,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "another attempt would not help",
            Self::Age => "retry.max_age is reached",
            Self::Attempts => "retry.max_attempts is reached",
        })
    }
}

fn asked_wait(outcome: &Outcome, now: Timestamp) -> Duration {
    match outcome {
        Outcome::Answered(answer) => {
            answer.retry_after.map_or(Duration::ZERO, |after: RetryAfter| after.wait(now))
        }
        Outcome::Failed(_) => Duration::ZERO,
    }
}

/// The longest wait after attempt number `attempt`: `min(max, initial * factor^(attempt - 1))`.
fn bound(retry: &RetrySettings, attempt: u32) -> Duration {
    let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = retry.initial.as_secs_f64() * retry.factor.powi(power);
    // Infinity and what exceeds a `Duration` are an error here, and far beyond any cap.
    Duration::try_from_secs_f64(seconds).map_or(retry.max, |bound| bound.min(retry.max))
}

/// Somewhere between now and the bound: clients that failed together do not come back together.
fn jitter(bound: Duration, rng: &mut fastrand::Rng) -> Duration {
    let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rng.u64(0..=bound_ms))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::outcome::{Answer, Failure, FailureKind};
    use super::*;

    const RETRY: RetrySettings = RetrySettings {
        initial: Duration::from_secs(1),
        max: Duration::from_mins(10),
        factor: 2.0,
        max_age: Duration::from_hours(72),
        max_attempts: None,
        direct_time: Duration::from_secs(8),
    };

    fn answered(status: u16, retry_after: Option<RetryAfter>) -> Outcome {
        Outcome::Answered(Answer {
            status: StatusCode::from_u16(status).expect("a status of the test"),
            retry_after,
            excerpt: Bytes::new(),
        })
    }

    fn failed(kind: FailureKind) -> Outcome {
        Outcome::Failed(Failure { kind, cause: String::new() })
    }

    fn tried(attempt: u32, now_ms: u64) -> Try {
        let (since, now) = (Timestamp::default(), Timestamp::from_millis(now_ms));
        Try { attempt, since, now, standing: Standing::There }
    }

    fn decide_with(outcome: &Outcome, tried: Try, retry: &RetrySettings, seed: u64) -> Decision {
        decide(outcome, tried, retry, &mut fastrand::Rng::with_seed(seed))
    }

    #[test]
    fn every_status_has_its_judgement() {
        for status in 100..=999 {
            let expected = match status {
                200..=299 => Judgement::Taken,
                408 | 425 | 429 => Judgement::Later,
                300..=499 => Judgement::Refused,
                _ => Judgement::Later,
            };
            assert_eq!(judge(&answered(status, None)), expected, "{status}");
        }
    }

    #[test]
    fn no_answer_is_never_the_end() {
        for kind in [
            FailureKind::Busy,
            FailureKind::Away,
            FailureKind::Connect,
            FailureKind::Tls,
            FailureKind::Timeout,
            FailureKind::Broken,
        ] {
            assert_eq!(judge(&failed(kind)), Judgement::Later, "{kind}");
        }
    }

    #[test]
    fn attempts_end_at_the_limit_and_not_before() {
        let retry = RetrySettings { max_attempts: Some(3), ..RETRY };
        let after = |attempt| decide_with(&answered(503, None), tried(attempt, 0), &retry, 1);
        assert!(matches!(after(2), Decision::RetryAt(_)));
        assert_eq!(after(3), Decision::Dead(Reason::Attempts));
        assert_eq!(after(4), Decision::Dead(Reason::Attempts));
    }

    #[test]
    fn an_upstream_that_is_away_burns_no_attempts_and_stops_no_clock() {
        let retry = RetrySettings { max_attempts: Some(3), ..RETRY };
        let end = 72 * 3600 * 1000;
        for standing in [Standing::Lost, Standing::Away] {
            let after = |now| {
                let tried = Try { standing, ..tried(9, now) };
                decide_with(&failed(FailureKind::Connect), tried, &retry, 1)
            };
            assert!(matches!(after(end - 1), Decision::PutBack(_)));
            assert_eq!(after(end), Decision::Dead(Reason::Age));
        }
    }

    #[test]
    fn what_a_proxy_says_for_a_system_that_is_down_is_evidence() {
        let event = EventId::new(Timestamp::default());
        let unanswered = Some(Evidence::Unanswered(event));
        for status in 200..=599 {
            let expected = if (502..=504).contains(&status) { unanswered } else { None };
            assert_eq!(evidence(&answered(status, None), event), expected, "{status}");
        }
        for (kind, expected) in [
            (FailureKind::Connect, Some(Evidence::Unreachable)),
            (FailureKind::Tls, Some(Evidence::Unreachable)),
            (FailureKind::Timeout, unanswered),
            (FailureKind::Broken, unanswered),
        ] {
            assert_eq!(evidence(&failed(kind), event), expected, "{kind}");
        }
    }

    #[test]
    fn age_ends_at_the_limit_and_not_before() {
        let end = 72 * 3600 * 1000;
        let at = |now| decide_with(&answered(503, None), tried(9, now), &RETRY, 1);
        let Decision::RetryAt(last) = at(end - 1) else {
            panic!("one millisecond is left");
        };
        assert!(last <= Timestamp::from_millis(end));
        assert_eq!(at(end), Decision::Dead(Reason::Age));
        assert_eq!(at(end + 1), Decision::Dead(Reason::Age));
    }

    #[test]
    fn a_success_or_a_refusal_counts_at_any_age() {
        let late = tried(1000, u64::MAX);
        let done = decide_with(&answered(204, None), late, &RETRY, 1);
        let dead = decide_with(&answered(410, None), late, &RETRY, 1);
        assert_eq!(done, Decision::Done);
        assert_eq!(dead, Decision::Dead(Reason::Refused));
    }

    #[test]
    fn retry_after_is_a_lower_bound_up_to_the_cap() {
        let wait = |asked| {
            let outcome = answered(429, Some(RetryAfter::In(Duration::from_secs(asked))));
            match decide_with(&outcome, tried(1, 5_000), &RETRY, 7) {
                Decision::RetryAt(at) => at.since(Timestamp::from_millis(5_000)),
                other => panic!("{other:?}"),
            }
        };
        assert!(wait(0) <= Duration::from_secs(1));
        for (asked, expected) in [(599, 599), (600, 600), (601, 600), (u64::MAX, 600)] {
            assert_eq!(wait(asked), Duration::from_secs(expected), "{asked}");
        }
    }

    #[test]
    fn retry_after_is_not_shortened_by_the_end_of_age() {
        let end = 72 * 3600 * 1000;
        let outcome = answered(503, Some(RetryAfter::In(Duration::from_mins(1))));
        let decision = decide_with(&outcome, tried(2, end - 1_000), &RETRY, 7);
        let expected = Timestamp::from_millis(end + 59_000);
        assert_eq!(decision, Decision::RetryAt(expected));
    }

    #[test]
    fn the_bound_grows_to_the_cap() {
        let seconds = |attempt| bound(&RETRY, attempt).as_secs();
        let grown: Vec<u64> = (1..=5).map(seconds).collect();
        assert_eq!(grown, [1, 2, 4, 8, 16]);
        assert_eq!(seconds(10), 512);
        assert_eq!(seconds(11), 600);
        assert_eq!(seconds(u32::MAX), 600);
    }

    proptest! {
        #[test]
        fn the_wait_stays_within_its_bounds(
            seed: u64,
            attempt in 1_u32..2_000,
            initial_ms in 0_u64..100_000,
            max_ms in 0_u64..10_000_000,
            factor in 1.0_f64..100.0,
            age_ms in 0_u64..300_000_000,
            asked_s in proptest::option::of(0_u64..20_000),
        ) {
            let retry = RetrySettings {
                initial: Duration::from_millis(initial_ms),
                max: Duration::from_millis(max_ms),
                factor,
                ..RETRY
            };
            let asked = asked_s.map(Duration::from_secs);
            let outcome = answered(503, asked.map(RetryAfter::In));
            match decide_with(&outcome, tried(attempt, age_ms), &retry, seed) {
                Decision::RetryAt(at) => {
                    let wait = at.since(Timestamp::from_millis(age_ms));
                    prop_assert!(wait <= retry.max);
                    prop_assert!(wait >= asked.unwrap_or_default().min(retry.max));
                    prop_assert!(asked.is_some() || wait <= bound(&retry, attempt));
                }
                decision => {
                    prop_assert_eq!(decision, Decision::Dead(Reason::Age));
                    prop_assert!(age_ms >= 72 * 3600 * 1000);
                }
            }
        }
    }

    #[test]
    fn the_jitter_is_full() {
        let bound = Duration::from_secs(8);
        let mut rng = fastrand::Rng::with_seed(42);
        let waits: Vec<Duration> = (0..1000).map(|_| jitter(bound, &mut rng)).collect();
        assert!(waits.iter().any(|wait| *wait < bound / 20));
        assert!(waits.iter().any(|wait| *wait > bound * 19 / 20));
        assert!(waits.iter().all(|wait| *wait <= bound));
    }
}
