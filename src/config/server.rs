//! `[listen]`, `[admin]` and `[log]`.

use std::net::SocketAddr;

use http::uri::Authority;
use secrecy::ExposeSecret as _;

use super::key::Key;
use super::quantity::amount;
use super::raw::{RawAdmin, RawAllowlist, RawLimits, RawListen, RawLog};
use super::report::Report;
use super::secret;
use super::word::word;
use crate::admin::AdminSettings;
use crate::net::ListenSettings;
use crate::telemetry::{LogFormat, LogSettings};

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
    })
}

/// Names without a port. What is wrong with one is a problem; the others are checked as well.
pub(super) fn names(texts: &[String], report: &mut Report) -> Vec<String> {
    let key = Key::top("listen").child("server_name");
    for (index, text) in texts.iter().enumerate() {
        let is_name = Authority::try_from(text.as_str()).is_ok_and(|name| name.host() == text);
        if !is_name || text.contains('*') {
            let what = format!("{text:?} is no host name");
            report.problem(&key.at(index), what, "write a name alone, such as \"shop.example\"");
        }
    }
    texts.to_vec()
}

/// With nobody to believe, every PROXY header would be refused, and every client of a balancer.
pub(super) fn proxy_protocol(raw: &RawListen, allowlist: &RawAllowlist, report: &mut Report) {
    if raw.proxy_protocol && allowlist.trusted_proxies.is_empty() {
        let what = "is on, and there is no proxy whose header counts";
        let mend = "list the balancer's addresses in allowlist.trusted_proxies, or set it to false";
        report.problem(&Key::top("listen").child("proxy_protocol"), what, mend);
    }
}

/// One address could take all places. Behind a proxy that ends TLS it has to: every connection is its own.
pub(super) fn crowd(
    listen: &RawListen,
    allowlist: &RawAllowlist,
    limits: &RawLimits,
    report: &mut Report,
) {
    let is_behind = !allowlist.trusted_proxies.is_empty() && !listen.proxy_protocol;
    if limits.connections_per_address >= limits.connections && !is_behind {
        let what = format!(
            "is {}, and limits.connections is {}: one address can take them all, and nobody else comes in",
            limits.connections_per_address, limits.connections
        );
        let mend = "make it half of limits.connections, or less";
        report.warn(&Key::top("limits").child("connections_per_address"), what, mend);
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
    let settings =
        LogSettings { format: format.unwrap_or(LogFormat::Text), level: raw.level.clone() };
    if let Err(error) = settings.filter() {
        let mend = "write a level such as \"info\", or a list such as \"info,hyper=warn\"";
        report.problem(&level, format!("cannot be read: {error}"), mend);
    }
    Some(settings)
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
    fn a_misspelt_level_is_not_taken_for_a_module() {
        assert_eq!(problems(&[("log.level", "\"inof\"")]), ["log.level"]);
        assert_eq!(problems(&[("log.level", "\"info,hyper=lots\"")]), ["log.level"]);
        let both = [("log.format", "\"xml\""), ("log.level", "\"foo=bar\"")];
        assert_eq!(problems(&both), ["log.format", "log.level"]);
        let settings = settings(&[("log.level", "\"info,hyper=warn\"")]);
        assert_eq!(settings.log.level, "info,hyper=warn");
    }

    #[test]
    fn a_server_name_is_a_host_alone() {
        let names = "[\"shop.example\", \"192.0.2.1\", \"[2001:db8::1]\"]";
        assert_eq!(problems(&[("listen.server_name", names)]), [""; 0]);
        for name in ["", "a:1", "u@a", "a/b", "*.a", "a b"] {
            let names = format!("[\"a\", {name:?}]");
            assert_eq!(
                problems(&[("listen.server_name", &names)]),
                ["listen.server_name[1]"],
                "{name}"
            );
        }
    }

    #[test]
    fn the_proxy_protocol_needs_somebody_to_believe() {
        let on = ("listen.proxy_protocol", "true");
        assert_eq!(problems(&[on]), ["listen.proxy_protocol"]);
        let settings = settings(&[on, ("allowlist.trusted_proxies", "[\"10.0.0.0/8\"]")]);
        assert!(settings.allowlist.proxy_protocol);
    }

    #[test]
    fn one_address_that_may_take_all_places_is_told() {
        let few = ("limits.connections", "1000");
        let proxies = ("allowlist.trusted_proxies", "[\"10.0.0.0/8\"]");
        let protocol = ("listen.proxy_protocol", "true");
        for (keys, warned) in [
            (&[][..], false),
            (&[few], true),
            (&[few, ("limits.connections_per_address", "999")], false),
            (&[few, proxies], false),
            (&[few, proxies, protocol], true),
        ] {
            let warnings = settings(keys).warnings;
            let told = warnings.iter().any(|told| told.key == "limits.connections_per_address");
            assert_eq!(told, warned, "{keys:?}");
        }
    }

    #[test]
    fn an_address_is_not_a_name() {
        assert_eq!(problems(&[("listen.address", "\"localhost:1\"")]), ["listen.address"]);
    }
}
