//! A text against the literal text of a template: where each value begins and ends.
//!
//! The literals are cut into blocks with a free value between each two. In a plain pattern a block
//! is one literal. In a typed one a value whose type says where it ends (a decimal is over where no
//! digit follows) belongs to the block around it, so that a block found elsewhere does not count.
//!
//! There is one reading exactly if every block is found once between its neighbours. Going from the
//! right, each block is taken as late as it can be; going from the left, as early. Where both agree
//! for all, there is no other reading: any other would put some block before the one or behind the
//! other. Both ways look at each byte once.

use std::ops::Range;

use memchr::memmem::{Finder, FinderRev};

use super::gauge::{After, Gauge, MOST_TYPED_BYTES};
use super::text::{Pieces, Slot};

/// Bytes compared within blocks, as a multiple of the text's: repeated beginnings of long blocks
/// would cost their product otherwise.
const EFFORT: usize = 4;

/// And in a short text, for the sake of templates with many macros.
const MOST_FIXED: usize = 256 * 1024;

/// What can be read out of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readings {
    None,
    /// Where each slot's value stands.
    One(Vec<Range<usize>>),
    Several,
}

/// The literals of a template, ready to be looked for.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    plain: Vec<Block>,
    /// `None`: no type decides anything.
    typed: Option<Vec<Block>>,
}

/// A literal, and what belongs to it.
#[derive(Clone, Debug)]
struct Block {
    first: Finder<'static>,
    last: FinderRev<'static>,
    /// Values of a type, each with the literal that ends it.
    rest: Vec<(Gauge, String)>,
}

impl Pattern {
    /// `is_pairs`: values may be percent-encoded.
    pub(super) fn new(pieces: &Pieces, is_pairs: bool) -> Self {
        let plain = blocks(pieces, |_, _| None);
        let typed = blocks(pieces, |slot, after| {
            let gauge = Gauge::of(slot, is_pairs);
            gauge.filter(|gauge| gauge.ends_before(after))
        });
        let typed = (typed.len() < plain.len()).then_some(typed);
        Self { plain, typed }
    }

    /// What stands between the literals. Types are asked where that alone is not clear.
    pub(super) fn read(&self, text: &str) -> Readings {
        match (Search::new(text).run(&self.plain), &self.typed) {
            (Readings::Several, Some(typed)) => match Search::new(text).run(typed) {
                Readings::One(values) => Readings::One(values),
                Readings::None | Readings::Several => Readings::Several,
            },
            (readings, _) => readings,
        }
    }
}

/// `gauge` says how a slot belongs to the literals around it, given what follows it.
fn blocks(pieces: &Pieces, gauge: impl Fn(&Slot, After<'_>) -> Option<Gauge>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut literals = pieces.literals.iter();
    blocks.extend(literals.next().map(|first| Block::new(first)));
    let last = pieces.slots.len();
    for ((number, slot), literal) in (1..).zip(&pieces.slots).zip(literals) {
        let after =
            if number == last && literal.is_empty() { After::End } else { After::Text(literal) };
        match (gauge(slot, after), blocks.last_mut()) {
            (Some(gauge), Some(block)) => block.rest.push((gauge, literal.clone())),
            _ => blocks.push(Block::new(literal)),
        }
    }
    blocks
}

impl Block {
    fn new(literal: &str) -> Self {
        Self {
            first: Finder::new(literal).into_owned(),
            last: FinderRev::new(literal).into_owned(),
            rest: Vec::new(),
        }
    }
}

/// One run over a text.
struct Search<'t> {
    text: &'t str,
    /// Bytes that may still be compared within blocks.
    effort: usize,
}

impl<'t> Search<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, effort: text.len().saturating_mul(EFFORT).saturating_add(MOST_FIXED) }
    }

    fn run(&mut self, blocks: &[Block]) -> Readings {
        let found = self.places(blocks);
        if self.effort == 0 { Readings::Several } else { found }
    }

    fn places(&mut self, blocks: &[Block]) -> Readings {
        let Some((first, others)) = blocks.split_first() else {
            return Readings::None;
        };
        let Some(start) = self.block(first, 0) else {
            return Readings::None;
        };
        if others.is_empty() {
            let is_whole = start.end == self.text.len();
            return if is_whole { Readings::One(start.values) } else { Readings::None };
        }

        let mut latest: Vec<(Place, Bound)> = Vec::with_capacity(others.len());
        let mut bound = Bound::Exactly(self.text.len());
        for block in others.iter().rev() {
            let Some(place) = self.latest(block, start.end, bound) else {
                return Readings::None;
            };
            let next = Bound::UpTo(place.start);
            latest.push((place, bound));
            bound = next;
        }
        latest.reverse();

        let mut values = start.values;
        let mut cursor = start.end;
        for (block, (place, bound)) in others.iter().zip(latest) {
            if self.earliest(block, cursor, bound) != Some(place.start) {
                return Readings::Several;
            }
            values.push(cursor..place.start);
            values.extend(place.values);
            cursor = place.end;
        }
        Readings::One(values)
    }

    /// The latest place of `block` that begins at `from` or behind it and ends within `bound`.
    fn latest(&mut self, block: &Block, from: usize, bound: Bound) -> Option<Place> {
        let (Bound::Exactly(end) | Bound::UpTo(end)) = bound;
        let length = block.last.needle().len();
        // A literal alone at the end can stand in one place only.
        if let (Bound::Exactly(_), []) = (bound, block.rest.as_slice()) {
            let start = end.checked_sub(length).filter(|&start| start >= from)?;
            return self.block(block, start);
        }
        let mut to = end;
        loop {
            let window = self.text.as_bytes().get(from..to)?;
            let start = from + block.last.rfind(window)?;
            if let Some(place) = self.block(block, start)
                && bound.holds(place.end)
            {
                return Some(place);
            }
            // The next one begins before this one.
            to = (start + length).checked_sub(1)?;
            if self.effort == 0 || length == 0 {
                return None;
            }
        }
    }

    /// Where the first place of `block` from `from` on begins that ends within `bound`.
    fn earliest(&mut self, block: &Block, from: usize, bound: Bound) -> Option<usize> {
        if let (Bound::Exactly(end), []) = (bound, block.rest.as_slice()) {
            return end.checked_sub(block.first.needle().len());
        }
        let mut from = from;
        while self.effort > 0 {
            let window = self.text.as_bytes().get(from..)?;
            let start = from + block.first.find(window)?;
            if self.block(block, start).is_some_and(|place| bound.holds(place.end)) {
                return Some(start);
            }
            from = start + 1;
        }
        None
    }

    /// The block that begins at `start`: it has one end at most.
    fn block(&mut self, block: &Block, start: usize) -> Option<Place> {
        let literal = block.first.needle();
        let text = self.text;
        if !text.as_bytes().get(start..)?.starts_with(literal) {
            return None;
        }
        if !block.rest.is_empty() {
            self.effort = self.effort.saturating_sub(literal.len());
        }
        let mut end = start + literal.len();
        let mut values = Vec::with_capacity(block.rest.len());
        for (gauge, literal) in &block.rest {
            self.effort = self.effort.saturating_sub(MOST_TYPED_BYTES + literal.len());
            if self.effort == 0 {
                return None;
            }
            let rest = text.get(end..)?;
            let length = gauge.length(rest)?;
            let behind = rest.get(length..)?;
            if !behind.starts_with(literal.as_str()) {
                return None;
            }
            values.push(end..end + length);
            end += length + literal.len();
        }
        Some(Place { start, end, values })
    }
}

/// Where a block must end.
#[derive(Clone, Copy)]
enum Bound {
    Exactly(usize),
    UpTo(usize),
}

impl Bound {
    fn holds(self, end: usize) -> bool {
        match self {
            Self::Exactly(wanted) => end == wanted,
            Self::UpTo(most) => end <= most,
        }
    }
}

/// A block in the text, and the values of its slots.
struct Place {
    start: usize,
    end: usize,
    values: Vec<Range<usize>>,
}

#[cfg(test)]
mod tests {
    use super::super::super::Kind;
    use super::super::text;
    use super::*;

    fn read(template: &str, input: &str) -> Result<Vec<String>, &'static str> {
        let format = text::format(template);
        let range = text::sent(template, format);
        let pieces = text::scan(template, range, format, Kind::Action);
        let is_pairs = matches!(format, crate::event::Format::Query);
        match Pattern::new(&pieces, is_pairs).read(input) {
            Readings::None => Err("none"),
            Readings::Several => Err("several"),
            Readings::One(values) => {
                let texts = values.into_iter().map(|range| input.get(range).unwrap().to_owned());
                Ok(texts.collect())
            }
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with a result")]
    fn values(values: &[&str]) -> Result<Vec<String>, &'static str> {
        Ok(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn values_stand_between_the_literals() {
        let template = r#"{"a":"{Note}","b":"{SubId1}"}"#;
        assert_eq!(read(template, r#"{"a":"x"y","b":""}"#), values(&["x\"y", ""]));
        assert_eq!(read(template, r#"{"a":"x","c":""}"#), Err("none"));
        assert_eq!(read(template, r#"{"a":"x","b":""} "#), Err("none"));
        assert_eq!(read("a=b", "a=b"), values(&[]));
        assert_eq!(read("a={Note}", "a=x&y"), values(&["x&y"]));
    }

    #[test]
    fn two_readings_are_none() {
        assert_eq!(read("a={Note}&b={SubId1}", "a=1&b=2&b="), Err("several"));
        assert_eq!(read("a={Note}&b={SubId1}", "a=&b=&b=2"), Err("several"));
        assert_eq!(read("a={Note}{SubId1}", "a=xy"), Err("several"));
        assert_eq!(read("a={Note}{SubId1}", "a="), values(&["", ""]));
        // Overlapping places are two as well.
        assert_eq!(read(r#"["{Note}"",""{SubId1}"]"#, r#"["x"","",""y"]"#), Err("several"));
        assert_eq!(read("<a>{Note}</a></a>{SubId1}", "<a>x</a></a></a>y"), Err("several"));
    }

    #[test]
    fn types_decide_where_they_can() {
        let template = "u={LandingPageUrl}&payout={Payout}&status={Status}&s={SubId1}";
        let read = |text| read(template, text);
        assert_eq!(
            read("u=h?a=1&payout=9&payout=-1.50&status=Reversed&s=x"),
            values(&["h?a=1&payout=9", "-1.50", "Reversed", "x"])
        );
        assert_eq!(
            read("u=h&payout=&status={Status}&s=x&payout=1&status=y&s=z"),
            values(&["h", "", "{Status}", "x&payout=1&status=y&s=z"])
        );
        // Both are decimals before a status.
        assert_eq!(
            read("u=h&payout=1&status=PENDING&s=&payout=2&status=PENDING&s="),
            Err("several")
        );
        // Clear without the types, so a payout may be anything.
        assert_eq!(read("u=h&payout=1,5&status=?&s="), values(&["h", "1,5", "?", ""]));
    }

    #[test]
    fn a_type_decides_nothing_beyond_its_length_and_characters() {
        let decimal = |template: &str, text: &str| read(template, text);
        let long = "1".repeat(MOST_TYPED_BYTES);
        let split = |payout: &str| format!("p={payout}&s=a&s=b");
        let template = "p={Payout}&s={SubId1}";
        assert_eq!(decimal(template, &split(&long)), values(&[&long, "a&s=b"]));
        assert_eq!(decimal(template, &split(&format!("{long}1"))), Err("several"));
        // A literal that could belong to the value decides nothing.
        assert_eq!(decimal("p={Payout}-{SubId1}", "p=1-2-3"), Err("several"));
        assert_eq!(
            decimal("d={EventDate}&s={SubId1}", "d=2024-09-10T10%3A42%3A38Z&s=a&s=b"),
            values(&["2024-09-10T10%3A42%3A38Z", "a&s=b"])
        );
    }

    /// Every reading there is, by trying all of them.
    fn count(literals: &[String], text: &str) -> usize {
        let Some((last, before)) = literals.split_last() else { return 0 };
        if before.is_empty() {
            return usize::from(text == last);
        }
        let Some(rest) = text.strip_suffix(last.as_str()) else { return 0 };
        (0..=rest.len()).filter_map(|end| rest.get(..end)).map(|head| count(before, head)).sum()
    }

    proptest::proptest! {
        #[test]
        fn there_is_one_reading_where_trying_all_finds_one(
            literals in proptest::collection::vec("[ab]{0,3}", 1..5),
            text in "[ab]{0,10}",
        ) {
            let template = literals.join("{Note}");
            let pieces = text::scan(
                &template, 0..template.len(), crate::event::Format::Json, Kind::Action,
            );
            let wanted = match count(&pieces.literals, &text) {
                0 => "none",
                1 => "one",
                _ => "several",
            };
            let found = match Pattern::new(&pieces, false).read(&text) {
                Readings::None => "none",
                Readings::One(_) => "one",
                Readings::Several => "several",
            };
            proptest::prop_assert_eq!(wanted, found);
        }
    }
}
