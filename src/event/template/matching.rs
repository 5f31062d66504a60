//! A text against the literal text of a template: where each value begins and ends.
//!
//! The literals are cut into blocks with a free value between each two. In a plain pattern a block
//! is one literal. In a typed one a value whose type says where it ends (a decimal is over where no
//! digit follows) belongs to the block around it, so that a block found elsewhere does not count.
//!
//! There is one reading exactly if every block is found once between its neighbours. Going from the
//! right, each block is taken as late as it can be; going from the left, as early. Where both agree
//! for all, there is no other reading: any other would put some block before the one or behind the
//! other. Both ways look at each byte once, unless a block begins many times and fails late: then the
//! search counts its steps and gives up, so that its time is linear in the text whatever comes.

use std::ops::Range;

use memchr::memmem::{Finder, FinderRev};

use super::gauge::{After, Gauge, MOST_TYPED_BYTES};
use super::text::{Pieces, Slot};

/// Steps of one search, as a multiple of the text's bytes: repeated beginnings of long blocks would
/// cost their product otherwise. Two ways through the text and its literals take four.
const STEPS_PER_BYTE: usize = 8;

/// And in a short text, for the sake of templates with many macros.
const FIXED_STEPS: usize = 256 * 1024;

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
    /// Bytes looked at so far.
    steps: usize,
    most_steps: usize,
}

impl<'t> Search<'t> {
    fn new(text: &'t str) -> Self {
        let most_steps = text.len().saturating_mul(STEPS_PER_BYTE).saturating_add(FIXED_STEPS);
        Self { text, steps: 0, most_steps }
    }

    fn run(&mut self, blocks: &[Block]) -> Readings {
        let found = self.places(blocks);
        if self.is_tired() { Readings::Several } else { found }
    }

    fn is_tired(&self) -> bool {
        self.steps > self.most_steps
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
            let found = block.last.rfind(window);
            self.steps += window.len() - found.unwrap_or_default();
            let start = from + found?;
            if let Some(place) = self.block(block, start)
                && bound.holds(place.end)
            {
                return Some(place);
            }
            // The next one begins before this one.
            to = (start + length).checked_sub(1)?;
            if length == 0 || self.is_tired() {
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
        while !self.is_tired() {
            let window = self.text.as_bytes().get(from..)?;
            let found = block.first.find(window);
            self.steps += found.map_or(window.len(), |found| found + block.first.needle().len());
            let start = from + found?;
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
        self.steps += literal.len();
        let mut end = start + literal.len();
        let mut values = Vec::with_capacity(block.rest.len());
        for (gauge, literal) in &block.rest {
            self.steps += MOST_TYPED_BYTES + literal.len();
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
mod tests;
