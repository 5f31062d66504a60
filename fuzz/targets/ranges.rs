//! Pasted text: no range is printed that nobody should let in, by itself or with those that it touches, or
//! that is not in the text, no address of
//! the text is left out in silence, none is taken beside what may be its length or the end of its range,
//! and a list that was printed is read back as it is.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;
use postgate::cli::fuzzing::{Import, import};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let Import { ranges: found, refused, merged } = import(&text);
    for range in &found {
        assert_eq!(range.trunc(), *range, "it is written as it is meant");
        assert!(!is_wide(&[*range]), "{range} is absurdly wide");
        for end in [range.network(), range.broadcast()] {
            assert!(is_public(end), "{range} holds {end}");
        }
    }
    assert_eq!(merged.is_err(), is_wide(&found), "{found:?} make {merged:?}");
    if let Ok(merged) = &merged {
        assert!(!is_wide(merged), "{merged:?} are absurdly wide");
    }
    // Tags, references and other alphabets are not read here a second time.
    if text.is_ascii() && !text.contains(['<', '&', '=']) {
        nothing_is_lost(&text, &found, &refused);
        nothing_is_added(&text, &found);
        text.lines().for_each(nothing_is_narrowed);
    }
    let printed: String = found.iter().map(|range| format!("{range}\n")).collect();
    let again = import(&printed);
    assert_eq!((again.ranges, again.refused), (found, Vec::new()), "read back from\n{printed}");
    assert_eq!(again.merged, merged, "read back from\n{printed}");
});

/// Whether more addresses than a /16 has (IPv6: /32) follow each other without a gap.
fn is_wide(ranges: &[IpNet]) -> bool {
    let mut ends: Vec<(bool, u128, u128)> = ranges
        .iter()
        .map(|range| match range {
            IpNet::V4(net) => {
                (true, net.network().to_bits().into(), net.broadcast().to_bits().into())
            }
            IpNet::V6(net) => (false, net.network().to_bits(), net.broadcast().to_bits()),
        })
        .collect();
    ends.sort_unstable();
    let mut run: Option<(bool, u128, u128)> = None;
    ends.into_iter().any(|(is_v4, first, last)| {
        let (from, to) = match run {
            Some((is_same, from, to)) if is_same == is_v4 && first <= to.saturating_add(1) => {
                (from, to.max(last))
            }
            _ => (first, last),
        };
        run = Some((is_v4, from, to));
        to - from >= if is_v4 { 1 << 16 } else { 1 << 96 }
    })
}

/// Whatever is an address between characters of no address is let in, or told.
fn nothing_is_lost(text: &str, found: &[IpNet], refused: &[String]) {
    // What may be an IPv6 address is one word, though an IPv4 address may stand in it.
    for word in text.split(|c: char| !c.is_ascii_hexdigit() && !matches!(c, '.' | ':')) {
        let Ok(address) = word.trim_matches(['.', ':']).parse::<Ipv4Addr>() else { continue };
        let is_in = found.iter().any(|range| range.contains(&IpAddr::from(address)));
        let is_told = refused.iter().any(|what| what.contains(&address.to_string()));
        assert!(is_in || is_told, "{address} is neither in {found:?} nor in {refused:?}");
    }
}

/// Each range stands there, or lies between two addresses that stand there beside each other.
fn nothing_is_added(text: &str, found: &[IpNet]) {
    let words = text.split(|c: char| !c.is_ascii_hexdigit() && !matches!(c, '.' | ':' | '/'));
    let words = words.map(|word| word.trim_matches('.')).filter(|word| !word.is_empty());
    let read = |word: &str| {
        word.parse::<IpNet>().or_else(|_| word.parse::<IpAddr>().map(IpNet::from)).ok()
    };
    let read: Vec<Option<IpNet>> =
        words.map(|word| read(word).or_else(|| read(word.trim_end_matches(':')))).collect();
    for range in found {
        let holds = |ends: &[Option<IpNet>]| match ends {
            [Some(from), Some(to)] => {
                from.network() <= range.network() && range.broadcast() <= to.network()
            }
            _ => false,
        };
        let is_there = read.contains(&Some(*range)) || read.windows(2).any(holds);
        assert!(is_there, "{range} does not stand there");
    }
}

/// An address without a length is not taken where a number stands behind it in its line, or a word
/// between it and the next one.
fn nothing_is_narrowed(line: &str) {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let addresses: Vec<usize> =
        (0..words.len()).filter(|at| words[*at].parse::<Ipv4Addr>().is_ok()).collect();
    let Some(&first) = addresses.first() else { return };
    let is_number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
    let is_dated = words.iter().any(|word| word.len() == 4 && word.parse::<u16>().is_ok());
    let is_numbered = !is_dated && words[first..].iter().any(is_number);
    let is_word = |word: &&str| {
        word.bytes().all(|byte| byte.is_ascii_alphabetic()) && !matches!(*word, "and" | "or")
    };
    let is_worded = addresses.windows(2).any(|pair| words[pair[0]..pair[1]].iter().any(is_word));
    if is_numbered || is_worded {
        let found = import(line).ranges;
        assert!(found.is_empty(), "{found:?} of an unclear line:\n{line}");
    }
}

/// By the rules of the standard library, which are not ours.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let is_local = v4.is_private() || v4.is_loopback() || v4.is_link_local();
            let is_special = v4.is_multicast() || v4.is_unspecified() || v4.is_broadcast();
            !is_local && !is_special
        }
        IpAddr::V6(v6) => {
            let is_local = v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local();
            let is_special = v6.is_multicast() || v6.is_unspecified();
            !is_local && !is_special && v6.to_ipv4_mapped().is_none()
        }
    }
}
