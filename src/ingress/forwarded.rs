//! Who the client is, when the peer is a proxy that we trust: `X-Forwarded-For`, read from the
//! right. Pure.
//!
//! Each proxy appends the address it was called from, so only what trusted proxies appended is
//! true: going left from the right end, the first address that is not a trusted proxy is the
//! client. What stands further left may be forged. Anything that is not an address ends in a
//! refusal, never in a guess.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};

use super::admit::{Client, Rule};
use super::allowlist::Ranges;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header holds something that is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The client, as the trusted proxy at the far end of the connection tells it.
///
/// Several headers are one list, in their order (RFC 9110, 5.3). Without the header the proxy
/// itself is the client; where every address is a trusted proxy, the leftmost is.
pub(super) fn client(
    headers: &HeaderMap,
    proxy: Client,
    trusted: &Ranges,
) -> Result<Client, Unreadable> {
    let mut client = proxy;
    for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        for element in value.as_bytes().rsplit(|byte| *byte == b',') {
            if !trusted.contains(client.address) {
                return Ok(client);
            }
            let address = address(element).ok_or(Unreadable)?;
            client = Client { address, rule: Rule::XForwardedFor };
        }
    }
    Ok(client)
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
    use super::*;

    fn told(lines: &[&str]) -> Result<String, Unreadable> {
        let trusted = Ranges::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = http::HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(X_FORWARDED_FOR, value);
        }
        let proxy = Client { address: "10.0.0.1".parse().unwrap(), rule: Rule::Peer };
        client(&headers, proxy, &trusted).map(|client| client.address.to_string())
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
            assert_eq!(told(&[text]), Err(Unreadable), "{text:?}");
        }
        assert_eq!(told(&["192.0.2.7", ""]), Err(Unreadable));
    }

    #[test]
    fn garbage_to_the_left_of_the_client_is_the_forgers_own_business() {
        for line in ["garbage, 192.0.2.7", "\u{e4}, 192.0.2.7"] {
            assert_eq!(told(&[line]).as_deref(), Ok("192.0.2.7"), "{line}");
        }
        assert_eq!(told(&["192.0.2.7, \u{e4}"]), Err(Unreadable));
    }
}
