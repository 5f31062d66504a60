//! Who the client is, when the connection is a trusted proxy's: `X-Forwarded-For` or `Forwarded`
//! (RFC 7239), read from the right. Pure.
//!
//! Each proxy appends the address it was called from, so only what trusted proxies appended is
//! true: going left from the right end, the first address that is not a trusted proxy is the
//! client. What stands further left may be forged. Anything that is not an address ends in a
//! refusal, never in a guess.
//!
//! Where both headers are there, both must name the same client: a proxy writes one of them and
//! may let the other through, and which of the two is true is not for us to guess.

mod element;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

use super::admit::{Client, Rule};
use super::allowlist::Ranges;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why the client cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Where the client should stand is something else.
    #[error("X-Forwarded-For holds something that is not an address")]
    XForwardedFor,
    /// The header is not as RFC 7239 writes it, or the client's address is hidden.
    #[error("Forwarded is malformed, or holds something that is not an address")]
    Forwarded,
    /// The two headers tell of two clients.
    #[error("X-Forwarded-For and Forwarded name two clients")]
    Disagreement,
}

impl Unreadable {
    /// What should have told it.
    #[must_use]
    pub const fn rule(self) -> Rule {
        match self {
            Self::XForwardedFor => Rule::XForwardedFor,
            Self::Forwarded => Rule::Forwarded,
            Self::Disagreement => Rule::BothHeaders,
        }
    }
}

/// The client, as the trusted proxy at the far end of the connection tells it.
///
/// Several headers of one name are one list, in their order (RFC 9110, 5.3). Without any the proxy
/// itself is the client; where every address is a trusted proxy, the leftmost is.
pub(super) fn client(
    headers: &HeaderMap,
    proxy: Client,
    trusted: &Ranges,
) -> Result<Client, Unreadable> {
    let by_list = by_list(headers, trusted).transpose()?;
    let by_pairs = by_pairs(headers, trusted).transpose()?;
    match (by_list, by_pairs) {
        (Some(one), Some(other)) if one != other => Err(Unreadable::Disagreement),
        (Some(address), _) => Ok(Client { address, rule: Rule::XForwardedFor }),
        (None, Some(address)) => Ok(Client { address, rule: Rule::Forwarded }),
        (None, None) => Ok(proxy),
    }
}

/// By `X-Forwarded-For`; `None`: it is not there.
fn by_list(headers: &HeaderMap, trusted: &Ranges) -> Option<Result<IpAddr, Unreadable>> {
    let values = headers.get_all(X_FORWARDED_FOR).iter();
    let elements = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    nearest(elements.map(|element| address(element).ok_or(Unreadable::XForwardedFor)), trusted)
}

/// By `Forwarded`; `None`: it is not there. A comma may stand in quotes, and what is in quotes can
/// only be told from the left, so every value must be good to its end.
fn by_pairs(headers: &HeaderMap, trusted: &Ranges) -> Option<Result<IpAddr, Unreadable>> {
    let values = headers.get_all(FORWARDED).iter();
    let read = values.map(|value| element::addresses(value.to_str().ok()?));
    let Some(values) = read.collect::<Option<Vec<_>>>() else {
        return Some(Err(Unreadable::Forwarded));
    };
    let addresses = values.into_iter().flatten();
    nearest(addresses.map(|address| address.ok_or(Unreadable::Forwarded)), trusted)
}

/// The last that is not a trusted proxy, or the first where all are; `None`: there are none.
fn nearest(
    addresses: impl Iterator<Item = Result<IpAddr, Unreadable>>,
    trusted: &Ranges,
) -> Option<Result<IpAddr, Unreadable>> {
    addresses.reduce(|client, address| {
        let is_proxy = address.is_ok_and(|address| trusted.contains(address));
        if is_proxy { client } else { address }
    })
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn address(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?.trim_matches([' ', '\t']);
    let bracketed = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    let bare = text.parse::<IpAddr>().ok();
    let address =
        bare.or_else(bracketed).or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn told(lines: &[&str]) -> Result<String, Unreadable> {
        told_by(lines, &[]).map(|client| client.address.to_string())
    }

    /// By these `X-Forwarded-For` and these `Forwarded`.
    fn told_by(lists: &[&str], pairs: &[&str]) -> Result<Client, Unreadable> {
        let trusted = Ranges::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, lines) in [(X_FORWARDED_FOR, lists), (FORWARDED, pairs)] {
            for line in lines {
                let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
                headers.append(&name, value);
            }
        }
        let proxy = Client { address: "10.0.0.1".parse().unwrap(), rule: Rule::Peer };
        client(&headers, proxy, &trusted)
    }

    #[test]
    fn the_first_from_the_right_that_is_no_proxy_is_the_client() {
        for (lines, expected) in [
            (vec![], "10.0.0.1"),
            (vec!["192.0.2.7"], "192.0.2.7"),
            (vec!["203.0.113.9, 192.0.2.7"], "192.0.2.7"),
            (vec!["203.0.113.9, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            (vec!["203.0.113.9,192.0.2.7\t,  10.0.0.2"], "192.0.2.7"),
            (vec!["192.0.2.7", "10.0.0.2"], "192.0.2.7"),
            (vec!["203.0.113.9", "192.0.2.7, 10.0.0.2", "10.0.0.3"], "192.0.2.7"),
            (vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (vec!["fd00::2, 192.0.2.7, fd00::1"], "192.0.2.7"),
        ] {
            assert_eq!(told(&lines).as_deref(), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn every_way_to_write_an_address() {
        for (text, expected) in [
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
        ] {
            assert_eq!(told(&[text]).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_never_skipped() {
        for text in [
            "",
            "unknown",
            "_hidden",
            "192.0.2",
            "192.0.2.7.",
            "192.0.2.07",
            "192.0.2.7:",
            "192.0.2.7:65536",
            "[192.0.2.7]",
            "[2001:db8::1",
            "2001:db8::1]",
            "fe80::1%eth0",
            "192.0.2.7,",
            "192.0.2.7, ",
            "192.0.2.7, unknown",
            "192.0.2.7; 10.0.0.2",
            "\"192.0.2.7\"",
            "for=192.0.2.7",
        ] {
            assert_eq!(told(&[text]), Err(Unreadable::XForwardedFor), "{text:?}");
        }
        assert_eq!(told(&["192.0.2.7", ""]), Err(Unreadable::XForwardedFor));
    }

    #[test]
    fn garbage_to_the_left_of_the_client_is_the_forgers_own_business() {
        for line in ["garbage, 192.0.2.7", "\u{e4}, 192.0.2.7"] {
            assert_eq!(told(&[line]).as_deref(), Ok("192.0.2.7"), "{line}");
        }
        assert_eq!(told(&["192.0.2.7, \u{e4}"]), Err(Unreadable::XForwardedFor));
    }

    #[test]
    fn forwarded_tells_it_as_well() {
        for (lines, expected) in [
            (vec!["for=192.0.2.7"], Ok("192.0.2.7")),
            (vec!["for=203.0.113.9, for=192.0.2.7;proto=https, for=10.0.0.2"], Ok("192.0.2.7")),
            (
                vec!["for=203.0.113.9", "for=192.0.2.7, for=10.0.0.2", "for=10.0.0.3"],
                Ok("192.0.2.7"),
            ),
            (vec!["for=\"[2001:db8::1]:1\", for=\"[fd00::1]\""], Ok("2001:db8::1")),
            (vec!["for=10.0.0.3, for=10.0.0.2"], Ok("10.0.0.3")),
            (vec!["for=unknown, for=192.0.2.7"], Ok("192.0.2.7")),
            (vec!["for=192.0.2.7, for=unknown"], Err(Unreadable::Forwarded)),
            (vec!["for=192.0.2.7, for=_hidden, for=10.0.0.2"], Err(Unreadable::Forwarded)),
            (vec!["for=192.0.2.7, proto=https"], Err(Unreadable::Forwarded)),
            // A quote that a forger left open swallows what a proxy appends.
            (vec!["for=\"192.0.2.7, for=203.0.113.9"], Err(Unreadable::Forwarded)),
            (vec!["for=192.0.2.7;x=\", for=203.0.113.9"], Err(Unreadable::Forwarded)),
            (vec!["garbage, for=192.0.2.7"], Err(Unreadable::Forwarded)),
            (vec!["garbage", "for=192.0.2.7"], Err(Unreadable::Forwarded)),
            (vec!["for=192.0.2.7", ""], Err(Unreadable::Forwarded)),
            (vec!["for=192.0.2.7, for=\u{e4}"], Err(Unreadable::Forwarded)),
        ] {
            let told = told_by(&[], &lines);
            let rules = told.map(|client| (client.address.to_string(), client.rule));
            let expected = expected.map(|address| (address.to_owned(), Rule::Forwarded));
            assert_eq!(rules, expected, "{lines:?}");
        }
    }

    #[test]
    fn of_two_headers_neither_is_believed_against_the_other() {
        for (list, pairs, expected) in [
            ("192.0.2.7", "for=192.0.2.7", Ok("192.0.2.7")),
            ("203.0.113.9, 192.0.2.7", "for=192.0.2.7, for=10.0.0.2", Ok("192.0.2.7")),
            ("203.0.113.9", "for=192.0.2.7", Err(Unreadable::Disagreement)),
            ("192.0.2.7", "for=203.0.113.9", Err(Unreadable::Disagreement)),
            ("192.0.2.7", "for=10.0.0.2", Err(Unreadable::Disagreement)),
            ("192.0.2.7", "for=unknown", Err(Unreadable::Forwarded)),
            ("192.0.2.7", "", Err(Unreadable::Forwarded)),
            ("unknown", "for=192.0.2.7", Err(Unreadable::XForwardedFor)),
        ] {
            let told = told_by(&[list], &[pairs]).map(|client| client.address.to_string());
            assert_eq!(told.as_deref(), expected.as_ref().map(|text| *text), "{list} {pairs}");
        }
    }
}
