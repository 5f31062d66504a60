//! What one word stands for by itself. Pure.

use std::net::Ipv4Addr;

use super::place::Found;
use crate::config::{RangeError, parse_range};

/// `None`: it does not even look like a range. With `force`, `192.0.2.7/24` is the whole range.
pub(super) fn lone(word: &str, force: bool) -> Option<Found> {
    if word.strip_prefix('/').is_some_and(|length| length.parse::<u8>().is_ok()) {
        return Some(Err("the length of a range, apart from its address".to_owned()));
    }
    if !looks_like_address(word.split(['/', '%']).next().unwrap_or_default()) {
        return hides_address(word).then(|| Err("holds an address, and is no range".to_owned()));
    }
    Some(match parse_range(word) {
        Ok(range) => Ok(vec![range]),
        Err(RangeError::HostBits { meant, .. }) if force => Ok(vec![meant]),
        Err(error) => Err(error.to_string()),
    })
}

/// An address with a length.
pub(super) fn looks_like_range(word: &str) -> bool {
    let parts = word.split_once('/');
    parts.is_some_and(|(address, length)| {
        looks_like_address(address) && length.parse::<u8>().is_ok()
    })
}

fn looks_like_address(word: &str) -> bool {
    looks_like_v4(word) || looks_like_v6(word)
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

/// `192.0.2.7:443`, `ip4:192.0.2.0/24`, `192.0.2.*`, `192.0.2/24` and the like.
fn hides_address(word: &str) -> bool {
    let is_digits = |c: char| c.is_ascii_digit() || c == '.';
    let hides_v4 = word.split(|c| !is_digits(c)).any(|part| part.parse::<Ipv4Addr>().is_ok());
    let behind = word.split_once(':').map_or("", |(_, behind)| behind);
    let behind = behind.split('/').next().unwrap_or_default();
    hides_v4 || looks_like_v6(behind) || is_pattern(word) || is_shortened(word)
}

fn is_octet(number: &str) -> bool {
    number.parse::<u8>().is_ok()
}

fn is_pattern(word: &str) -> bool {
    let numbers: Vec<&str> = word.split('.').collect();
    let is_wild = |number: &str| matches!(number, "*" | "x" | "X");
    numbers.first().is_some_and(|first| is_octet(first))
        && numbers.iter().all(|number| is_octet(number) || is_wild(number))
        && (numbers.len() == 4 || numbers.last() == Some(&"*"))
        && numbers.iter().any(|number| is_wild(number))
}

/// A range without its last octets.
fn is_shortened(word: &str) -> bool {
    let Some((octets, length)) = word.split_once('/') else { return false };
    let is_length = length.parse::<u8>().is_ok_and(|length| (8..=32).contains(&length));
    is_length && octets.contains('.') && octets.split('.').all(is_octet)
}
