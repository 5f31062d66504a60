//! What a run says: its progress on a terminal, and its sum.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::plan::Prepared;
use super::tally::{Reason, Tally};

/// Redrawn at most so often a second.
const REDRAWS: u8 = 10;

/// The end of a run.
#[derive(Debug)]
pub(super) struct Sum {
    pub(super) seed: u64,
    pub(super) wanted: u32,
    pub(super) started: u32,
    pub(super) elapsed: Duration,
    pub(super) tally: Tally,
}

impl Sum {
    /// Everything that was asked for was acknowledged.
    pub(super) fn is_good(&self) -> bool {
        self.tally.acknowledged == self.wanted
    }

    fn rate(&self) -> f64 {
        f64::from(self.started) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// For people.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { wanted, started, tally, .. } = self;
        writeln!(
            out,
            "{} of {wanted} acknowledged in {:.2} s, {:.1} sent a second (seed {})",
            tally.acknowledged,
            self.elapsed.as_secs_f64(),
            self.rate(),
            self.seed
        )?;
        if started < wanted {
            writeln!(out, "{} not sent: it was ended", wanted - started)?;
        }
        let answered = tally.times.len();
        if answered > 0 {
            let [p50, p90, p99, max] =
                [0.5, 0.9, 0.99, 1.0].map(|share| millis(tally.within(share)));
            writeln!(out, "answers: p50 {p50} ms, p90 {p90} ms, p99 {p99} ms, max {max} ms")?;
        }
        for (reason, failures) in &tally.failures {
            writeln!(out, "{:>7} × {}", failures.count, name(*reason))?;
            for (event, said) in &failures.examples {
                writeln!(out, "          event {event}: {said}")?;
            }
        }
        Ok(())
    }

    /// For programs: one object.
    pub(super) fn json(&self) -> serde_json::Value {
        let tally = &self.tally;
        let failures = tally.failures.iter().map(|(reason, failures)| {
            let examples = failures.examples.iter();
            let examples = examples.map(|(event, said)| json!({"event": event, "detail": said}));
            json!({
                "reason": name(*reason),
                "count": failures.count,
                "examples": examples.collect::<Vec<_>>(),
            })
        });
        let time = |share| tally.within(share).as_secs_f64() * 1000.0;
        json!({
            "seed": self.seed,
            "wanted": self.wanted,
            "sent": self.started,
            "acknowledged": tally.acknowledged,
            "elapsed_seconds": self.elapsed.as_secs_f64(),
            "sent_per_second": self.rate(),
            "answer_ms": {"p50": time(0.5), "p90": time(0.9), "p99": time(0.99), "max": time(1.0)},
            "failures": failures.collect::<Vec<_>>(),
        })
    }
}

/// One event that is shown and not sent, as a line of JSON.
pub(super) fn dry(event: u32, prepared: &Prepared) -> serde_json::Value {
    let values = prepared.values.iter().map(|(name, value)| (name.clone(), json!(value)));
    json!({
        "event": event.saturating_add(1),
        "kind": prepared.kind.as_str(),
        "format": prepared.format.as_str(),
        "method": prepared.request.method().as_str(),
        "url": prepared.request.uri().to_string(),
        "text": prepared.text,
        "values": values.collect::<serde_json::Map<_, _>>(),
    })
}

/// A bar on stderr; nothing where that is no terminal.
pub(super) fn progress(count: u32) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS);
    let bar = ProgressBar::with_draw_target(Some(count.into()), target);
    let template = "{wide_bar} {human_pos}/{human_len}  {per_sec}  {eta} left  {msg}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_unknown_part) => bar,
    }
}

fn name(reason: Reason) -> String {
    match reason {
        Reason::Status(code) => {
            let status = http::StatusCode::from_u16(code).ok();
            let words = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
            format!("{code} {words}").trim_end().to_owned()
        }
        Reason::Fault(kind) => kind.to_string(),
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::super::super::sender::{Answer, Fault, FaultKind};
    use super::*;

    fn sum() -> Sum {
        let mut tally = Tally::new();
        let answer =
            |status| Ok(Answer { status, body: Bytes::from_static(b"{\"detail\":\"why\"}") });
        tally.count(0, answer(StatusCode::OK), Duration::from_millis(1));
        tally.count(1, answer(StatusCode::UNPROCESSABLE_ENTITY), Duration::from_millis(2));
        let fault = Fault { kind: FaultKind::Connect, cause: "refused".to_owned() };
        tally.count(2, Err(fault), Duration::ZERO);
        Sum { seed: 7, wanted: 5, started: 3, elapsed: Duration::from_secs(2), tally }
    }

    #[test]
    fn people_read_counts_times_and_reasons() {
        let mut out = Vec::new();
        sum().write(&mut out).expect("written");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "1 of 5 acknowledged in 2.00 s, 1.5 sent a second (seed 7)\n\
             2 not sent: it was ended\n\
             answers: p50 1.00 ms, p90 2.00 ms, p99 2.00 ms, max 2.00 ms\n      \
             1 × 422 Unprocessable Entity\n          event 2: why\n      \
             1 × no connection\n          event 3: refused\n"
        );
    }

    #[test]
    fn programs_read_one_object() {
        let json = sum().json();
        assert_eq!(json["acknowledged"], 1);
        assert_eq!(json["failures"][1]["examples"][0]["detail"], "refused");
        assert!(json["answer_ms"]["p99"].as_f64().is_some_and(|time| (time - 2.0).abs() < 0.01));
        assert!(!sum().is_good());
    }
}
