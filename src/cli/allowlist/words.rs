//! The words of a pasted text that matter, each with its place. Pure.

use super::page;

/// Every kind of dash is read as this one.
pub(super) const DASH: &str = "-";

/// A word, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// From 1.
    pub(super) line: usize,
    /// Words of one part have neither a tag nor the end of a line between them.
    pub(super) part: usize,
}

/// The words of a text that [`page::visible`] has left.
pub(super) fn of(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let lines = (1..).zip(text.split(page::LINE));
    let parts = lines.flat_map(|(line, text)| text.split(page::TAG).map(move |text| (line, text)));
    for (part, (line, text)) in parts.enumerate() {
        words.extend(split(text).into_iter().map(|text| Word { text, line, part }));
    }
    words
}

impl Word<'_> {
    /// Whether it may join the first address of a range to the last.
    pub(super) fn is_joint(&self) -> bool {
        self.text == DASH || self.text == "~" || self.text.eq_ignore_ascii_case("to")
    }
}

/// Words that may be a range, and every dash and tilde as a word of its own.
fn split(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '.' | ':' | '/' | '%' | '_' | '*');
    let mut words = Vec::new();
    for piece in text.split_inclusive(|c| !is_word(c)) {
        let word = piece.trim_end_matches(|c| !is_word(c));
        let word = word.trim_start_matches(['.', '*']);
        // Stars are those of a text in bold, but for the one that stands for a number.
        let trimmed = if word.ends_with(".*") { word } else { word.trim_end_matches(['.', '*']) };
        // A colon at the end is a sentence's, but `2001:db8::` ends with two.
        let single_colon = trimmed.ends_with(':') && !trimmed.ends_with("::");
        let trimmed = if single_colon { trimmed.trim_end_matches(':') } else { trimmed };
        if !trimmed.is_empty() {
            words.push(trimmed);
        }
        if piece.ends_with(is_dash) {
            words.push(DASH);
        } else if piece.ends_with(is_tilde) {
            words.push("~");
        }
    }
    words
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

fn is_tilde(c: char) -> bool {
    matches!(c, '~' | '\u{2dc}' | '\u{223c}' | '\u{301c}' | '\u{ff5e}')
}
