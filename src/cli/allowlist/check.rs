//! `postgate allowlist check`: the gate's own answer for one address.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use crate::config::{self, Admission, ListedRange, Route};
use crate::ingress::{Gate, Unreadable};
use crate::net::{Announced, Origin};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The address that connects: the sender's, or that of a proxy in front.
    #[arg(value_name = "IP")]
    address: IpAddr,
    /// The X-Forwarded-For header of the request; counts when the address is a trusted proxy.
    #[arg(long, value_name = "LIST")]
    forwarded_for: Option<String>,
    /// Its Forwarded header (RFC 7239), which counts in the same way.
    #[arg(long, value_name = "LIST")]
    forwarded: Option<String>,
    /// The client that a PROXY header of that address names; LOCAL or UNKNOWN for a balancer's own
    /// check.
    #[arg(long, value_name = "IP", value_parser = announced)]
    proxied: Option<Announced>,
    /// The route that the request is for: it may have a list of its own.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

fn announced(text: &str) -> Result<Announced, String> {
    match text.to_ascii_uppercase().as_str() {
        "LOCAL" | "UNKNOWN" => Ok(Announced::Itself),
        _ => match text.parse::<IpAddr>() {
            Ok(client) => Ok(Announced::Client(client.to_canonical())),
            Err(_) => Err("is neither an address, nor LOCAL, nor UNKNOWN".to_owned()),
        },
    }
}

/// Exits 0 for yes and 1 for no.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let admission = config::admission(config)?;
    let routes = match arguments.route {
        Some(_) => config::load(config)?.routes,
        None => Vec::new(),
    };
    let answer = answer(&admission, &routes, arguments)?;
    let mut out = anstream::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", answer.to_text())?;
    }
    Ok(if answer.allowed { ExitCode::SUCCESS } else { ExitCode::from(super::super::EXIT_FAILED) })
}

#[derive(Debug, Serialize)]
struct Answer {
    address: IpAddr,
    /// Who the request is taken to come from; null when that cannot be told.
    client: Option<IpAddr>,
    /// What tells so, or should; null where no request comes.
    by: Option<String>,
    allowed: bool,
    /// The narrowest range that holds the client.
    range: Option<String>,
    /// Where the range stands.
    place: Option<String>,
    /// The same of the route's own list; null where it has none, or was not asked for.
    route_range: Option<String>,
    route_place: Option<String>,
    reason: String,
}

impl Answer {
    /// The rule is named as in the log.
    fn to_text(&self) -> String {
        let word = if self.allowed { "yes" } else { "no" };
        let by = self.by.as_ref().map(|rule| format!(", by {rule}")).unwrap_or_default();
        format!("{word}{by}: {}", self.reason)
    }
}

fn answer(
    admission: &Admission,
    routes: &[Route],
    arguments: &Arguments,
) -> anyhow::Result<Answer> {
    let peer = arguments.address.to_canonical();
    if let Some(reason) = no_connection(admission, arguments) {
        return Ok(Answer {
            address: peer,
            client: None,
            by: None,
            allowed: false,
            range: None,
            place: None,
            route_range: None,
            route_place: None,
            reason,
        });
    }
    let headers = headers(arguments)?;
    let origin = Origin { peer, announced: arguments.proxied };
    let ruling = Gate::new(&admission.allowlist).rule(&origin, &headers);
    let client = ruling.client.map(|client| client.address);
    let (range, place) = narrowest(&admission.listed, client.ok());

    let found = match (client, &range, &place) {
        (Err(unreadable), ..) => unreadable.to_string(),
        (Ok(client), Some(range), Some(place)) => format!("{client} is in {range} ({place})"),
        (Ok(client), ..) if ruling.allowed => {
            format!("{client} is in no range, but allowlist.allow_any lets everybody in")
        }
        (Ok(client), ..) => format!("{client} is in no range"),
    };
    let speaker = origin.address();
    let why = match (ruling.by_head, headers.is_empty()) {
        (true, false) => format!("; the header counts, because {speaker} is a trusted proxy"),
        (true, true) => "; it is a trusted proxy, without a header about others".to_owned(),
        (false, false) if origin.announced == Some(Announced::Itself) => {
            "; the header is ignored, because the proxy speaks for itself".to_owned()
        }
        (false, false) => format!("; the header is ignored, because {speaker} is no trusted proxy"),
        (false, true) => String::new(),
    };
    let own = own(routes, arguments)?;
    let (route_range, route_place) = narrowest(own.unwrap_or_default(), client.ok());
    let of_route = match (own, &route_range, &route_place) {
        (Some(_), Some(range), Some(place)) => format!("; the route has it in {range} ({place})"),
        (Some(_), ..) if client.is_ok() => "; it is not on the list of the route".to_owned(),
        _ => String::new(),
    };
    let by = ruling.client.map_or_else(Unreadable::rule, |client| client.rule);
    Ok(Answer {
        address: peer,
        client: client.ok(),
        by: Some(by.to_string()),
        allowed: ruling.allowed && (own.is_none() || route_range.is_some()),
        range,
        place,
        route_range,
        route_place,
        reason: format!("{found}{why}{of_route}"),
    })
}

fn headers(arguments: &Arguments) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (option, name, value) in [
        ("--forwarded-for", "x-forwarded-for", &arguments.forwarded_for),
        ("--forwarded", "forwarded", &arguments.forwarded),
    ] {
        if let Some(value) = value {
            let value = HeaderValue::from_str(value);
            headers.insert(name, value.with_context(|| format!("{option} is no header value"))?);
        }
    }
    Ok(headers)
}

/// The list of the route's own; `None`: it takes from all who may come in.
fn own<'a>(
    routes: &'a [Route],
    arguments: &Arguments,
) -> anyhow::Result<Option<&'a [ListedRange]>> {
    let Some(name) = &arguments.route else {
        return Ok(None);
    };
    let route = routes.iter().find(|route| *route.ingress.name == **name);
    let route = route.with_context(|| format!("there is no route {name:?}"))?;
    Ok(route.ingress.allowlist.as_ref().map(|_| &*route.listed))
}

/// Why the connection would not get as far as the list.
fn no_connection(admission: &Admission, arguments: &Arguments) -> Option<String> {
    let peer = arguments.address;
    let is_trusted = Gate::new(&admission.allowlist).trusts(peer);
    match (admission.proxy_protocol, is_trusted, arguments.proxied) {
        (true, true, None) => Some(format!(
            "connections of {peer}, a trusted proxy, must begin with a PROXY header; say with \
             --proxied whom it names"
        )),
        (false, _, Some(_)) => Some("listen.proxy_protocol is off: no PROXY header counts".into()),
        (true, false, Some(_)) => {
            Some(format!("{peer} is no trusted proxy: its PROXY header is refused"))
        }
        _ => None,
    }
}

/// The narrowest range that holds the client, and where it stands.
fn narrowest(listed: &[ListedRange], client: Option<IpAddr>) -> (Option<String>, Option<String>) {
    let holding =
        listed.iter().filter(|listed| client.is_some_and(|ip| listed.range.contains(&ip)));
    let narrowest = holding.max_by_key(|listed| listed.range.prefix_len());
    narrowest.map(|listed| (listed.range.to_string(), listed.place.to_string())).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::config::Settings;

    fn asked(settings: &Settings, arguments: &Arguments) -> anyhow::Result<Answer> {
        let admission = Admission {
            allowlist: settings.allowlist.clone(),
            listed: settings.listed.clone(),
            proxy_protocol: settings.listen.proxy_protocol,
        };
        answer(&admission, &settings.routes, arguments)
    }

    fn ask(address: &str, forwarded_for: Option<&str>, more: &str) -> Answer {
        let text = format!(
            "[tls]\nmode = \"off\"\n[allowlist]\nranges = [\"192.0.0.0/16\", \"192.0.2.0/24\"]\n\
             trusted_proxies = [\"10.0.0.0/8\"]\n{more}\n\
             [[routes]]\nname = \"a\"\npath = \"/a\"\nkind = \"action\"\n"
        );
        let settings = config::parse(&text, Path::new("config.toml"), [], Timestamp::default());
        let settings = settings.unwrap_or_else(|problems| panic!("{problems}"));
        let forwarded_for = forwarded_for.map(str::to_owned);
        let (address, proxied) = match address.split_once(" for ") {
            Some((address, client)) => (address, Some(announced(client).unwrap())),
            None => (address, None),
        };
        let address = address.parse().unwrap();
        let (forwarded, route) = (None, Some("a".to_owned()));
        let arguments =
            Arguments { address, forwarded_for, forwarded, proxied, route, json: false };
        asked(&settings, &arguments).unwrap()
    }

    #[test]
    fn a_proxy_header_counts_where_it_would() {
        let on = "allow_any = false\n[listen]\nproxy_protocol = true";
        for (more, address, header, allowed, part) in [
            (on, "10.0.0.1 for 192.0.2.7", None, true, "192.0.2.7 is in 192.0.2.0/24"),
            (on, "10.0.0.1 for 203.0.113.9", Some("192.0.2.7"), false, "ignored"),
            (on, "10.0.0.1 for 10.0.0.2", Some("192.0.2.7"), true, "10.0.0.2 is a trusted proxy"),
            (on, "10.0.0.1 for LOCAL", None, false, "10.0.0.1 is in no range"),
            (on, "10.0.0.1 for unknown", Some("192.0.2.7"), false, "speaks for itself"),
            (on, "192.0.2.7 for LOCAL", None, false, "is no trusted proxy"),
            ("", "10.0.0.1 for LOCAL", None, false, "is off"),
            (on, "10.0.0.1", None, false, "must begin with a PROXY header"),
            (on, "192.0.2.7", None, true, "is in"),
            (on, "192.0.2.7 for 192.0.2.8", None, false, "is no trusted proxy"),
            ("", "10.0.0.1 for 192.0.2.7", None, false, "is off"),
        ] {
            let answer = ask(address, header, more);
            assert_eq!(answer.allowed, allowed, "{address} {header:?}");
            assert!(answer.reason.contains(part), "{}", answer.reason);
        }
    }

    #[test]
    fn a_balancer_that_is_in_the_list_may_ask_for_itself() {
        let more = "allow_any = true\n[listen]\nproxy_protocol = true";
        let answer = ask("10.0.0.1 for LOCAL", None, more);
        assert!(answer.allowed, "{}", answer.reason);
        assert_eq!(answer.by.as_deref(), Some("PROXY header"));
        assert!(announced("local host").is_err());
    }

    #[test]
    fn the_narrowest_range_and_its_place_are_named() {
        for (address, range, place) in [
            ("192.0.2.7", Some("192.0.2.0/24"), Some("allowlist.ranges[1]")),
            ("::ffff:192.0.2.7", Some("192.0.2.0/24"), Some("allowlist.ranges[1]")),
            ("192.0.3.7", Some("192.0.0.0/16"), Some("allowlist.ranges[0]")),
            ("203.0.113.9", None, None),
        ] {
            let answer = ask(address, None, "");
            assert_eq!((answer.range.as_deref(), answer.place.as_deref()), (range, place));
            assert_eq!(answer.allowed, range.is_some(), "{address}");
        }
    }

    #[test]
    fn a_header_counts_where_it_would() {
        for (address, header, allowed, part) in [
            ("10.0.0.1", Some("203.0.113.9, 192.0.2.7"), true, "is a trusted proxy"),
            ("10.0.0.1", Some("192.0.2.7, 203.0.113.9"), false, "203.0.113.9 is in no range"),
            ("10.0.0.1", Some("unknown"), false, "not an address"),
            ("10.0.0.1", None, false, "without a header"),
            ("192.0.2.7", Some("203.0.113.9"), true, "ignored"),
            ("203.0.113.9", Some("192.0.2.7"), false, "ignored"),
        ] {
            let answer = ask(address, header, "");
            assert_eq!(answer.allowed, allowed, "{address} {header:?}");
            assert!(answer.reason.contains(part), "{}", answer.reason);
            let by =
                if address == "10.0.0.1" && header.is_some() { "X-Forwarded-For" } else { "peer" };
            let word = if allowed { "yes" } else { "no" };
            let text = answer.to_text();
            assert!(text.starts_with(&format!("{word}, by {by}: ")), "{text}");
        }
        let unreadable = ask("10.0.0.1", Some("unknown"), "");
        assert_eq!((unreadable.client, unreadable.by.as_deref()), (None, Some("X-Forwarded-For")));
        let open = ask("203.0.113.9", None, "allow_any = true");
        assert!(open.allowed && open.reason.contains("allow_any"), "{}", open.reason);
    }

    #[test]
    fn a_route_may_be_narrower() {
        let settings = config::parse(
            "[tls]\nmode = \"off\"\n[allowlist]\nranges = [\"192.0.2.0/24\"]\n\
             trusted_proxies = [\"10.0.0.1\"]\n\
             [[routes]]\nname = \"a\"\npath = \"/a\"\nkind = \"action\"\n\
             allowlist.ranges = [\"192.0.2.7\", \"198.51.100.7\"]\n",
            Path::new("config.toml"),
            [],
            Timestamp::default(),
        );
        let settings = settings.unwrap_or_else(|problems| panic!("{problems}"));
        let ask = |client: &str, route: Option<&str>| {
            let arguments = Arguments {
                address: "10.0.0.1".parse().unwrap(),
                forwarded_for: None,
                forwarded: Some(format!("for={client};proto=https")),
                proxied: None,
                route: route.map(str::to_owned),
                json: false,
            };
            asked(&settings, &arguments)
        };
        for (client, route, allowed) in [
            ("192.0.2.8", None, true),
            ("192.0.2.8", Some("a"), false),
            ("192.0.2.7", Some("a"), true),
            ("198.51.100.7", Some("a"), false),
        ] {
            let answer = ask(client, route).unwrap();
            assert_eq!(answer.allowed, allowed, "{client}: {}", answer.reason);
            assert_eq!(answer.by.as_deref(), Some("Forwarded"));
        }
        let answer = ask("192.0.2.7", Some("a")).unwrap();
        let of_all = "192.0.2.7 is in 192.0.2.0/24 (allowlist.ranges[0])";
        let of_route = "; the route has it in 192.0.2.7/32 (allowlist.ranges[0])";
        assert!(answer.reason.starts_with(of_all), "{}", answer.reason);
        assert!(answer.reason.ends_with(of_route), "{}", answer.reason);
        assert_eq!(answer.route_range.as_deref(), Some("192.0.2.7/32"));
        assert!(ask("192.0.2.7", Some("b")).is_err(), "a route that is not there");
    }
}
