//! What one word stands for by itself. Pure.

use std::net::IpAddr;

use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};

use super::page::{BACK, GONE, TAG};
use super::words::DASH;
use crate::config::{RangeError, parse_range};

pub(super) enum Kind {
    /// Without a length: it may be an end of a range, or have its length elsewhere.
    Address(IpAddr),
    /// With its length.
    Range(IpNet),
    Ends(Vec<IpNet>),
    /// It holds an address, or pieces of one, and is none of the above. The reason goes behind the word.
    Unclear(String),
    /// It begins with a digit and is no date.
    Number,
    Other,
}

const SHAPES: &str = "is no range: write address, address/length or first-last, each in full";
const MASK: &str = "may be the mask of a range, apart from its address: write address/length";
const MAPPED: &str = "holds IPv4 addresses written as IPv6: write them as IPv4";
const ALL: &str = "is every address there is";
pub(super) const ORDER: &str = "has ends that do not make a range";

pub(super) fn kind(word: &str) -> Kind {
    if let Some((first, last)) = word.split_once(DASH)
        && let (Ok(first), Ok(last)) = (first.parse(), last.parse())
    {
        return between(first, last).map_or_else(|| Kind::Unclear(ORDER.to_owned()), Kind::Ends);
    }
    if is_date(word) {
        return Kind::Other;
    }
    if !holds_address(word) {
        let is_number =
            word.chars().find(|c| c.is_alphanumeric()).is_some_and(|c| c.is_ascii_digit());
        return if is_number { Kind::Number } else { Kind::Other };
    }
    let why = match parse_range(word) {
        Ok(range) => match word.parse() {
            Ok(IpAddr::V4(v4)) if matches!(v4.octets(), [0 | 255, ..]) => MASK.to_owned(),
            Ok(address) => return Kind::Address(address),
            Err(_) => return Kind::Range(range),
        },
        Err(RangeError::Unreadable(_)) => mend(word),
        Err(RangeError::HostBits { meant, .. }) => {
            format!(
                "has address bits behind its length: write {meant} if that is meant, or the address alone"
            )
        }
        Err(RangeError::Mapped(_)) => MAPPED.to_owned(),
        Err(RangeError::Everybody(_)) => ALL.to_owned(),
    };
    Kind::Unclear(why)
}

pub(super) fn is_address(word: &str) -> bool {
    word.parse::<IpAddr>().is_ok()
}

pub(super) fn between(first: IpAddr, last: IpAddr) -> Option<Vec<IpNet>> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(IpSubnets::from(Ipv4Subnets::new(first, last, 0)).collect())
        }
        (IpAddr::V6(first), IpAddr::V6(last))
            if first <= last && first.to_ipv4_mapped().is_none() =>
        {
            Some(IpSubnets::from(Ipv6Subnets::new(first, last, 0)).collect())
        }
        _ => None,
    }
}

/// What to do with a word that is more or less than a range.
fn mend(word: &str) -> String {
    let pieces = word.split(|c: char| !c.is_ascii_hexdigit() && !matches!(c, '.' | ':' | '/'));
    let parts = pieces.flat_map(|piece| {
        let behind = piece.split_once(':').map(|(_, behind)| behind);
        let before = piece.rsplit_once(':').map(|(before, _)| before);
        [Some(piece.trim_end_matches(['.', '/'])), behind, before]
    });
    match parts.flatten().find_map(|part| parse_range(part).ok().map(|_| part)) {
        Some(part) => format!("has something written against {part}: write the range alone"),
        None => SHAPES.to_owned(),
    }
}

/// Three numbers with dots between them, `/24` or `.45` alone, two colons with digits: an address, a
/// piece of one, or several.
fn holds_address(word: &str) -> bool {
    let is_glue = |c| matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | TAG | GONE | BACK);
    let word: String = word.chars().filter(|c| !is_glue(*c)).collect();
    let is_piece = word.strip_prefix(['/', '.', ':', '\\']).is_some_and(is_digits);
    let is_dotted = |piece: &str| {
        let dots = piece.matches('.').count();
        piece.contains(|c: char| c.is_ascii_digit())
            && (dots >= 2 || (dots == 1 && piece.ends_with(".*")))
    };
    let dotted =
        word.split(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '*')).any(is_dotted);
    is_piece || dotted || is_shortened(&word) || holds_colons(&word)
}

fn holds_colons(word: &str) -> bool {
    let address = word.split(['/', '%', '-']).next().unwrap_or_default();
    let is_hex = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
    let is_all_hex = address.chars().all(is_hex) && address.len() > 2;
    word.matches(':').count() >= 2 && (is_all_hex || word.contains(|c: char| c.is_ascii_digit()))
}

/// A range without its last numbers: `192.0/16`.
fn is_shortened(word: &str) -> bool {
    let Some((numbers, length)) = word.split_once('/') else { return false };
    let is_length = length.parse::<u8>().is_ok_and(|length| (8..=32).contains(&length));
    is_length
        && numbers.contains('.')
        && numbers.split('.').all(|number| number.parse::<u8>().is_ok())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn is_year(text: &str) -> bool {
    text.len() == 4 && is_digits(text) && (text.starts_with("19") || text.starts_with("20"))
}

/// `2026-09-10`, `10.9.2026`, `10:42:38`, `2026-09-10T10:42:38Z`.
fn is_date(word: &str) -> bool {
    let (day, time) = word.split_once('T').unwrap_or((word, "0:00"));
    let is_short = |number: &&str| is_digits(number) && number.len() <= 2;
    let is_day = |day: &str| {
        let parts: Vec<&str> = day.split(['-', '.', '/']).collect();
        let years = parts.iter().filter(|part| is_year(part)).count();
        parts.len() == 3 && years == 1 && parts.iter().filter(|part| is_short(part)).count() == 2
    };
    let is_time = |time: &str| {
        let time = time.trim_end_matches('Z').split(['.', '+']).next().unwrap_or_default();
        let parts: Vec<&str> = time.split(':').collect();
        let is_padded = parts.iter().skip(1).all(|part| part.len() == 2);
        matches!(parts.len(), 2 | 3) && is_padded && parts.iter().all(is_short)
    };
    is_time(word) || (is_day(day) && is_time(time))
}
