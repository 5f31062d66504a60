//! What came of a run: counted in memory that does not grow with it.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::super::sender::{Answer, Fault, FaultKind};

/// Of the answers of one reason, so many are shown.
const EXAMPLES: usize = 3;
/// The longest time that is told apart; a request cannot take longer.
pub(super) const LONGEST: Duration = Duration::from_hours(1);
/// 0.1 %: what a person can tell apart.
const DIGITS: u8 = 3;

/// Counts of a run.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) acknowledged: u32,
    /// In microseconds, of every answer.
    pub(super) times: Histogram<u64>,
    /// As many as there are status codes and kinds of faults, at most.
    pub(super) failures: BTreeMap<Reason, Failures>,
}

/// Why an event is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Status(u16),
    Fault(FaultKind),
}

/// Those of one reason.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pub(super) count: u32,
    /// The first of them: number of the event, from 1, and what was said.
    pub(super) examples: Vec<(u32, String)>,
}

impl Tally {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    pub(super) fn new() -> Self {
        let longest = u64::try_from(LONGEST.as_micros()).unwrap_or(u64::MAX);
        let times = Histogram::new_with_bounds(1, longest, DIGITS).expect("1 is below the longest");
        Self { acknowledged: 0, times, failures: BTreeMap::new() }
    }

    /// Counts one event. `event`: its number, from 0.
    pub(super) fn count(&mut self, event: u32, outcome: Result<Answer, Fault>, took: Duration) {
        let (reason, said) = match outcome {
            Ok(answer) => {
                self.times.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
                if answer.status.is_success() {
                    self.acknowledged += 1;
                    return;
                }
                (Reason::Status(answer.status.as_u16()), said(&answer))
            }
            Err(fault) => (Reason::Fault(fault.kind), fault.cause),
        };
        let failures = self.failures.entry(reason).or_default();
        failures.count += 1;
        if failures.examples.len() < EXAMPLES {
            failures.examples.push((event.saturating_add(1), line(&said)));
        }
    }

    /// The time within which this share of the answers came.
    pub(super) fn within(&self, share: f64) -> Duration {
        Duration::from_micros(self.times.value_at_quantile(share))
    }
}

/// What an answer says of its reason: the problem of RFC 9457, or its text.
fn said(answer: &Answer) -> String {
    let problem = answer.text("detail").or_else(|| answer.text("title"));
    problem.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned())
}

/// The first line, without control characters: it goes to a terminal.
fn line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|character| !character.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn failures_are_told_apart_by_reason_with_the_first_examples() {
        let mut tally = Tally::new();
        tally.count(0, Ok(answer(200, "")), Duration::from_millis(1));
        for event in 1..=5 {
            let unclear = answer(422, r#"{"title":"t","detail":"line 1\u001b[2J\nx"}"#);
            tally.count(event, Ok(unclear), LONGEST);
        }
        tally.count(6, Ok(answer(401, r#"{"title":"no secret"}"#)), LONGEST * 2);
        tally.count(7, Ok(answer(502, "<html>\nbad")), LONGEST);
        let fault = Fault { kind: FaultKind::Tls, cause: "unknown issuer".to_owned() };
        tally.count(8, Err(fault), LONGEST);
        let failures: Vec<_> = tally
            .failures
            .iter()
            .map(|(reason, failures)| (*reason, failures.count, failures.examples.clone()))
            .collect();
        let example = |event, text: &str| (event, text.to_owned());
        assert_eq!(
            failures,
            [
                (Reason::Status(401), 1, vec![example(7, "no secret")]),
                (
                    Reason::Status(422),
                    5,
                    [2, 3, 4].map(|event| example(event, "line 1[2J")).to_vec()
                ),
                (Reason::Status(502), 1, vec![example(8, "<html>")]),
                (Reason::Fault(FaultKind::Tls), 1, vec![example(9, "unknown issuer")]),
            ]
        );
        assert_eq!((tally.acknowledged, tally.times.len()), (1, 8), "a fault has no time");
    }

    #[test]
    fn times_are_kept_to_a_thousandth() {
        let mut tally = Tally::new();
        for event in 0..1000 {
            tally.count(event, Ok(answer(200, "")), Duration::from_millis(u64::from(event) + 1));
        }
        let is_near = |share, millis| {
            let off = tally.within(share).abs_diff(Duration::from_millis(millis));
            off <= Duration::from_millis(1)
        };
        assert!(is_near(0.5, 500) && is_near(0.99, 990) && is_near(1.0, 1000));
    }
}
