//! Who a request comes from, by the sentences of the README: told once more, and more simply, than the gateway
//! reads them. It may believe too much, and never too little.

use std::net::{IpAddr, SocketAddr};

use crate::http1::Request;

/// The clients that the headers of a request may name: one for each of the two.
#[must_use]
pub fn clients(request: &Request<'_>, is_proxy: impl Fn(IpAddr) -> bool) -> Vec<IpAddr> {
    let lists = [("x-forwarded-for", false), ("forwarded", true)];
    let clients = lists.into_iter().filter_map(|(name, has_pairs)| {
        let values: Vec<&[u8]> = request.values(name).collect();
        let list = String::from_utf8_lossy(&values.join(&b',')).into_owned();
        let elements = split(&list, ',').into_iter().rev();
        let mut named = elements.filter(|element| !element.trim().is_empty()).map(|element| {
            let text = if has_pairs { for_value(element)? } else { element.to_owned() };
            address(text.trim())
        });
        named.find(|named| !named.is_some_and(&is_proxy)).flatten()
    });
    clients.collect()
}

/// The parts of a list, but not within quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|character: char| {
        let is_end = character == separator && !quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        is_end
    });
    parts.collect()
}

fn for_value(element: &str) -> Option<String> {
    let value = split(element, ';').into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    })?;
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Some(inner.map_or_else(|| value.to_owned(), |inner| inner.replace('\\', "")))
}

/// With a port or without, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.split(']').next()).unwrap_or(text);
    let bare = bare.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    // A port that is too large for a socket is the gateway's to judge.
    let before_colon = || text.rsplit_once(':').and_then(|(host, _)| host.parse::<IpAddr>().ok());
    bare.or_else(with_port).or_else(before_colon).map(|address| address.to_canonical())
}
