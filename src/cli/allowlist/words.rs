//! The words of a pasted text that matter, each with what stands before it. Pure.

use super::page;

/// Every kind of dash is read as this one.
pub(super) const DASH: &str = "-";
const TILDE: &str = "~";
/// What joins two addresses in speech.
const SPOKEN: [&str; 6] = ["to", "through", "thru", "till", "until", "bis"];

/// A word, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// From 1.
    pub(super) line: usize,
    pub(super) gap: Gap,
}

/// What parts a word from the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap {
    pub(super) edge: Edge,
    pub(super) mark: Mark,
}

/// How far apart two words stand on a page; of several edges the last one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edge {
    #[default]
    Nothing,
    /// A tag that does not end a line.
    Tag,
    /// Of a table in a text.
    Tab,
    Line,
    /// Of a table in HTML, where a line may end anywhere.
    Column,
    /// An item, a row, a line of a page.
    Block,
}

/// What is written between two words; of several marks the last one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    #[default]
    Blank,
    /// Or quotes.
    Bracket,
    /// Between the items of a list.
    Comma,
    Other(char),
}

impl Gap {
    /// Another line, for whoever reads the page.
    pub(super) fn is_apart(self) -> bool {
        matches!(self.edge, Edge::Line | Edge::Block)
    }

    /// Another column of the same row.
    pub(super) fn is_column(self) -> bool {
        matches!(self.edge, Edge::Tab | Edge::Column)
    }

    /// Nothing that could mean anything.
    pub(super) fn is_plain(self) -> bool {
        self.edge == Edge::Nothing && self.mark <= Mark::Bracket
    }

    fn pass(&mut self, c: char) {
        let edge = match c {
            page::LINE => Edge::Line,
            page::BLOCK => Edge::Block,
            page::COLUMN => Edge::Column,
            page::TAG => Edge::Tag,
            '\t' | '|' => Edge::Tab,
            _ => return self.mark = self.mark.max(Mark::of(c)),
        };
        self.edge = self.edge.max(edge);
    }
}

impl Mark {
    fn of(c: char) -> Self {
        match c {
            ',' | ';' | '&' | '+' | '*' | '\u{b7}' | '\u{2022}' => Self::Comma,
            _ if is_bracket(c) => Self::Bracket,
            _ if c.is_whitespace() || c.is_control() => Self::Blank,
            _ => Self::Other(c),
        }
    }
}

impl Word<'_> {
    /// Whether it may join the first address of a range to the last.
    pub(super) fn is_joint(&self) -> bool {
        self.text == DASH || self.text == TILDE || self.is_spoken_joint()
    }

    pub(super) fn is_spoken_joint(&self) -> bool {
        SPOKEN.iter().any(|joint| joint.eq_ignore_ascii_case(self.text))
    }
}

/// The words of a text that [`page::visible`] has left: those that may be a range, and every dash and
/// tilde as a word of its own.
pub(super) fn of(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut line = 1;
    let mut gap = Gap { edge: Edge::Block, mark: Mark::Blank };
    for piece in text.split_inclusive(|c| !is_word(c)) {
        let end = piece.chars().next_back().filter(|&c| !is_word(c));
        let whole = piece.trim_end_matches(|c| !is_word(c));
        let word = trimmed(whole);
        // Two dots are more than a sentence's end.
        let dots = |text: &str| if text.contains("..") { Mark::Other('.') } else { Mark::Blank };
        let (before, behind) = whole.split_once(word).unwrap_or_default();
        if word.is_empty() {
            gap.mark = gap.mark.max(whole.chars().map(Mark::of).max().unwrap_or_default());
        } else {
            gap.mark = gap.mark.max(before.chars().map(Mark::of).max().unwrap_or_default());
            words.push(Word { text: word, line, gap });
            gap = Gap { edge: Edge::Nothing, mark: dots(behind) };
        }
        let joint = match end {
            Some(c) if is_dash(c) => DASH,
            Some(c) if is_tilde(c) => TILDE,
            Some(c) => {
                gap.pass(c);
                line += usize::from(c == page::LINE);
                continue;
            }
            None => continue,
        };
        words.push(Word { text: joint, line, gap });
        gap = Gap::default();
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | ':' | '/' | '%' | '_' | '*')
}

/// Without the marks of the sentence that it stands in.
fn trimmed(word: &str) -> &str {
    let word = word.trim_start_matches(['.', '*']);
    // Stars are those of a text in bold, but for the one that stands for a number.
    let trimmed = if word.ends_with(".*") { word } else { word.trim_end_matches(['.', '*']) };
    // A colon at the end is a sentence's, but `2001:db8::` ends with two.
    let single_colon = trimmed.ends_with(':') && !trimmed.ends_with("::");
    if single_colon { trimmed.trim_end_matches(':') } else { trimmed }
}

/// A quote as well.
fn is_bracket(c: char) -> bool {
    matches!(
        c,
        '(' | ')' | '[' | ']' | '{' | '}' | '"' | '\'' | '`' | '\u{ab}' | '\u{bb}' | '\u{2018}'
            ..='\u{201f}'
    )
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

fn is_tilde(c: char) -> bool {
    matches!(c, '~' | '\u{2dc}' | '\u{223c}' | '\u{301c}' | '\u{ff5e}')
}
