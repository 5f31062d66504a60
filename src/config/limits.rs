//! `[limits]`: each within bounds that make sense of it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Route;
use super::key::Key;
use super::quantity::{amount, count, duration, size};
use super::raw::{RawLimits, RawSize};
use super::report::Report;
use crate::event;
use crate::ingress::{Delivery, RequestLimits};

/// Shorter ones break honest senders on a slow line; longer ones let idle connections pile up.
const DEADLINES: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(10);

/// Everything that `[limits]` decides besides the sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) handshake_time: Option<Duration>,
    pub(super) handshakes: Option<usize>,
    pub(super) shutdown_time: Option<Duration>,
    pub(super) requests: Option<RequestLimits>,
    pub(super) events: Option<event::Limits>,
}

pub(super) fn limits(raw: &RawLimits, report: &mut Report) -> Limits {
    let time =
        |report: &mut Report, name: &str, text: &str| duration(report, &key(name), text, DEADLINES);
    let handshake_time = time(report, "handshake_time", &raw.handshake_time);
    let shutdown_time = time(report, "shutdown_time", &raw.shutdown_time);
    let handshakes = amount(report, &key("handshakes"), raw.handshakes, 1..=1_000_000);
    let depth = amount(report, &key("depth"), raw.depth, 1..=128);
    let fields = amount(report, &key("fields"), raw.fields, 1..=100_000);
    Limits {
        handshake_time,
        handshakes,
        shutdown_time,
        requests: requests(raw, report),
        events: depth.zip(fields).map(|(depth, fields)| event::Limits { depth, fields }),
    }
}

/// Who waits for the upstream's outcome when the process ends would not be told it.
pub(super) fn outlasted(shutdown_time: Option<Duration>, routes: &[Route], report: &mut Report) {
    let Some(shutdown_time) = shutdown_time else { return };
    let outlasts = |route: &&Route| {
        let direct = route.ingress.delivery == Delivery::Direct;
        direct && route.deliver.retry.direct_time > shutdown_time
    };
    for route in routes.iter().filter(outlasts) {
        let what = format!(
            "is shorter than the retry.direct_time of the route \"{}\": at the end of the process \
             its senders may go unanswered",
            route.ingress.name
        );
        report.warn(&key("shutdown_time"), what, "make it longer, or retry.direct_time shorter");
    }
}

/// Every one is looked at before one may fail.
fn requests(raw: &RawLimits, report: &mut Report) -> Option<RequestLimits> {
    let header_time = duration(report, &key("header_time"), &raw.header_time, DEADLINES);
    let idle_time = duration(report, &key("idle_time"), &raw.idle_time, DEADLINES);
    let body_time = duration(report, &key("body_time"), &raw.body_time, DEADLINES);
    let body_grace = duration(report, &key("body_grace"), &raw.body_grace, DEADLINES);
    // hyper refuses a smaller buffer than 8 KiB. In a larger one than this a target could be too long for
    // it, and its own 414 for that looks like its 431.
    let header_bytes = bytes(report, "header_bytes", &raw.header_bytes, 8 << 10..=64 << 10);
    // hyper knows no longer one.
    let target_bytes = bytes(report, "target_bytes", &raw.target_bytes, 1 << 10..=65_534);
    let body_bytes = bytes(report, "body_bytes", &raw.body_bytes, 1..=64 << 20);
    let body_rate = bytes(report, "body_rate", &raw.body_rate, 1..=1 << 30);
    // Twice what `ingress/bodies.rs` counts for a request without a body: one address gets half.
    let bodies_bytes = bytes(report, "bodies_bytes", &raw.bodies_bytes, 16 << 10..=1 << 40);
    if let (Some(one), Some(all)) = (body_bytes, bodies_bytes)
        && all / 2 < one
    {
        let what = "is less than two bodies of limits.body_bytes, and one address gets half";
        let mend = "make it larger, or limits.body_bytes smaller";
        report.problem(&key("bodies_bytes"), what, mend);
    }
    let headers = amount(report, &key("headers"), raw.headers, 1..=1000);
    let per_connection = key("requests_per_connection");
    let requests_per_connection =
        count(report, &per_connection, raw.requests_per_connection, 1..=1_000_000_000);
    let http2_streams = count(report, &key("http2_streams"), raw.http2_streams, 1..=10_000);
    Some(RequestLimits {
        header_time: header_time?,
        idle_time: idle_time?,
        header_bytes: header_bytes?,
        headers: headers?,
        target_bytes: target_bytes?,
        body_bytes: body_bytes?,
        body_time: body_time?,
        body_grace: body_grace?,
        body_rate: body_rate?,
        bodies_bytes: bodies_bytes?,
        requests_per_connection: requests_per_connection?,
        http2_streams: u32::try_from(http2_streams?).ok()?,
    })
}

fn bytes(
    report: &mut Report,
    name: &str,
    raw: &RawSize,
    bounds: RangeInclusive<u64>,
) -> Option<usize> {
    usize::try_from(size(report, &key(name), raw, bounds)?).ok()
}

fn key(name: &str) -> Key {
    Key::top("limits").child(name)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, settings};

    #[test]
    fn one_request_of_one_address_always_fits() {
        for (bodies, expected) in [("16384", &[][..]), ("16383", &["limits.bodies_bytes"])] {
            let keys = [("limits.body_bytes", "1"), ("limits.bodies_bytes", bodies)];
            assert_eq!(problems(&keys), expected, "{bodies}");
        }
    }

    #[test]
    fn limits_at_and_past_their_bounds() {
        for (key, at, past) in [
            ("limits.connections", "1", "0"),
            ("limits.connections_per_address", "1000000", "1000001"),
            ("limits.handshake_time", "\"10ms\"", "\"9ms\""),
            ("limits.handshakes", "1", "0"),
            ("limits.header_time", "\"10m\"", "\"601s\""),
            ("limits.idle_time", "\"10m\"", "\"601s\""),
            ("limits.header_bytes", "8192", "8191"),
            ("limits.header_bytes", "65536", "65537"),
            ("limits.headers", "1000", "1001"),
            ("limits.target_bytes", "65534", "65535"),
            ("limits.body_bytes", "\"64MiB\"", "67108865"),
            ("limits.body_time", "\"10m\"", "\"10m 1ms\""),
            ("limits.body_grace", "\"10ms\"", "\"9ms\""),
            ("limits.body_rate", "1", "0"),
            ("limits.bodies_bytes", "\"2MiB\"", "2097151"),
            ("limits.bodies_bytes", "1099511627776", "1099511627777"),
            ("limits.requests_per_connection", "1", "0"),
            ("limits.http2_streams", "10000", "10001"),
            ("limits.shutdown_time", "\"10m\"", "\"601s\""),
            ("limits.depth", "128", "129"),
            ("limits.fields", "100000", "100001"),
        ] {
            assert_eq!(problems(&[(key, at)]), [""; 0], "{key} = {at}");
            assert_eq!(problems(&[(key, past)]), [key], "{key} = {past}");
        }
    }

    #[test]
    fn a_direct_sender_is_answered_before_the_end() {
        let warned = |delivery: &str, direct_time: &str| {
            let changes = [("routes[0].delivery", delivery), ("retry.direct_time", direct_time)];
            let warnings = settings(&changes).warnings;
            warnings.iter().any(|warning| warning.key == "limits.shutdown_time")
        };
        assert!(warned("\"direct\"", "\"12001ms\""));
        assert!(!warned("\"direct\"", "\"12s\""));
        assert!(!warned("\"queued\"", "\"13s\""));
    }
}
