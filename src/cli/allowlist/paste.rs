//! Ranges out of a page or a mail: CIDR ranges, addresses, `first-last`, with anything in between.
//! Pure.
//!
//! What holds an address is taken exactly, or refused with its line: a range that is narrowed or lost in
//! silence is a sender that is shut out later.

use ipnet::IpNet;

use super::page::Page;
use super::row::{Found, Header, Row};
use super::words::Word;
use super::{page, words};

/// Wider ranges are a slip of the pen, in prefix lengths: 65,536 addresses, or what a whole provider
/// has. Nobody sends postbacks from more.
const LEAST_PREFIX_V4: u8 = 16;
const LEAST_PREFIX_V6: u8 = 32;
/// No sender on the internet has one of these.
const SPECIAL: [(&str, &str); 15] = [
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by carriers"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
    // IPv4 in IPv6 clothes is in it (RFC 4291, 2.4).
    ("::/8", "reserved"),
];

const UNENDED: &str = "begins a tag, a comment or a script without an end, and all that follows is in it: \
     end it, or write &lt;";

/// What the whole text comes to: the ranges that are taken, and what somebody has to look at.
#[derive(Debug, Default)]
pub(super) struct Pasted {
    /// In the order of the text.
    pub(super) ranges: Vec<IpNet>,
    pub(super) refused: Vec<Refusal>,
}

/// Something that looks like a range and is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// From 1.
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) why: String,
}

/// Finds every range. With `force`, private and very wide ones are taken as well, and
/// `192.0.2.7/24` for the whole range.
pub(super) fn read(text: &str, force: bool) -> Pasted {
    let mut pasted = Pasted::default();
    let Page { text, cut } = page::visible(text);
    let rows = words::rows(&text);
    let mut heading = Header::default();
    let mut before: &[Word<'_>] = &[];
    for (at, words) in rows.iter().enumerate() {
        let behind = rows.get(at + 1).map(Vec::as_slice).unwrap_or_default();
        let row = Row { text: &text, words, heading, before, behind };
        match row.read(force) {
            Some(found) => pasted.note(&row, found, force),
            None => heading = Header::of(words),
        }
        before = words;
    }
    pasted.refused.extend(cut.map(|line| Refusal {
        line,
        text: "<".to_owned(),
        why: UNENDED.to_owned(),
    }));
    pasted
}

impl Pasted {
    /// The ranges merged and sorted. What they make together is looked at as each of them was: of many
    /// small ones a wide one may come.
    pub(super) fn merged(&self, force: bool) -> Result<Vec<IpNet>, String> {
        let merged = IpNet::aggregate(&self.ranges);
        let wide = merged.iter().find_map(|range| Some((range, complaint(range)?)));
        match wide {
            Some((range, why)) if !force => Err(format!("together they make {range}: {why}")),
            _ => Ok(merged),
        }
    }

    fn note(&mut self, row: &Row<'_>, found: Found, force: bool) {
        let sane = |ranges: Vec<IpNet>| {
            let why = ranges.iter().find_map(|range| Some((range, complaint(range)?)));
            match why.filter(|_| !force) {
                Some((range, why)) if ranges.len() > 1 => Err(format!("{range} is {why}")),
                Some((_, why)) => Err(why),
                None => Ok(ranges),
            }
        };
        match found.and_then(sane) {
            Ok(ranges) => self.ranges.extend(ranges),
            Err(why) => self.refused.push(Refusal { line: row.line(), text: row.written(), why }),
        }
    }
}

/// Why nobody should let this range in.
fn complaint(range: &IpNet) -> Option<String> {
    let special = SPECIAL.iter().find(|(special, _)| {
        special.parse::<IpNet>().is_ok_and(|net| net.contains(range) || range.contains(&net))
    });
    if let Some((net, what)) = special {
        return Some(format!("{what} ({net}); --force takes it"));
    }
    let least = if range.addr().is_ipv4() { LEAST_PREFIX_V4 } else { LEAST_PREFIX_V6 };
    (range.prefix_len() < least).then(|| format!("wider than /{least}; --force takes it"))
}

#[cfg(test)]
mod tests;
