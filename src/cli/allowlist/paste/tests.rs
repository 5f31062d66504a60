use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;

fn found(text: &str) -> String {
    let pasted = read(text, Care::Usual);
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
        ("<ul><li>192.0.2.7</li><li>- 192.0.2.9</li></ul>", "192.0.2.7/32 192.0.2.9/32"),
        ("<td class='a'>192.0.2.4&nbsp;&ndash;&nbsp;192.0.2.7</td>", "192.0.2.4/30"),
        ("<script>v = '1.2.3.4'</script><p>192.0.2.7", "192.0.2.7/32"),
        ("[\"192.0.2.7\",\"192.0.2.9\",\"192.0.2.4\"]", "192.0.2.7/32 192.0.2.9/32 192.0.2.4/32"),
        ("192.0.2.0&#x2F;24 198.51.100.0&#47;24", "192.0.2.0/24 198.51.100.0/24"),
        ("**192.0.2.7** *192.0.2.0/24*, **192.0.2.9.**", "192.0.2.7/32 192.0.2.0/24 192.0.2.9/32"),
        ("192.0.2.7 - 2026-09-10", "192.0.2.7/32"),
        ("2024-09-10 10:42:38, version 1.2, 3 < 4, std::io, a/b, 2 * 3, 1.x", ""),
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
        ("35.0.0.1-35.3.255.254", true),
        ("35.16.0.0-35.17.0.0", true),
        ("35.16.0.0/16 35.17.0.0/32", true),
        ("2001:db8::1-2001:db9::1", true),
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
        ("192.0.2.7/24", false),
        ("0.0.0.0/0", false),
        ("192.0.2.9-192.0.2.7", false),
        ("192.0.2.0/33", false),
        ("192.0.2.0/", false),
        ("fe80::1%eth0", false),
        ("192.0.2.256", false),
        ("192.0.02.0", false),
        ("::ffff:192.0.2.7", false),
    ] {
        let refused = read(&format!("a line\n{text}\n"), Care::Usual);
        assert_eq!((refused.ranges.len(), refused.refused.len()), (0, 1), "{text}");
        assert_eq!((refused.refused[0].line, refused.refused[0].text.as_str()), (2, text));
        assert_eq!(!read(text, Care::Forced).ranges.is_empty(), forced, "{text}");
    }
    assert_eq!(found("35.16.128.0-35.17.127.255"), "35.16.128.0/17 35.17.0.0/17");
    assert_eq!(found("35.16.0.0/16 2001:db8::/32"), "35.16.0.0/16 2001:db8::/32", "at the limits");
}

#[test]
fn a_range_that_was_probably_meant_is_named() {
    for care in [Care::Usual, Care::Forced] {
        let refused = read("35.0.2.7/24\n", care).refused;
        let why = "35.0.2.7/24 has address bits behind its length: write 35.0.2.0/24 if that is meant, or \
                   the address alone";
        assert_eq!(refused[0].why, why);
    }
}

/// These are refused as one thing, on the line where it begins.
fn is_refused(text: &str) {
    let pasted = read(&format!("a line\n{text}\n"), Care::Forced);
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
    assert_eq!(found("35.0.2.7\n24"), "35.0.2.7/32");
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
        "\n",
        "; ",
        " & ",
        " and ",
        "</li><li>- ",
        "<br>- ",
        "</td></tr>\n<tr><td>",
        "\"],\n[\"",
        " | new\n",
        " is primary,\n",
    ] {
        let text = format!("35.0.2.4{between}35.0.2.7");
        assert_eq!(found(&text), "35.0.2.4/32 35.0.2.7/32", "{text}");
    }
    for between in [",", " ", "\",\"", " (old), ", "</b> <b>"] {
        is_refused(&format!("35.0.2.4{between}35.0.2.7"));
    }
    assert_eq!(found("35.0.2.0\n35.0.2.127"), "35.0.2.0/32 35.0.2.127/32");
}

#[test]
fn both_ends_of_a_block_are_told() {
    for between in ["\n", "</li>\n<li>"] {
        let pasted = read(&format!("<li>35.0.2.0{between}35.0.2.255</li>"), Care::Usual);
        assert_eq!((pasted.ranges.len(), pasted.refused.len()), (0, 2), "{between}");
    }
}

/// From pastes in which an address was once narrowed to an end, widened, cut or passed over.
#[test]
fn nothing_is_taken_that_may_mean_something_else() {
    for text in [
        // Ends.
        "35.0.2.1 up to and including 35.0.2.20",
        "35.0.2.1 upto 35.0.2.20",
        "35.0.2.1 (inclusive) - 35.0.2.20 (inclusive)",
        "35.0.2.1 (incl.) - 35.0.2.20",
        "between 35.0.2.1 and 35.0.2.20",
        "Start: 35.0.2.1, End: 35.0.2.20",
        r#"{"start":"35.0.2.1","end":"35.0.2.20"}"#,
        "35.0.2.1,35.0.2.20",
        "35.0.2.1 &gt; 35.0.2.20",
        "35.0.2.1 > 35.0.2.20",
        "35.0.2.1 hasta 35.0.2.20",
        "35.0.2.1 \u{e0} 35.0.2.20",
        "35.0.2.1 &agrave; 35.0.2.20",
        r#""35.0.2.1\u201335.0.2.20""#,
        r#"[["35.0.2.1","35.0.2.20"],["35.0.3.1","35.0.3.20"]]"#,
        "35.0.2.1 35.0.2.20, 35.0.3.1 35.0.3.20",
        "35.0.2.1\nup to\n35.0.2.20",
        // Lengths.
        "35.0.2.0 (24 bits)",
        "35.0.2.0 prefix length 24",
        "35.0.2.0 slash 24",
        "35.0.2.0 (256 addresses)",
        "256 addresses at 35.0.2.0",
        "35.0.2.0,24",
        "35.0.2.0,24,Sep 2026",
        "35.0.2.0 24 decommissioned 2026",
        "35.0.2.0, 255.255.255.0, 35.0.2.1",
        r#""35.0.2.0\u002f24""#,
        "35.0.2.0/24-25",
        "35.0.2.0/24, /25",
        // Ends in short.
        "35.0.2.40, .45, .60",
        "35.0.2.40, 45, 60",
        "35.0.2.40-35.0.2.49, 60-69",
        // Pieces.
        "35.192.<b>0.10</b>",
        "35.192.0.[10-20]",
        "35.192.0.{10,20}",
        "35.192.0.\n10",
        "35[.]192[.]0[.]10",
        "2600:1900:5000/48",
        "2600:1900:5000:abcd",
        "35.192.10",
        ".45",
        // In quoted-printable.
        "35.0.2.1=E2=80=9335.0.2.20",
        "35.0.2.10=20",
        // Not meant.
        "# 35.0.2.99 retired",
        "#35.0.2.99",
        "35.0.2.10 # was 35.0.2.99",
        "! 35.0.2.99",
        "<p><s>35.0.2.99</s>",
        "<del>35.0.2.99</del>",
        "<strike>35.0.2.99</strike>",
        "<template><li>35.0.2.99</li></template>",
        "<p hidden>35.0.2.99</p>",
        "<p style='Display: none'>35.0.2.99</p>",
        "<!-- <b>35.0.2.99</b> -->",
        "<div hidden><div>old</div>35.0.2.99</div>",
        // With a mend.
        "35.0.2.10 - 3 servers",
        "v=spf1 ip4:35.0.2.0/24 -all",
        "ip=35.0.2.10",
    ] {
        is_refused(text);
        let beside = read(&format!("35.9.9.9\n\n{text}\n\n35.9.9.8\n"), Care::Usual);
        assert_eq!(beside.refused.len(), 1, "{text}");
    }
}

#[test]
fn what_stands_on_lines_of_its_own_is_told() {
    for text in [
        "First IP: 35.0.2.1\nLast IP: 35.0.2.20",
        "First IP\n35.0.2.1\nLast IP\n35.0.2.20",
        "<dt>Start</dt><dd>35.0.2.1</dd><dt>End</dt><dd>35.0.2.20</dd>",
        "{\n\"startIp\": \"35.0.2.1\",\n\"endIp\": \"35.0.2.20\"\n}",
        "start, end\n35.0.2.1, 35.0.2.20\n35.0.3.1, 35.0.3.20",
        "\"network\": \"35.0.2.0\",\n\"prefix\": 24,\n\"network\": \"35.0.3.0\",\n\"prefix\": 24",
        "network,prefix\n35.0.2.0,24\n35.0.3.0,24",
        "start, end, gate\n35.0.2.1, 35.0.2.20, 35.0.2.9\n35.0.3.1, 35.0.3.20, 35.0.3.9",
    ] {
        let pasted = read(text, Care::Usual);
        assert_eq!((&*pasted.ranges, pasted.refused.len()), (&[][..], 2), "{text}");
    }
}

#[test]
fn soft_breaks_are_undone_and_lines_counted() {
    assert_eq!(found("3=\n4.66.13.0/24\n35.192.0.10=  \r\n3"), "34.66.13.0/24 35.192.0.103/32");
    assert_eq!(found("Ours\n====\n35.0.2.7"), "35.0.2.7/32");
    let refused = read("35.0.2.7=\n0\n10.0.0.1\n", Care::Usual).refused;
    assert_eq!(refused[0].line, 3);
}

#[test]
fn what_people_paste_is_taken_whole() {
    const TWO: &str = "35.192.0.10/32 35.192.0.11/32";
    for (text, expected) in [
        ("35.192.0.10\n35.192.0.11\n", TWO),
        ("* 35.192.0.10\r\n* 35.192.0.11\r\n", TWO),
        ("\u{2022} 35.192.0.10\n\u{2022}\t35.192.0.11", TWO),
        ("1. 35.192.0.10\n2. 35.192.0.11", TWO),
        ("1) 35.192.0.10\n(2) 35.192.0.11", TWO),
        ("35.192.0.10 (US East)\n35.192.0.11 - us-east-2, web1", TWO),
        ("Server 1: 35.192.0.10\nServer 2: 35.192.0.11", TWO),
        ("> - 35.192.0.10\n> - 35.192.0.11", TWO),
        ("Our addresses are 35.192.0.10 and 35.192.0.11.", TWO),
        ("Last updated: May 2026\n35.192.0.10\n35.192.0.11\n-- \nBob, 805-324-6021", TWO),
        ("name,address,since\nweb1,35.192.0.10,2026-09-10\nweb2,35.192.0.11,10.09.2026 10:42", TWO),
        ("id;\"address\"\n1;\"35.192.0.10\"\n2;\"35.192.0.11\"", TWO),
        ("35.192.0.10 (since Sep 10, 2026)\n35.192.0.11 (10 September 2026)", TWO),
        ("| Name | IP |\n|---|---|\n| a | `35.192.0.10` |\n| b | 35.192.0.11 |", TWO),
        ("<ol>\n<li><code>35.192.0.10</code></li>\n<li>35.192.0.11<!-- --> </li>\n</ol>", TWO),
        (
            "<table><tr><th>Name</th><th>IP</th></tr>\n<tr>\n<td>a</td>\n<td>35.192.0.10</td>\n</tr>\n\
             <tr><td>b 2</td><td><a href='https://x/?a>b'>35.192.0.11</a></td></tr></table>",
            TWO,
        ),
        (r#"{"html": "<ul><li>35.192.0.10<\/li><li>35.192.0.11<\/li><\/ul>"}"#, TWO),
        ("{\n\"ips\": [\n\"35.192.0.10\",\n\"35.192.0.11\"\n]\n}", TWO),
        ("35.192.0.10 # web\n# the others\n35.192.0.11", TWO),
        ("35.192.0.10 - 35.192.0.11", "35.192.0.10/31"),
        ("- 35.192.0.10 \u{2013} 35.192.0.11 (US)", "35.192.0.10/31"),
        ("IPv6: 2600:1900:5000::/48, 2600:1901::7", "2600:1900:5000::/48 2600:1901::7/128"),
        (
            "35.192.0.0/24 (256 addresses)\n35.192.1.0/24 - up to date",
            "35.192.0.0/24 35.192.1.0/24",
        ),
        (
            "Public IP addresses\n\nimpact.com sends postbacks from the ranges below, so that you need to allow \
             the entire range. Last updated 3 months ago.\n\nIP range\n34.66.13.0/24\n35.192.0.0/25\n\n\
             Questions? Write to us, from 9 to 5.",
            "34.66.13.0/24 35.192.0.0/25",
        ),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

/// To look at the rest of the words again for each of them would take minutes here.
#[test]
fn many_words_are_read_in_one_pass() {
    for piece in ["- ", "1.2.3.4 - - ", "1.2.3.4 to ", "35.0.2.1, ", "35.0.2.1\n", "1 may ", "a\n"]
    {
        let page = format!("35.0.2.7, {}", piece.repeat((256 << 10) / piece.len()));
        let pasted = read(&page, Care::Usual);
        assert!(pasted.ranges.len() + pasted.refused.len() > 0, "{piece}");
    }
}

#[test]
fn what_ranges_make_together_is_looked_at_as_well() {
    let pasted = read("35.16.0.0/16\n35.17.0.0/16", Care::Usual);
    assert_eq!(pasted.refused, []);
    assert!(pasted.merged(Care::Usual).unwrap_err().contains("35.16.0.0/15"));
    assert_eq!(pasted.merged(Care::Forced).unwrap(), ["35.16.0.0/15".parse().unwrap()]);
    let narrow = read("192.0.2.128/25 192.0.2.0/25", Care::Usual).merged(Care::Usual);
    assert_eq!(narrow.unwrap(), ["192.0.2.0/24".parse().unwrap()]);
}

proptest! {
    #[test]
    fn whatever_is_pasted_is_read_to_its_end(text in "(?s)[-0-9a-f.:/<> \n\u{2013}&;scriptSCRIPT]{0,80}|\\PC{0,80}") {
        let pasted = read(&text, Care::Usual);
        prop_assert!(pasted.ranges.iter().all(|range| Care::Usual.complaint(&[*range]).is_none()));
    }

    #[test]
    fn first_to_last_holds_both_ends_and_not_their_neighbours(
        from in 0x1400_0000_u32..0x4000_0000, length in 1_u32..1 << 16,
    ) {
        let at = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
        let ranges = read(&format!("{}-{}", at(from), at(from + length)), Care::Usual).ranges;
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
        prop_assert_eq!(read(&text, Care::Usual).ranges, nets);
    }
}
