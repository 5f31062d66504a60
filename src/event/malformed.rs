//! Why an input is not an event.

use std::fmt;

use super::Format;

/// Why an input is not an event: what is wrong and where. Never quotes values of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The format it was read as, as far as that was known.
    pub format: Option<Format>,
    /// What is wrong, for a person. May name a field or a key.
    pub reason: String,
    /// Line and column (from 1, in characters), where the format has them.
    pub at: Option<Position>,
}

/// A place in the input, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line: line feeds before the place, plus one.
    pub line: usize,
    /// The character in the line. A byte-order mark is not counted.
    pub column: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{at}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl Malformed {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { format: None, reason: reason.into(), at: None }
    }

    /// With the place: byte `offset` of `text`.
    pub(super) fn at(reason: impl Into<String>, text: &[u8], offset: usize) -> Self {
        Self { at: Some(Position::of(text, offset)), ..Self::new(reason) }
    }

    /// With more to say.
    pub(super) fn adding(self, more: &str) -> Self {
        Self { reason: self.reason + more, ..self }
    }

    pub(super) fn read_as(self, format: Format) -> Self {
        Self { format: Some(format), ..self }
    }
}

impl Position {
    /// The place of byte `offset`; the end, where `text` is shorter. Need not be valid UTF-8.
    fn of(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |feed| feed + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        // A character is counted at its first byte.
        let characters = in_line.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
        Self { line: memchr::memchr_iter(b'\n', before).count() + 1, column: characters + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let text = "aé\nüx".as_bytes();
        let place = |offset| {
            let at = Position::of(text, offset);
            (at.line, at.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(3), (1, 3));
        assert_eq!(place(4), (2, 1));
        assert_eq!(place(6), (2, 2));
        assert_eq!(place(99), (2, 3));
    }
}
