//! The rows of a pasted text, and their words. Pure.

use super::lone;
use super::page::{BACK, BLOCK, COLUMN, GONE, LINE, TAG};

/// Every kind of dash is read as this one.
pub(super) const DASH: &str = "-";
/// A row that ends or begins with one of these goes on in the next line.
const JOINTS: [&str; 10] =
    ["to", "upto", "up", "through", "thru", "till", "until", "bis", "hasta", "\u{e0}"];

/// Of a row or a word that is told; a page may be one long line.
const MOST_SHOWN: usize = 200;

/// What stands between blanks, commas, quotes and the like, without the marks around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// Where it begins in the text, in bytes.
    pub(super) at: usize,
    /// From 1.
    pub(super) line: usize,
    /// It stands in a comment, or nobody sees it on the page, or it is struck out.
    pub(super) is_gone: bool,
}

/// How far apart two words stand on a page; of several edges the last one of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    Nothing,
    Line,
    /// Of a table in HTML, where a line may end anywhere.
    Column,
    /// An item, a row, a line of a page.
    Block,
}

impl Word<'_> {
    pub(super) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// A dash, an arrow, anything without a letter or a number.
    pub(super) fn is_sign(&self) -> bool {
        !self.text.contains(char::is_alphanumeric)
    }

    fn is_joint(&self) -> bool {
        let is_one = self.text.chars().nth(1).is_none();
        (self.is_sign() && is_one) || JOINTS.iter().any(|joint| *joint == self.text.to_lowercase())
    }
}

/// The rows of a text that [`super::page::visible`] has left: lines, items, rows of a table.
pub(super) fn rows(text: &str) -> Vec<Vec<Word<'_>>> {
    let mut rows: Vec<Vec<Word<'_>>> = Vec::new();
    let (mut at, mut line, mut edge) = (0, 1, Edge::Block);
    let (mut is_hidden, mut is_comment) = (false, false);
    for piece in text.split_inclusive(parts) {
        let whole = piece.trim_end_matches(parts);
        is_comment |= whole.trim_start_matches(TAG).starts_with('#');
        let is_gone = is_comment || is_hidden || whole.contains(GONE);
        let turn = whole.chars().rev().find(|c| matches!(*c, GONE | BACK));
        is_hidden = turn.map_or(is_hidden, |c| c == GONE);
        let (skipped, trimmed) = core(whole);
        if !trimmed.is_empty() {
            let word = Word { text: trimmed, at: at + skipped, line, is_gone };
            match rows.last_mut().filter(|row| goes_on(text, row, &word, edge)) {
                Some(row) => row.push(word),
                None => rows.push(vec![word]),
            }
            edge = Edge::Nothing;
        }
        let passed = match piece.chars().next_back() {
            Some(LINE) => Edge::Line,
            Some(COLUMN) => Edge::Column,
            Some(BLOCK) => Edge::Block,
            _ => Edge::Nothing,
        };
        line += usize::from(passed == Edge::Line);
        is_comment &= !matches!(passed, Edge::Line | Edge::Block);
        edge = edge.max(passed);
        at += piece.len();
    }
    rows
}

/// Whether the word still belongs to the row before it.
fn goes_on(text: &str, row: &[Word<'_>], word: &Word<'_>, edge: Edge) -> bool {
    let ([first, ..], [.., last]) = (row, row) else { return false };
    let is_bullet = word.text == DASH
        && (edge == Edge::Block || first.text == DASH || !lone::is_address(last.text));
    let is_ended = text.get(last.end()..word.at).is_some_and(|gap| gap.contains(':'));
    let is_joined = (last.is_joint() && !is_ended) || (word.is_joint() && !is_bullet);
    is_joined || matches!(edge, Edge::Nothing | Edge::Column)
}

/// A word or a row as it can stand in one line of a terminal.
pub(super) fn shown(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    let whole = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match whole.char_indices().nth(MOST_SHOWN).and_then(|(end, _)| whole.get(..end)) {
        Some(begin) => format!("{begin}\u{2026}"),
        None => whole,
    }
}

/// Brackets part no words: `192.0.[2].7` is to be seen as what it is.
fn parts(c: char) -> bool {
    c.is_whitespace() || is_quote(c) || matches!(c, ',' | ';' | '|' | BLOCK | COLUMN)
}

pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}')
}

/// The word without the marks of the list and the sentence that it stands in, and how many bytes of
/// them it has in front.
fn core(whole: &str) -> (usize, &str) {
    let is_mark = |c| {
        matches!(
            c,
            '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '*' | '_' | '\u{b7}' | '\u{2022}'
        ) || matches!(c, TAG | GONE | BACK | '#')
    };
    // Alone they are no end of a sentence.
    let is_spoken = whole.contains(char::is_alphanumeric);
    let is_end = |c| is_mark(c) || (is_spoken && matches!(c, '!' | '?'));
    let word = whole.trim_start_matches(|c| is_mark(c) || c == '+');
    let skipped = whole.len() - word.len();
    // The star that stands for a number is none of a text in bold.
    let word = if word.ends_with(".*") { word } else { word.trim_end_matches(is_end) };
    let word = word.strip_suffix('.').unwrap_or(word);
    let word = if word.ends_with(".*") { word } else { word.trim_end_matches(is_end) };
    // A colon at the end is a sentence's, but `2001:db8::` ends with two.
    let is_sentence = word.ends_with(':') && !word.ends_with("::");
    (skipped, if is_sentence { word.trim_end_matches(':') } else { word })
}
