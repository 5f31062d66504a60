//! What one row of the text stands for: a line, an item of a list, a row of a table. Pure.
//!
//! A row is taken whole or refused whole. An address without a length may be an end of a range, or have
//! its length elsewhere. So it is taken only where nothing in its row could say so: no second address
//! that is not plainly the next of a list, no number, no sign, and no word for an end or a length.
//! Everything else is refused, because either reading could let in too many or too few.

use std::net::IpAddr;

use ipnet::IpNet;

use super::lone::{self, Kind};
use super::page::{COLUMN, TAG};
use super::words::{DASH, Word, is_quote, shown};

/// The ranges that a row stands for, before anybody asks whether they are sane; or why it stands for
/// none.
pub(super) type Found = Result<Vec<IpNet>, String>;

const GONE: &str =
    "stands in a comment, is hidden or is struck out: take it out, or write it openly";
const JOINED: &str =
    "these may be two ranges, or the ends of one: write first-last, or each on a line of its own";
const ENDS: &str =
    "they are the ends of a whole block: write first-last, or, if they are none, /32 behind each";
const MEND: &str = "write address/length or first-last, or the address on a line of its own";

/// Words for the ends of a range and for its length; those of a header as well.
const HINTS: &str = "between start starts first begin begins beginning end ends last lower upper lowest \
     highest min max to upto up through thru till until inclusive incl including onwards \
     bis hasta \u{e0} prefix length prefixlen bit bits mask netmask slash class";
/// What stands beside them where they name the row below.
const NAMES: &str = "ip ipv v address addr range of network host";
const MONTHS: &str =
    "january february march april may june july august september october november december";

/// A row, and what those beside it say.
pub(super) struct Row<'a> {
    /// Of the whole page.
    pub(super) text: &'a str,
    pub(super) words: &'a [Word<'a>],
    /// Of the last row without a range.
    pub(super) heading: Header<'a>,
    pub(super) before: &'a [Word<'a>],
    pub(super) behind: &'a [Word<'a>],
}

/// What a row without a range says of those beside it.
#[derive(Clone, Copy, Default)]
pub(super) struct Header<'a> {
    hint: Option<&'a str>,
    /// It says nothing else: `First IP`, `"prefix": 24`.
    is_label: bool,
    has_number: bool,
}

impl<'a> Header<'a> {
    pub(super) fn of(words: &[Word<'a>]) -> Self {
        let is_known = |piece: String| is_in(HINTS, &piece) || is_in(NAMES, &piece);
        let is_number = |word: &Word<'_>| matches!(lone::kind(word.text), Kind::Number);
        let is_name = |word: &Word<'_>| {
            matches!(lone::kind(word.text), Kind::Other) && pieces(word.text).all(is_known)
        };
        Self {
            hint: hint(words),
            is_label: words.iter().all(|word| is_number(word) || is_name(word)),
            has_number: words.iter().any(is_number),
        }
    }
}

/// A range, where it is written.
struct Item {
    from: usize,
    to: usize,
    kind: Kind,
}

impl Row<'_> {
    /// `None`: it does not even look as if it held a range.
    pub(super) fn read(&self) -> Option<Found> {
        let items = match self.items() {
            Ok(items) if items.is_empty() => return None,
            Ok(items) => items,
            Err(why) => return Some(Err(why)),
        };
        let doubt = self
            .doubt_around()
            .or_else(|| self.doubt_between(&items))
            .or_else(|| self.doubt_beside(&items));
        let ranges = items.into_iter().flat_map(|item| match item.kind {
            Kind::Ends(ranges) => ranges,
            Kind::Range(range) => vec![range],
            Kind::Address(address) => vec![IpNet::from(address)],
            _ => Vec::new(),
        });
        Some(doubt.map_or_else(|| Ok(ranges.collect()), Err))
    }

    /// Of its first address, from 1.
    pub(super) fn line(&self) -> usize {
        let is_plain =
            |word: &&Word<'_>| matches!(lone::kind(word.text), Kind::Number | Kind::Other);
        let first = self.words.iter().find(|word| !is_plain(word)).or(self.words.first());
        first.map_or(1, |word| word.line)
    }

    /// As it is written, without tags.
    pub(super) fn written(&self) -> String {
        let ([first, ..], [.., last]) = (self.words, self.words) else { return String::new() };
        let text = self.gap(first.at, last.end()).replace(char::is_control, " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn items(&self) -> Result<Vec<Item>, String> {
        let mut items = Vec::new();
        let mut rest = self.words;
        while let [word, behind @ ..] = rest {
            rest = behind;
            let mut item = Item { from: word.at, to: word.end(), kind: lone::kind(word.text) };
            match item.kind {
                Kind::Number | Kind::Other => continue,
                _ if word.is_gone => return Err(format!("{} {GONE}", shown(word.text))),
                Kind::Unclear(why) => return Err(format!("{} {why}", shown(word.text))),
                Kind::Address(first) => {
                    if let [dash, last, behind @ ..] = behind
                        && let (DASH, Ok(end)) = (dash.text, last.text.parse())
                        && self.gap(word.end(), dash.at).trim_matches(' ').is_empty()
                        && self.gap(dash.end(), last.at).trim_matches(' ').is_empty()
                    {
                        let ranges = lone::between(first, end)
                            .ok_or_else(|| format!("it {}", lone::ORDER))?;
                        item = Item { kind: Kind::Ends(ranges), to: last.end(), ..item };
                        rest = behind;
                    }
                }
                Kind::Range(_) | Kind::Ends(_) => {}
            }
            items.push(item);
        }
        Ok(items)
    }

    fn gap(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// Whether the row before or behind has the other end of a block.
    fn doubt_around(&self) -> Option<String> {
        let is_pair = |one: &[Word<'_>], next: &[Word<'_>]| matches!((sole(one), sole(next)), (Some(one), Some(next)) if are_ends(one, next));
        let is_end = is_pair(self.before, self.words) || is_pair(self.words, self.behind);
        is_end.then(|| ENDS.to_owned())
    }

    /// Whether what stands between two ranges parts them, and nothing else.
    fn doubt_between(&self, items: &[Item]) -> Option<String> {
        let pairs = items.windows(2).filter_map(|pair| match pair {
            [one, next] => Some((&one.kind, &next.kind, self.gap(one.to, next.from))),
            _ => None,
        });
        let is_bare = |kind: &Kind| matches!(kind, Kind::Address(_));
        let first = pairs.clone().next().map_or("", |(.., gap)| gap);
        let are_alike = items.len() > 2 && pairs.clone().all(|(.., gap)| gap == first);
        let is_doubt = |(one, next, gap): (&Kind, &Kind, &str)| match (one, next) {
            (Kind::Address(one), Kind::Address(next)) if are_ends(*one, *next) => Some(ENDS),
            _ if is_spoken(gap) => None,
            _ if is_bare(one) && is_bare(next) => (!are_alike || !is_plain(gap)).then_some(JOINED),
            _ => (!is_column(gap)).then_some(JOINED),
        };
        pairs.clone().find_map(is_doubt).map(str::to_owned)
    }

    /// Whether something says that an address is an end, or that its length stands elsewhere.
    fn doubt_beside(&self, items: &[Item]) -> Option<String> {
        let bare = items.iter().filter(|item| matches!(item.kind, Kind::Address(_))).count();
        let from = items
            .first()
            .filter(|_| !items.iter().all(|item| matches!(item.kind, Kind::Range(_))))?;
        let number = (0..self.words.len()).find(|at| self.is_loose(*at, from.from));
        if let Some(word) = number.and_then(|at| self.words.get(at)) {
            return Some(format!("the number {} may belong to it: {MEND}", shown(word.text)));
        }
        let is_odd = |word: &&Word<'_>| {
            word.is_sign() && !matches!(word.text, DASH | "--" | "&" | ":" | "=")
        };
        let sign = self.words.iter().find(is_odd).map(|word| word.text).filter(|_| bare > 0);
        let (heading, footing) = (self.heading, Header::of(self.behind));
        let above = heading.hint.filter(|_| bare > 1 || heading.is_label);
        let below = footing.hint.filter(|_| footing.is_label && footing.has_number);
        let hint = hint(self.words).or(above).or(below).filter(|_| bare > 0);
        sign.or(hint).map(|what| {
            let what = shown(what);
            format!("\u{201c}{what}\u{201d} may say that it is an end, or a length: {MEND}")
        })
    }

    /// Whether the word is a number that is no date and not the number of the row.
    fn is_loose(&self, at: usize, first: usize) -> bool {
        let Some(word) = self.words.get(at) else { return false };
        if !matches!(lone::kind(word.text), Kind::Number) {
            return false;
        }
        let next = self.words.get(at + 1);
        let is_marked = next.is_some_and(|next| {
            let marks = ['.', ')', ':', ']', ',', ';', '|', '\t', COLUMN];
            next.text == DASH || self.gap(word.end(), next.at).contains(marks)
        });
        !(word.at < first && is_marked || self.is_in_date(at))
    }

    /// `10 Sep 2026`, `September 10, 2026`, `Sep 2026`.
    fn is_in_date(&self, at: usize) -> bool {
        let near = self.words.get(at.saturating_sub(2)..).unwrap_or_default().iter().take(5);
        let is_month = |word: &Word<'_>| {
            let name = word.text.to_lowercase();
            name.len() > 2 && MONTHS.split(' ').any(|month| month.starts_with(&name))
        };
        let is_year = |word: &Word<'_>| lone::is_year(word.text);
        let is_month_at = |pair: &[Word<'_>]| matches!(pair, [one, next] if self.gap(one.end(), next.at) == " " && (is_month(one) || is_month(next)));
        let pairs = [at.saturating_sub(1)..at + 1, at..at + 2];
        let is_beside = pairs.into_iter().filter_map(|pair| self.words.get(pair)).any(is_month_at);
        let has_both = near.clone().any(is_month) && near.clone().any(is_year);
        has_both && (is_beside || self.words.get(at).is_some_and(is_year))
    }
}

/// `a, b; c and d` as in a sentence.
fn is_spoken(gap: &str) -> bool {
    let parts_words = |c: char| matches!(c, ',' | ';' | TAG) || is_quote(c);
    let mut words = gap.split([' ', '\n']).map(|word| word.trim_matches(parts_words));
    let is_and = |word: &str| matches!(word, "and" | "or" | "&" | "+");
    let has_mark = gap.contains(", ") || gap.contains("; ") || words.clone().any(is_and);
    has_mark && words.all(|word| word.is_empty() || is_and(word))
}

/// Nothing but marks of a list.
fn is_plain(gap: &str) -> bool {
    let is_mark = |c: char| matches!(c, ' ' | ',' | ';' | '[' | ']' | '*' | TAG);
    gap.chars().all(|c| is_mark(c) || is_quote(c))
}

/// The end of a column, and marks of a list.
fn is_column(gap: &str) -> bool {
    gap.split(['\t', '|', '\n', COLUMN]).all(is_plain)
}

/// Whether it is one of these words.
fn is_in(words: &str, word: &str) -> bool {
    words.split(' ').any(|known| known == word)
}

/// The first word for an end or a length.
fn hint<'a>(words: &[Word<'a>]) -> Option<&'a str> {
    words.iter().map(|word| word.text).find(|word| pieces(word).any(|piece| is_in(HINTS, &piece)))
}

/// `startIp`, `ip_start` and `start-1` have these: `start`, `ip`.
fn pieces(word: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::with_capacity(word.len());
    let mut was_small = false;
    for c in word.chars() {
        if c.is_uppercase() && was_small {
            spaced.push(' ');
        }
        was_small = c.is_lowercase();
        spaced.extend(c.to_lowercase());
    }
    let pieces: Vec<String> = spaced
        .split(|c: char| !c.is_alphabetic())
        .filter(|piece| !piece.is_empty())
        .map(str::to_owned)
        .collect();
    pieces.into_iter()
}

/// The address of a row, if that is all that it has.
fn sole(words: &[Word<'_>]) -> Option<IpAddr> {
    let mut addresses = words.iter().filter_map(|word| word.text.parse().ok());
    addresses.next().filter(|_| addresses.next().is_none())
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
