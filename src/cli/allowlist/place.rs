//! What a word stands for, by itself or with the words behind it. Pure.
//!
//! Two addresses beside each other may be two, or the ends of a range. They are read as two only where
//! nothing but a list stands between them, and as a range only where one dash does: everything else is
//! refused, because either reading could let in too many or too few.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};

use super::lone::{lone, looks_like_range};
use super::words::{DASH, Edge, Mark, Word};

/// The ranges that one place of the text stands for, before anybody asks whether they are sane; or
/// why it stands for none.
pub(super) type Found = Result<Vec<IpNet>, String>;

/// One place, of one word or several.
pub(super) struct Place {
    /// As it is written.
    pub(super) text: String,
    /// `None`: it does not even look like a range.
    pub(super) found: Option<Found>,
    pub(super) words: usize,
}

const JOINED: &str = "write a range as first-last, with one dash and in one place, and addresses with commas between";
const SHORT: &str = "write both ends of the range in full";
const PARTED: &str = "what belongs to the address stands apart from it";
const LENGTH: &str =
    "the number behind it may be its length: write address/length, or take the number away";
const COLUMNS: &str =
    "two columns may be the ends of a range: write first-last, or each on a line of its own";
const ENDS: &str =
    "they are the ends of a whole block: write first-last, or, if they are none, /32 behind each";

/// Words that may stand between an address and `to` or `through`, at most.
const MOST_SPOKEN: usize = 3;

/// What the word `first` stands for, with those `before` and `behind` it.
pub(super) fn read(
    before: &[Word<'_>],
    first: &Word<'_>,
    behind: &[Word<'_>],
    force: bool,
) -> Place {
    let together = Whole::of(first.text).and_then(|from| {
        let joints = behind.iter().take_while(|word| word.is_joint()).count();
        let (joints, rest) = behind.split_at(joints);
        let found = match (joints, rest.first()?) {
            ([], last) => beside(from, last),
            (joints, last) => joined(from, before, first, joints, last),
        };
        let words = joints.len() + 1;
        match found {
            Some(_) if goes_on(rest) => Some((refused(JOINED), words + 2)),
            Some(found) => Some((found, words)),
            None => spoken(behind),
        }
    });
    let Some((found, words)) = together else {
        return Place { text: first.text.to_owned(), found: lone(first.text, force), words: 1 };
    };
    let between = behind.iter().take(words);
    let is_plain = matches!(behind, [joint, last, ..] if are_plain(&[*joint], last));
    let glue = if is_plain { "" } else { " " };
    let text = between.fold(first.text.to_owned(), |text, word| text + glue + word.text);
    Place { text, found: Some(found), words: 1 + words }
}

fn refused(why: &str) -> Found {
    Err(why.to_owned())
}

/// Whether a third one is joined to the last of two.
fn goes_on(from_last: &[Word<'_>]) -> bool {
    matches!(from_last, [_, joint, third, ..]
        if joint.is_joint() && !joint.gap.is_apart() && Whole::of(third.text).is_some())
}

/// A word that is a range by itself.
#[derive(Clone, Copy)]
enum Whole {
    Address(IpAddr),
    Range,
}

impl Whole {
    fn of(word: &str) -> Option<Self> {
        let address = word.parse().map(Self::Address).ok();
        address.or_else(|| looks_like_range(word).then_some(Self::Range))
    }
}

/// What `last` makes of the range that stands right before it.
fn beside(from: Whole, last: &Word<'_>) -> Option<Found> {
    let in_row = !last.gap.is_apart();
    let is_list = !matches!(last.gap.mark, Mark::Other(_));
    let why = match (from, Whole::of(last.text)) {
        (Whole::Address(_), Some(Whole::Address(IpAddr::V4(mask)))) if in_row && is_mask(mask) => {
            PARTED
        }
        (Whole::Address(_), None) if in_row && last.text.starts_with(['/', ':']) => PARTED,
        (Whole::Address(from), None) if in_row && may_be_length(last, from) => LENGTH,
        (Whole::Address(_), Some(Whole::Address(_))) if last.gap.is_column() => COLUMNS,
        (Whole::Address(from), Some(Whole::Address(to))) if are_ends(from, to) => ENDS,
        (_, Some(_)) if in_row && !is_list => JOINED,
        _ => return None,
    };
    Some(refused(why))
}

/// What words make of two ranges that they stand between.
fn joined(
    from: Whole,
    before: &[Word<'_>],
    first: &Word<'_>,
    joints: &[Word<'_>],
    last: &Word<'_>,
) -> Option<Found> {
    let in_row = joints.first().is_some_and(|joint| !joint.gap.is_apart());
    let why = match (from, Whole::of(last.text)) {
        (Whole::Address(from), Some(Whole::Address(to))) => {
            if are_plain(joints, last) {
                return Some(between(from, to));
            }
            if is_bullet(before, first, joints, last) {
                return None;
            }
            JOINED
        }
        (_, Some(_)) if in_row => JOINED,
        (Whole::Address(from), None) if in_row && may_be_part(last.text, from) => SHORT,
        _ => return None,
    };
    Some(refused(why))
}

/// `1.2.3.4 and so on to 1.2.3.9`, or `1.2.3.4 through and including 1.2.3.9`; and of how many words.
fn spoken(behind: &[Word<'_>]) -> Option<(Found, usize)> {
    let between =
        behind.iter().take(MOST_SPOKEN + 1).position(|word| Whole::of(word.text).is_some())?;
    let (words, last) = (behind.get(..between)?, behind.get(between)?);
    let in_row = words.iter().chain([last]).all(|word| !word.gap.is_apart());
    let is_joint = |word: Option<&Word<'_>>| word.is_some_and(Word::is_spoken_joint);
    let is_range = in_row && (is_joint(words.first()) || is_joint(words.last()));
    is_range.then(|| (refused(JOINED), between + 1))
}

/// One dash, and nothing else.
fn are_plain(joints: &[Word<'_>], last: &Word<'_>) -> bool {
    matches!(joints, [joint] if joint.text == DASH && joint.gap.is_plain() && last.gap.is_plain())
}

/// Whether the dash begins an item of a list, and joins nothing: what it stands before begins a block
/// of the page, or the item before it begins with a dash as well.
fn is_bullet(before: &[Word<'_>], first: &Word<'_>, joints: &[Word<'_>], last: &Word<'_>) -> bool {
    let begins_line = |dash: &Word<'_>, item: &Word<'_>| {
        dash.text == DASH && dash.gap.is_apart() && item.gap.is_plain()
    };
    let [joint] = joints else { return false };
    let is_item =
        joint.gap.edge == Edge::Block || before.last().is_some_and(|dash| begins_line(dash, first));
    begins_line(joint, last) && is_item
}

/// Whether this, behind a dash, can be the last address of a range in short: `-20`, or `-113.20`.
fn may_be_part(last: &str, from: IpAddr) -> bool {
    let is_octet = |number: &str| number.len() <= 3 && number.parse::<u16>().is_ok();
    match from {
        IpAddr::V4(_) => last.split('.').all(is_octet),
        IpAddr::V6(_) => last.split(':').all(|group| u16::from_str_radix(group, 16).is_ok()),
    }
}

/// Whether a number behind an address, with nothing of a list between, can be the length of a range.
fn may_be_length(number: &Word<'_>, of: IpAddr) -> bool {
    let most = if of.is_ipv4() { 32 } else { 128 };
    let is_list = matches!(number.gap.mark, Mark::Bracket | Mark::Comma);
    let is_number = number.text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && !is_list && number.text.parse::<u8>().is_ok_and(|length| length <= most)
}

/// `255.255.255.0`, or `0.0.0.255` as others write it.
fn is_mask(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    [bits, !bits]
        .iter()
        .any(|bits| bits.leading_ones() >= 8 && bits.leading_ones() + bits.trailing_zeros() == 32)
}

/// Whether these are the first and the last of a block that ends with whole octets, as nobody lists
/// hosts.
fn are_ends(from: IpAddr, to: IpAddr) -> bool {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) else { return false };
    let (from, host) = (from.to_bits(), from.to_bits() ^ to.to_bits());
    host.trailing_ones() >= 8
        && host.trailing_ones() + host.leading_zeros() == 32
        && from & host == 0
}

fn between(from: IpAddr, to: IpAddr) -> Found {
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
