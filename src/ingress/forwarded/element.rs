//! The value of one `Forwarded` header (RFC 7239, section 4), strictly: an element that cannot be
//! read to the letter may be somebody's attempt to have another one overlooked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const BLANK: [char; 2] = [' ', '\t'];

/// The address in the `for` of each element, in their order; `None` in the place of one that hides
/// it (`unknown`, `_hidden`) or has none. The whole is `None` where the value is malformed.
///
/// More lenient than the RFC in one point: blanks may stand around `;` as well as around `,`. Less
/// in another: an element with nothing in it is malformed, and so is one with two `for`.
pub(super) fn addresses(value: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut addresses = Vec::new();
    let mut rest = value;
    let (mut node, mut pairs) = (None, 0);
    loop {
        rest = rest.trim_start_matches(BLANK);
        if !rest.is_empty() && !rest.starts_with([';', ',']) {
            let (name, value, after) = pair(rest)?;
            if name.eq_ignore_ascii_case("for") && node.replace(value).is_some() {
                return None;
            }
            pairs += 1;
            rest = after.trim_start_matches(BLANK);
        }
        let mut left = rest.chars();
        let separator = left.next();
        rest = left.as_str();
        match separator {
            Some(';') => continue,
            Some(',') | None if pairs > 0 => {}
            _ => return None,
        }
        addresses.push(node.take().and_then(|node| address(&node)));
        pairs = 0;
        if separator.is_none() {
            return Some(addresses);
        }
    }
}

/// A name, its value without quotes, and what follows.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = token(text)?;
    let rest = rest.strip_prefix('=')?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(rest) => quoted(rest)?,
        None => token(rest).map(|(value, rest)| (value.to_owned(), rest))?,
    };
    Some((name, value, rest))
}

/// RFC 9110, 5.6.2.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let (token, rest) = text.split_at_checked(text.find(|c| !is_token(c)).unwrap_or(text.len()))?;
    (!token.is_empty()).then_some((token, rest))
}

/// RFC 9110, 5.6.4, after the opening quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(rest.next()?),
            c => value.push(c),
        }
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `[2001:db8::1]` or `[2001:db8::1]:4711` (RFC 7239, section 6).
fn address(node: &str) -> Option<IpAddr> {
    let (address, port): (IpAddr, _) = if let Some(rest) = node.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
        (address.parse::<Ipv6Addr>().ok()?.to_canonical(), port)
    } else {
        let parts = node.split_once(':');
        let (address, port) = parts.map_or((node, None), |(node, port)| (node, Some(port)));
        (address.parse::<Ipv4Addr>().ok()?.into(), port)
    };
    port.is_none_or(is_port).then_some(address)
}

/// A number, or an obfuscated one.
fn is_port(text: &str) -> bool {
    let is_hidden = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    match text.strip_prefix('_') {
        Some(hidden) => !hidden.is_empty() && hidden.bytes().all(is_hidden),
        None => text.bytes().all(|c| c.is_ascii_digit()) && text.parse::<u16>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        let addresses = addresses(value)?;
        let texts = addresses.iter().map(|address| match address {
            Some(address) => address.to_string(),
            None => "-".to_owned(),
        });
        Some(texts.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_form_of_the_rfc_is_read() {
        for (value, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"),
            ("for=\"[::ffff:192.0.2.7]:1\"", "192.0.2.7"),
            ("for=192.0.2.43, for=198.51.100.17", "192.0.2.43 198.51.100.17"),
            ("for=192.0.2.43,FOR=198.51.100.17;by=x", "192.0.2.43 198.51.100.17"),
            ("for=\"192.0.2.43:47011\"", "192.0.2.43"),
            ("for=\"192.0.2.43:_port\"", "192.0.2.43"),
            ("for=\"192.0.2.43\"", "192.0.2.43"),
            ("for=\"192.0.2.4\\3\"", "192.0.2.43"),
            ("by=203.0.113.43;for=192.0.2.60;", "192.0.2.60"),
            (";for=192.0.2.60;;proto=http", "192.0.2.60"),
            (" for=192.0.2.60 ; proto=http\t,\tfor=192.0.2.61 ", "192.0.2.60 192.0.2.61"),
            ("host=\"a,b;for=192.0.2.1\\\"\";for=192.0.2.60", "192.0.2.60"),
            ("for=unknown, for=_hidden", "- -"),
            ("proto=https", "-"),
            ("for=\"\"", "-"),
            ("for=\"2001:db8::1\"", "-"),
            ("for=\"[192.0.2.1]\"", "-"),
            ("for=\"[2001:db8::1\"", "-"),
            ("for=\"[2001:db8::1]4711\"", "-"),
            ("for=\"[fe80::1%eth0]\"", "-"),
            ("for=\"192.0.2.1:\"", "-"),
            ("for=\"192.0.2.1:65536\"", "-"),
            ("for=\"192.0.2.1:+1\"", "-"),
            ("for=\"192.0.2.1:_\"", "-"),
            ("for=\"192.0.2.1:_a b\"", "-"),
            ("for=\"192.0.2.1 \"", "-"),
            ("for=192.0.2.01", "-"),
            ("for=shop.example", "-"),
        ] {
            assert_eq!(read(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_is_not_to_the_letter_is_malformed_as_a_whole() {
        for value in [
            "",
            " ",
            ",",
            ";",
            "for=192.0.2.1,",
            ",for=192.0.2.1",
            "for=192.0.2.1,,for=192.0.2.2",
            "for",
            "for=",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "=192.0.2.1",
            "for:192.0.2.1",
            "192.0.2.1",
            "for=192.0.2.1 for=192.0.2.2",
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1;FOR=192.0.2.1",
            "for=192.0.2.43:47011",
            "for=[2001:db8::1]",
            "for=2001:db8::1",
            "for=\"192.0.2.1",
            "for=\"192.0.2.1\\\"",
            "for=\"192.0.2.1\\",
            "for=\"192.0.2.1\"x",
            "for=\"192.0.2.1\"\"x\"",
            "for='192.0.2.1', a\"b",
            "for=192.0.2.1;proto=http/2",
            "for=\u{e4}",
        ] {
            assert_eq!(read(value), None, "{value:?}");
        }
    }
}
