//! `[listen]`, `[admin]`, `[limits]` and `[log]`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::key::Key;
use super::quantity::{amount, duration, size};
use super::raw::{RawAdmin, RawAllowlist, RawLimits, RawListen, RawLog};
use super::report::Report;
use super::secret;
use super::word::word;
use crate::admin::AdminSettings;
use crate::event;
use crate::ingress::RequestLimits;
use crate::net::ListenSettings;
use crate::telemetry::{LogFormat, LogSettings};

/// Shorter ones break honest senders on a slow line; longer ones let idle connections pile up.
const DEADLINES: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(10);

/// Everything that `[limits]` decides besides the sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) handshake_time: Option<Duration>,
    pub(super) shutdown_time: Option<Duration>,
    pub(super) requests: Option<RequestLimits>,
    pub(super) events: Option<event::Limits>,
}

pub(super) fn listen(
    raw: &RawListen,
    limits: &RawLimits,
    report: &mut Report,
) -> Option<ListenSettings> {
    let key = Key::top("listen");
    let address = address(&raw.address, &key.child("address"), report);
    let key = Key::top("limits");
    let connections = amount(report, &key.child("connections"), limits.connections, 1..=1_000_000);
    let connections_per_address = amount(
        report,
        &key.child("connections_per_address"),
        limits.connections_per_address,
        1..=1_000_000,
    );
    Some(ListenSettings {
        address: address?,
        connections: connections?,
        connections_per_address: connections_per_address?,
        proxy_protocol: raw.proxy_protocol,
    })
}

/// With nobody to believe, every PROXY header would be refused, and every client of a balancer.
pub(super) fn proxy_protocol(raw: &RawListen, allowlist: &RawAllowlist, report: &mut Report) {
    if raw.proxy_protocol && allowlist.trusted_proxies.is_empty() {
        let what = "is on, and there is no proxy whose header counts";
        let mend = "list the balancer's addresses in allowlist.trusted_proxies, or set it to false";
        report.problem(&Key::top("listen").child("proxy_protocol"), what, mend);
    }
}

pub(super) fn admin(
    raw: &RawAdmin,
    listen: Option<SocketAddr>,
    report: &mut Report,
) -> Option<AdminSettings> {
    let key = Key::top("admin");
    let address = address(&raw.address, &key.child("address"), report);
    let at = key.child("token");
    let token = secret::optional(report, &at, &raw.token);
    if let Some(address) = address {
        if raw.token.is_empty() && !address.ip().is_loopback() {
            let what = format!("is empty, and {address} can be reached from other machines");
            let mend = "set a token, or use a loopback address such as 127.0.0.1";
            report.problem(&at, what, mend);
        }
        if listen.is_some_and(|listen| collide(listen, address)) {
            let what = "is where postbacks are listened for";
            let mend = "give it a port of its own; 9900 is the default";
            report.problem(&key.child("address"), what, mend);
        }
    }
    // RFC 6750 2.1: what can stand behind `Bearer`; anything else could never be sent.
    let sendable = |byte: u8| byte.is_ascii_graphic();
    if let Some(token) = &token
        && !token.expose_secret().bytes().all(sendable)
    {
        let mend = "use letters, digits and -._~+/= alone";
        report.problem(&at, "has characters that a header cannot carry", mend);
    }
    Some(AdminSettings { address: address?, token })
}

pub(super) fn limits(raw: &RawLimits, report: &mut Report) -> Limits {
    let key = |name: &str| Key::top("limits").child(name);
    let time =
        |report: &mut Report, name: &str, text: &str| duration(report, &key(name), text, DEADLINES);
    let handshake_time = time(report, "handshake_time", &raw.handshake_time);
    let header_time = time(report, "header_time", &raw.header_time);
    let body_time = time(report, "body_time", &raw.body_time);
    let shutdown_time = time(report, "shutdown_time", &raw.shutdown_time);
    // hyper refuses a smaller buffer than 8 KiB.
    let header_bytes = bytes(report, &key("header_bytes"), &raw.header_bytes, 8 << 10..=1 << 20);
    let body_bytes = bytes(report, &key("body_bytes"), &raw.body_bytes, 1..=64 << 20);
    let headers = amount(report, &key("headers"), raw.headers, 1..=1000);
    let depth = amount(report, &key("depth"), raw.depth, 1..=128);
    let fields = amount(report, &key("fields"), raw.fields, 1..=100_000);
    Limits {
        handshake_time,
        shutdown_time,
        requests: requests(header_time, header_bytes, headers, body_bytes, body_time),
        events: depth.zip(fields).map(|(depth, fields)| event::Limits { depth, fields }),
    }
}

pub(super) fn log(raw: &RawLog, report: &mut Report) -> Option<LogSettings> {
    let key = Key::top("log");
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = word(report, &key.child("format"), &raw.format, &formats);

    let level = key.child("level");
    // To the filter's own parser a misspelt level is the name of a module, and nothing is logged.
    let is_list = raw.level.contains(['=', ',']);
    if !is_list {
        let levels = ["off", "error", "warn", "info", "debug", "trace"].map(|level| (level, ()));
        word(report, &level, &raw.level, &levels)?;
    }
    let settings = LogSettings { format: format?, level: raw.level.clone() };
    if let Err(error) = settings.filter() {
        let mend = "write a level such as \"info\", or a list such as \"info,hyper=warn\"";
        report.problem(&level, format!("cannot be read: {error}"), mend);
        return None;
    }
    Some(settings)
}

fn requests(
    header_time: Option<Duration>,
    header_bytes: Option<usize>,
    headers: Option<usize>,
    body_bytes: Option<usize>,
    body_time: Option<Duration>,
) -> Option<RequestLimits> {
    Some(RequestLimits {
        header_time: header_time?,
        header_bytes: header_bytes?,
        headers: headers?,
        body_bytes: body_bytes?,
        body_time: body_time?,
    })
}

fn bytes(
    report: &mut Report,
    key: &Key,
    raw: &super::raw::RawSize,
    bounds: RangeInclusive<u64>,
) -> Option<usize> {
    usize::try_from(size(report, key, raw, bounds)?).ok()
}

fn address(text: &str, key: &Key, report: &mut Report) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    report.problem(
        key,
        format!("{text:?} is no address with a port"),
        "write an address such as \"0.0.0.0:8443\" or \"[::]:8443\"; names are not looked up",
    );
    None
}

/// Port 0 is a free one, so two of them never meet.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (everywhere || one.ip() == other.ip())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, settings};

    #[test]
    fn admin_needs_a_token_away_from_loopback() {
        let away = [("admin.address", "\"0.0.0.0:9900\"")];
        assert_eq!(problems(&away), ["admin.token"]);
        let with_token = [away[0], ("admin.token", "\"env:TOKEN\"")];
        assert_eq!(problems(&with_token), [""; 0]);
        assert_eq!(problems(&[("admin.token", "\"a b\"")]), ["admin.token"]);
        assert_eq!(problems(&[("admin.address", "\"127.0.0.1:8443\"")]), ["admin.address"]);
        assert_eq!(problems(&[("admin.address", "\"[::1]:9900\"")]), [""; 0]);
    }

    #[test]
    fn limits_at_and_past_their_bounds() {
        for (key, at, past) in [
            ("limits.connections", "1", "0"),
            ("limits.connections_per_address", "1000000", "1000001"),
            ("limits.handshake_time", "\"10ms\"", "\"9ms\""),
            ("limits.header_time", "\"10m\"", "\"601s\""),
            ("limits.header_bytes", "8192", "8191"),
            ("limits.headers", "1000", "1001"),
            ("limits.body_bytes", "\"64MiB\"", "67108865"),
            ("limits.body_time", "\"10m\"", "\"10m 1ms\""),
            ("limits.shutdown_time", "\"10m\"", "\"601s\""),
            ("limits.depth", "128", "129"),
            ("limits.fields", "100000", "100001"),
        ] {
            assert_eq!(problems(&[(key, at)]), [""; 0], "{key} = {at}");
            assert_eq!(problems(&[(key, past)]), [key], "{key} = {past}");
        }
    }

    #[test]
    fn a_misspelt_level_is_not_taken_for_a_module() {
        assert_eq!(problems(&[("log.level", "\"inof\"")]), ["log.level"]);
        assert_eq!(problems(&[("log.level", "\"info,hyper=lots\"")]), ["log.level"]);
        let settings = settings(&[("log.level", "\"info,hyper=warn\"")]);
        assert_eq!(settings.log.level, "info,hyper=warn");
    }

    #[test]
    fn the_proxy_protocol_needs_somebody_to_believe() {
        let on = ("listen.proxy_protocol", "true");
        assert_eq!(problems(&[on]), ["listen.proxy_protocol"]);
        let settings = settings(&[on, ("allowlist.trusted_proxies", "[\"10.0.0.0/8\"]")]);
        assert!(settings.listen.proxy_protocol);
    }

    #[test]
    fn an_address_is_not_a_name() {
        assert_eq!(problems(&[("listen.address", "\"localhost:1\"")]), ["listen.address"]);
    }
}
