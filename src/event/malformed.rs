//! Why an input is not an event.

use std::fmt;

use super::Format;

/// Why an input is not an event: what is wrong and where. Never quotes values of the input. What it
/// displays may name a field as the sender did, which is for the operator who may read the input as
/// well; log and answer get [`Malformed::discreet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The format it was read as, as far as that was known.
    pub format: Option<Format>,
    /// What is wrong, for a person. May name a field or a key.
    pub reason: String,
    /// The same without a name of the sender's, where there is one in it.
    discreet: Option<String>,
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
        placed(self.at, &self.reason, f)
    }
}

/// See [`Malformed::discreet`].
#[derive(Clone, Copy, Debug)]
pub struct Discreet<'a>(&'a Malformed);

impl fmt::Display for Discreet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Malformed { reason, discreet, at, .. }) = self;
        placed(*at, discreet.as_ref().unwrap_or(reason), f)
    }
}

fn placed(at: Option<Position>, reason: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match at {
        Some(at) => write!(f, "{at}: {reason}"),
        None => f.write_str(reason),
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
        Self { format: None, reason: reason.into(), discreet: None, at: None }
    }

    /// What is wrong and where, without a word of the sender's: what stands where a name should be may
    /// be a customer's data.
    #[must_use]
    pub fn discreet(&self) -> Discreet<'_> {
        Discreet(self)
    }

    /// With what is told instead where the reason has a name of the sender's.
    pub(super) fn or(self, discreet: impl Into<String>) -> Self {
        Self { discreet: Some(discreet.into()), ..self }
    }

    /// With the place: byte `offset` of `text`.
    pub(super) fn at(reason: impl Into<String>, text: &[u8], offset: usize) -> Self {
        Self { at: Some(Position::of(text, offset)), ..Self::new(reason) }
    }

    /// With more to say.
    pub(super) fn adding(self, more: &str) -> Self {
        let discreet = self.discreet.map(|discreet| discreet + more);
        Self { reason: self.reason + more, discreet, ..self }
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
    fn log_and_answer_have_no_name_of_the_senders() {
        for (content_type, body, operator, others) in [
            (
                "application/x-www-form-urlencoded",
                "Jane Doe=1&Jane Doe=2",
                "two different values for `Jane Doe`",
                "two different values for one name, which is no field's",
            ),
            (
                "application/x-www-form-urlencoded",
                "status=A&Status=B",
                "two different values for `status`: `status` and `Status`",
                "two different values for `status`",
            ),
            (
                "application/json",
                r#"{"status":"A","STATUS":"B","Jane\nDoe":"1"}"#,
                "two different values for `status`: `status` and `STATUS`",
                "two different values for `status`",
            ),
            (
                "application/x-www-form-urlencoded",
                "Jane%0ADoe=%ff",
                "the value of `Jane\\u{a}Doe` is not UTF-8",
                "a value is not UTF-8",
            ),
            ("application/json", "{", "line 1, column 1: ", "line 1, column 1: "),
        ] {
            let input = crate::event::Input {
                content_type: Some(content_type.as_bytes()),
                body: body.as_bytes(),
                ..Default::default()
            };
            let rules = crate::event::Rules::of(crate::event::Kind::Action);
            let malformed = crate::event::convert(&input, &rules).expect_err(body);
            let told = malformed.to_string();
            assert!(told.starts_with(operator), "{told}");
            let told = malformed.discreet().to_string();
            assert!(told.starts_with(others) && !told.contains("Doe"), "{told}");
        }
        let twice = Malformed::new("`a` twice").or("twice").adding(", too");
        assert_eq!(
            (twice.to_string(), twice.discreet().to_string()),
            ("`a` twice, too".to_owned(), "twice, too".to_owned())
        );
    }

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
