//! Ranges out of a page or a mail: CIDR ranges, addresses, `first-last`, with anything in between.
//! Pure.
//!
//! What holds an address is taken exactly, or refused with its line: a range that is narrowed or lost in
//! silence is a sender that is shut out later.

use ipnet::IpNet;

use super::page::Page;
use super::row::{Found, Header, Row};
use super::sane::Care;
use super::words::Word;
use super::{page, words};

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
    /// All of the row.
    pub(super) text: String,
    pub(super) why: String,
}

/// Finds every range.
pub(super) fn read(text: &str, care: Care) -> Pasted {
    let mut pasted = Pasted::default();
    let Page { text, cut } = page::visible(text);
    let rows = words::rows(&text);
    let mut heading = Header::default();
    let mut before: &[Word<'_>] = &[];
    for (at, words) in rows.iter().enumerate() {
        let behind = rows.get(at + 1).map(Vec::as_slice).unwrap_or_default();
        let row = Row { text: &text, words, heading, before, behind };
        match row.read() {
            Some(found) => pasted.note(&row, found, care),
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
    /// The ranges merged and sorted. What they make together is looked at as each row was: of many
    /// small ones a wide one may come.
    pub(super) fn merged(&self, care: Care) -> Result<Vec<IpNet>, String> {
        match care.complaint(&self.ranges) {
            Some((what, why)) => Err(format!("together they make {what}: {why}")),
            None => Ok(IpNet::aggregate(&self.ranges)),
        }
    }

    fn note(&mut self, row: &Row<'_>, found: Found, care: Care) {
        let text = row.written();
        let sane = |ranges: Vec<IpNet>| match care.complaint(&ranges) {
            Some((what, why)) if what == text => Err(why),
            Some((what, why)) => Err(format!("{what} is {why}")),
            None => Ok(ranges),
        };
        match found.and_then(sane) {
            Ok(ranges) => self.ranges.extend(ranges),
            Err(why) => self.refused.push(Refusal { line: row.line(), text, why }),
        }
    }
}

#[cfg(test)]
mod tests;
