//! Ranges out of a page or a mail: CIDR ranges, addresses, `first-last`, with anything in between.
//! Pure.
//!
//! What looks like an address and is none is refused with its line, never skipped: a range that is
//! lost in silence is a sender that is shut out later.

use ipnet::IpNet;

use super::place::{self, Found};
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
    let mut at = 0;
    while let (before, [first, behind @ ..]) = words.split_at(at) {
        let place = place::read(before, first, behind, force);
        at += place.words;
        if let Some(found) = place.found {
            pasted.note(first.line, place.text, found, force);
        }
    }
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
    use std::net::{IpAddr, Ipv4Addr};

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

    /// These are refused as one thing, on the line where it begins.
    fn is_refused(text: &str) {
        let pasted = read(&format!("first line\n{text}\n"), true);
        assert_eq!((&*pasted.ranges, pasted.refused.len()), (&[][..], 1), "{text}");
        assert_eq!(pasted.refused[0].line, 2, "{text}");
    }

    #[test]
    fn a_length_that_stands_apart_is_not_overlooked() {
        for text in [
            "35.0.2.0 24",
            "35.0.2.0\t24",
            "35.0.2.0\\24",
            "| 35.0.2.0 | 24 |",
            "<td>35.0.2.0</td>\n<td>24</td>",
            "<td>35.0.2.0</td>\n<td>/24</td>",
            "35.0.2.0<b>/</b>24",
            "35.0.2.0<sup>1</sup>",
            "2001:db8:: 128",
            "35.0.2.0 255.255.255.0",
            "35.0.2.0\t0.0.0.255",
            "35.0.2/24",
        ] {
            is_refused(text);
        }
        for text in ["35.0.2.7 33", "35.0.2.7, 24 hours", "35.0.2.7 (2 hosts)", "35.0.2.7\n24"] {
            assert_eq!(found(text), "35.0.2.7/32", "{text}");
        }
        for slash in ["&frasl;", "\u{ff0f}", "&#x2215;", "\u{2044}"] {
            assert_eq!(found(&format!("35.0.2.0{slash}24")), "35.0.2.0/24", "{slash}");
        }
        assert_eq!(found("\u{ff13}\u{ff15}.0.2.7"), "35.0.2.7/32");
    }

    #[test]
    fn a_range_is_never_narrowed_to_its_ends_in_silence() {
        for text in [
            "35.0.2.1 to 35.0.2.20",
            "35.0.2.1 TO 35.0.2.20",
            "35.0.2.1 to 20",
            "35.0.2.1 through 35.0.2.20",
            "35.0.2.1 through and including 35.0.2.20",
            "35.0.2.1 (first) up to 35.0.2.20",
            "35.0.2.1 ~ 35.0.2.20",
            "35.0.2.1~35.0.2.20",
            "35.0.2.1--35.0.2.20",
            "35.0.2.1 -> 35.0.2.20",
            "35.0.2.1 &rarr; 35.0.2.20",
            "35.0.2.1 .. 35.0.2.20",
            "35.0.2.1\u{2026}35.0.2.20",
            "35.0.2.1, -35.0.2.20",
            "35.0.2.1 -\n35.0.2.20",
            "35.0.2.1\n- 35.0.2.20",
            "35.0.2.1\nto\n35.0.2.20",
            "35.0.2.1 - 20",
            "35.0.2.1<b>-</b>35.0.2.20",
            "<b>35.0.2.1</b><i>-35.0.2.20</i>",
            "<b>35.0.2.1</b><i>-20</i>",
            "<td>35.0.2.1</td><td>-</td><td>35.0.2.20</td>",
            "<td>35.0.2.1</td>\n<td>&ndash;</td>\n<td>35.0.2.20</td>",
            "<td>35.0.2.1</td>\n<td>35.0.2.20</td>",
            "35.0.2.1\t35.0.2.20",
            "| 35.0.2.1 | 35.0.2.20 |",
            "<li>35.0.2.0</li>\n<li>35.0.2.255</li>",
            "35.0.0.0,35.0.255.255",
            "35.0.2.0/24 - 35.0.4.0/24",
            "35.0.2.0/24 through 35.0.4.0/24",
            "35.0.2.1-35.0.2.9-35.0.2.20",
        ] {
            is_refused(text);
        }
        for dash in ["\u{2212}", "&minus;", "&hyphen;", "&dash;", "&thinsp;&horbar;&thinsp;"] {
            assert_eq!(found(&format!("35.0.2.4{dash}35.0.2.7")), "35.0.2.4/30", "{dash}");
        }
        for nothing in ["&#8203;", "&ZeroWidthSpace;", "&shy;", "\u{feff}", "\u{2060}"] {
            assert_eq!(found(&format!("35.0.{nothing}2.7")), "35.0.2.7/32", "{nothing}");
        }
    }

    #[test]
    fn a_list_of_addresses_is_no_range() {
        for between in [
            ", ",
            " ",
            "\n",
            "; ",
            " & ",
            " and ",
            " (old), ",
            "</li><li>- ",
            "<br>- ",
            "</b> <b>",
            "</td></tr>\n<tr><td>",
            "\"],\n[\"",
            " | new\n",
            " is primary, ",
        ] {
            let text = format!("35.0.2.4{between}35.0.2.7");
            assert_eq!(found(&text), "35.0.2.4/32 35.0.2.7/32", "{text}");
        }
        assert_eq!(found("35.0.2.0\n35.0.2.127"), "35.0.2.0/32 35.0.2.127/32");
    }

    /// To look at the rest of the words again for each of them would take minutes here.
    #[test]
    fn many_words_are_read_in_one_pass() {
        for piece in ["- ", "1.2.3.4 - - ", "1.2.3.4 to "] {
            let page = format!("35.0.2.7, {}", piece.repeat((256 << 10) / piece.len()));
            let pasted = read(&page, false);
            assert!(pasted.ranges.len() + pasted.refused.len() > 0, "{piece}");
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
