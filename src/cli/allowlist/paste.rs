//! Ranges out of a page or a mail: CIDR ranges, addresses, `first-last`, with anything in between.
//! Pure.
//!
//! What looks like an address and is none is refused with its line, never skipped: a range that is
//! lost in silence is a sender that is shut out later.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};

use super::page;
use super::words::{self, DASH, Word};
use crate::config::{RangeError, parse_range};

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
    let text = page::visible(text);
    let words = words::of(&text);
    let mut rest = words.as_slice();
    while let [first, tail @ ..] = rest {
        let (text, found, after) = next(first, tail, force);
        rest = after;
        if let Some(found) = found {
            pasted.note(first.line, text, found, force);
        }
    }
    pasted
}

/// The ranges that one place of the text stands for, before anybody asks whether they are sane; or
/// why it stands for none.
type Found = Result<Vec<IpNet>, String>;

/// The range that begins with the word `first`, how it is written, and what is behind it. `None`: it
/// does not even look like one.
fn next<'a>(
    first: &Word<'_>,
    behind: &'a [Word<'a>],
    force: bool,
) -> (String, Option<Found>, &'a [Word<'a>]) {
    let joints = behind.iter().take_while(|word| word.is_joint()).count();
    let (joints, rest) = behind.split_at(joints);
    let (Ok(from), [last, after @ ..]) = (first.text.parse::<IpAddr>(), rest) else {
        return (first.text.to_owned(), single(first.text, force), behind);
    };
    let is_beside = |word: &Word<'_>| word.part == first.part;
    let is_address = last.text.parse::<IpAddr>().is_ok();
    let short = is_beside(last) && may_be_part_of(last.text, from);
    let (text, found) = match joints {
        [joint] if joint.text == DASH && is_beside(last) && is_address => {
            (format!("{}-{}", first.text, last.text), between(from, last.text))
        }
        [joint] if joint.text == DASH && short => {
            let why = "write both ends of the range in full".to_owned();
            (format!("{}-{}", first.text, last.text), Err(why))
        }
        [joint, ..] if short || (is_address && !is_bullet(joint, first, last)) => {
            let why = "write a range as first-last, with one dash and in one place".to_owned();
            (format!("{} {} {}", first.text, joint.text, last.text), Err(why))
        }
        [] if is_beside(last) && last.text.starts_with(['/', ':']) => {
            let why = "what belongs to the address stands apart from it".to_owned();
            (format!("{} {}", first.text, last.text), Err(why))
        }
        _ => return (first.text.to_owned(), single(first.text, force), behind),
    };
    (text, Some(found), after)
}

/// Whether the dash begins an item of a list, and joins nothing: it stands before the second address
/// and apart from the first.
fn is_bullet(joint: &Word<'_>, first: &Word<'_>, second: &Word<'_>) -> bool {
    joint.text == DASH && joint.part == second.part && joint.part != first.part
}

/// Whether this, behind a dash, can be the last address of a range in short: `-20`, or `-113.20`.
fn may_be_part_of(last: &str, from: IpAddr) -> bool {
    let is_octet = |number: &str| number.len() <= 3 && number.parse::<u16>().is_ok();
    match from {
        IpAddr::V4(_) => last.split('.').all(is_octet),
        IpAddr::V6(_) => last.split(':').all(|group| u16::from_str_radix(group, 16).is_ok()),
    }
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

    fn note(&mut self, line: usize, text: String, found: Found, force: bool) {
        let sane = |ranges: &Vec<IpNet>| match ranges.iter().find_map(complaint) {
            Some(why) if !force => Err(why),
            _ => Ok(()),
        };
        match found.and_then(|ranges| sane(&ranges).map(|()| ranges)) {
            Ok(ranges) => self.ranges.extend(ranges),
            Err(why) => self.refused.push(Refusal { line, text, why }),
        }
    }
}

/// `None`: it does not even look like a range.
fn single(word: &str, force: bool) -> Option<Found> {
    if word.strip_prefix('/').is_some_and(|length| length.parse::<u8>().is_ok()) {
        return Some(Err("the length of a range, apart from its address".to_owned()));
    }
    let address = word.split(['/', '%']).next().unwrap_or_default();
    if !looks_like_v4(address) && !looks_like_v6(address) {
        return hides_address(word).then(|| Err("holds an address, and is no range".to_owned()));
    }
    Some(match parse_range(word) {
        Ok(range) => Ok(vec![range]),
        Err(RangeError::HostBits { meant, .. }) if force => Ok(vec![meant]),
        Err(error) => Err(error.to_string()),
    })
}

fn looks_like_v4(address: &str) -> bool {
    address.bytes().filter(|byte| *byte == b'.').count() >= 3
        && address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn looks_like_v6(address: &str) -> bool {
    (address.contains("::") || address.matches(':').count() >= 6)
        && address.bytes().any(|byte| byte.is_ascii_hexdigit())
        && address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}

/// `192.0.2.7:443`, `ip4:192.0.2.0/24`, `192.0.2.*` and the like.
fn hides_address(word: &str) -> bool {
    let is_digits = |c: char| c.is_ascii_digit() || c == '.';
    let hides_v4 = word.split(|c| !is_digits(c)).any(|part| part.parse::<Ipv4Addr>().is_ok());
    let behind = word.split_once(':').map_or("", |(_, behind)| behind);
    let behind = behind.split('/').next().unwrap_or_default();
    let numbers: Vec<&str> = word.split('.').collect();
    let is_octet = |number: &&str| number.parse::<u8>().is_ok();
    let is_wild = |number: &&str| matches!(*number, "*" | "x" | "X");
    let is_pattern = numbers.first().is_some_and(is_octet)
        && numbers.iter().all(|number| is_octet(number) || is_wild(number))
        && (numbers.len() == 4 || numbers.last() == Some(&"*"));
    hides_v4 || looks_like_v6(behind) || (is_pattern && numbers.iter().any(is_wild))
}

fn between(from: IpAddr, last: &str) -> Found {
    let to = last.parse().map_err(|_| "is no range".to_owned())?;
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) if from <= to => {
            Ok(IpSubnets::from(Ipv4Subnets::new(from, to, 0)).collect())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) if from <= to && from.to_ipv4_mapped().is_none() => {
            Ok(IpSubnets::from(Ipv6Subnets::new(from, to, 0)).collect())
        }
        _ => Err("its ends do not make a range".to_owned()),
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> String {
        let pasted = read(text, false);
        assert_eq!(pasted.refused, [], "{text}");
        let ranges: Vec<String> = pasted.ranges.iter().map(ToString::to_string).collect();
        ranges.join(" ")
    }

    #[test]
    fn every_way_to_write_a_range_is_read() {
        for (text, expected) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("- 192.0.2.7\n- 192.0.2.9 (new!)", "192.0.2.7/32 192.0.2.9/32"),
            (
                "Ours: 192.0.2.0/24, 198.51.100.7; and 2001:db8::/32.",
                "192.0.2.0/24 198.51.100.7/32 2001:db8::/32",
            ),
            // Without a digit in the address itself, as it is printed.
            ("abcd::0 and abcd::/128", "abcd::/128 abcd::/128"),
            ("192.0.2.4-192.0.2.7", "192.0.2.4/30"),
            ("192.0.2.4 – 192.0.2.8", "192.0.2.4/30 192.0.2.8/32"),
            ("2001:db8::-2001:db8::1", "2001:db8::/127"),
            ("192.0.2.0/24 - 198.51.100.0/24", "192.0.2.0/24 198.51.100.0/24"),
            ("192.0.2.0/24-production", "192.0.2.0/24"),
            ("<ul><li>192.0.2.7</li><li>- 192.0.2.9</li></ul>", "192.0.2.7/32 192.0.2.9/32"),
            ("<td class='a'>192.0.2.4&nbsp;&ndash;&nbsp;192.0.2.7</td>", "192.0.2.4/30"),
            ("<script>v = '1.2.3.4'</script><p>192.0.2.7", "192.0.2.7/32"),
            ("[\"192.0.2.7\",\"192.0.2.9\"]", "192.0.2.7/32 192.0.2.9/32"),
            ("192.0.2.0&#x2F;24 198.51.100.0&#47;24", "192.0.2.0/24 198.51.100.0/24"),
            (
                "**192.0.2.7** *192.0.2.0/24*, **192.0.2.9.**",
                "192.0.2.7/32 192.0.2.0/24 192.0.2.9/32",
            ),
            ("192.0.2.7 - 2026-09-10", "192.0.2.7/32"),
            ("2024-09-10 10:42:38, version 1.2.3, 3 < 4, std::io, a/b, 2 * 3, 1.x", ""),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn what_nobody_should_let_in_needs_force() {
        for (text, forced) in [
            ("10.1.2.3", true),
            ("127.0.0.0/8", true),
            ("192.168.1.0-192.168.1.255", true),
            ("fd00::1", true),
            ("::1", true),
            ("::8000:0:0/81", false),
            ("35.0.0.0/8", true),
            ("35.16.0.0/15", true),
            ("2001:db8::/31", true),
            ("192.0.2.10-20", false),
            ("192.0.2.10-2.20", false),
            ("192.0.2.10-192.0.2.300", false),
            ("2001:db8::1-ff", false),
            ("192.0.2.0 /24", false),
            ("192.0.2.*", false),
            ("192.0.*", false),
            ("192.0.2.x", false),
            ("192.0.2.7:443", false),
            ("2001:db8::7 :443", false),
            ("ip4:192.0.2.0/24", false),
            ("ip6:2001:db8::/32", false),
            ("https://192.0.2.7/", false),
            ("192.0.2.7/24", true),
            ("0.0.0.0/0", false),
            ("192.0.2.9-192.0.2.7", false),
            ("192.0.2.0/33", false),
            ("192.0.2.0/", false),
            ("fe80::1%eth0", false),
            ("192.0.2.256", false),
            ("192.0.02.0", false),
            ("::ffff:192.0.2.7", false),
        ] {
            let refused = read(&format!("first line\n{text}\n"), false);
            assert_eq!((refused.ranges.len(), refused.refused.len()), (0, 1), "{text}");
            assert_eq!((refused.refused[0].line, refused.refused[0].text.as_str()), (2, text));
            assert_eq!(!read(text, true).ranges.is_empty(), forced, "{text}");
        }
        assert_eq!(
            found("35.16.0.0/16 2001:db8::/32"),
            "35.16.0.0/16 2001:db8::/32",
            "at the limits"
        );
    }

    #[test]
    fn a_length_in_a_cell_of_its_own_is_not_overlooked() {
        let pasted = read("<td>192.0.2.0</td>\n<td>/24</td>", false);
        assert_eq!((pasted.refused[0].line, pasted.refused[0].text.as_str()), (2, "/24"));
    }

    #[test]
    fn a_range_is_never_narrowed_to_its_ends_in_silence() {
        for text in [
            "35.0.2.1 to 35.0.2.20",
            "35.0.2.1 TO 35.0.2.20",
            "35.0.2.1 to 20",
            "35.0.2.1 ~ 35.0.2.20",
            "35.0.2.1~35.0.2.20",
            "35.0.2.1--35.0.2.20",
            "35.0.2.1 -\n35.0.2.20",
            "35.0.2.1\nto\n35.0.2.20",
            "35.0.2.1<b>-</b>35.0.2.20",
            "<td>35.0.2.1</td><td>-</td><td>35.0.2.20</td>",
            "<td>35.0.2.1</td>\n<td>&ndash;</td>\n<td>35.0.2.20</td>",
        ] {
            let pasted = read(&format!("first line\n{text}\n"), false);
            assert_eq!((pasted.ranges.len(), pasted.refused.len()), (0, 1), "{text}");
            assert_eq!(pasted.refused[0].line, 2, "{text}");
        }
        for dash in ["\u{2212}", "&minus;", "&hyphen;", "&dash;", "&thinsp;&horbar;&thinsp;"] {
            assert_eq!(found(&format!("35.0.2.4{dash}35.0.2.7")), "35.0.2.4/30", "{dash}");
        }
        for nothing in ["&#8203;", "&ZeroWidthSpace;", "&shy;", "\u{feff}", "\u{2060}"] {
            assert_eq!(found(&format!("35.0.{nothing}2.7")), "35.0.2.7/32", "{nothing}");
        }
    }

    #[test]
    fn what_ranges_make_together_is_looked_at_as_well() {
        let pasted = read("35.16.0.0/16 35.17.0.0/16", false);
        assert_eq!(pasted.refused, []);
        assert!(pasted.merged(false).unwrap_err().contains("35.16.0.0/15"));
        assert_eq!(pasted.merged(true).unwrap(), ["35.16.0.0/15".parse().unwrap()]);
        let narrow = read("192.0.2.128/25 192.0.2.0/25", false).merged(false);
        assert_eq!(narrow.unwrap(), ["192.0.2.0/24".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn whatever_is_pasted_is_read_to_its_end(text in "(?s)[-0-9a-f.:/<> \n\u{2013}&;scriptSCRIPT]{0,80}|\\PC{0,80}") {
            let pasted = read(&text, false);
            prop_assert!(pasted.ranges.iter().all(|range| complaint(range).is_none()));
        }

        #[test]
        fn first_to_last_holds_both_ends_and_not_their_neighbours(
            from in 0x1400_0000_u32..0x4000_0000, length in 1_u32..100_000,
        ) {
            let at = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
            let ranges = read(&format!("{}-{}", at(from), at(from + length)), false).ranges;
            let holds = |bits| ranges.iter().any(|range| range.contains(&at(bits)));
            prop_assert!(holds(from) && holds(from + length));
            prop_assert!(!holds(from - 1) && !holds(from + length + 1));
        }

        #[test]
        fn a_list_is_read_back(bits in proptest::collection::vec((0x1400_0000_u32..0x4000_0000, 16_u8..=32), 0..20)) {
            let nets: Vec<IpNet> = bits
                .into_iter()
                .map(|(bits, prefix)| IpNet::new(Ipv4Addr::from_bits(bits).into(), prefix).unwrap().trunc())
                .collect();
            let lines: Vec<String> = nets.iter().map(ToString::to_string).collect();
            let text = lines.join("\n");
            prop_assert_eq!(read(&text, false).ranges, nets);
        }
    }
}
