//! A template as text: what stands there, and the macros between.

use std::ops::Range;

use super::super::check::Check;
use super::super::{Format, Kind};
use super::macros::{self, Spelling, Target};

/// The longest `{…}` that can be a macro, in bytes. No field's name is half as long.
const MOST_MACRO_BYTES: usize = 80;

/// A macro at its place in the template.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// As it stands there, with braces: what arrives where it was not substituted.
    pub(super) own: String,
    /// Without braces and spaces.
    pub(super) name: String,
    /// The byte of its brace in the whole text.
    pub(super) offset: usize,
    /// Inside the quotes of JSON or the CDATA of XML.
    pub(super) is_guarded: bool,
    pub(super) target: Option<Target>,
    /// What its values look like; of a macro that impact.com knows alone.
    pub(super) check: Check,
    pub(super) spelling: Spelling,
}

impl Slot {
    /// The name is broken by a space, so that impact.com does not see a macro.
    pub(super) fn is_broken(&self) -> bool {
        self.own.contains(is_space)
    }

    /// The macro as it was meant.
    pub(super) fn whole(&self) -> String {
        format!("{{{}}}", self.name)
    }
}

/// The literal texts of a template; one more than there are slots, which stand between them.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) literals: Vec<String>,
    pub(super) slots: Vec<Slot>,
}

/// The part of `source` that is sent: of a URL what follows the `?`, without space around.
pub(super) fn sent(source: &str, format: Format) -> Range<usize> {
    let query = match format {
        Format::Form | Format::Query => after_address(source),
        Format::Json | Format::Xml => 0,
    };
    let rest = source.get(query..).unwrap_or_default();
    let start = query + (rest.len() - rest.trim_ascii_start().len());
    start..start + rest.trim_ascii().len()
}

/// The format that a template looks like.
pub(super) fn format(source: &str) -> Format {
    let text = source.trim_ascii_start();
    match text.as_bytes().first() {
        Some(b'{') if macro_at(text).is_some() => Format::Query,
        Some(b'{' | b'[' | b'"') => Format::Json,
        Some(b'<') => Format::Xml,
        _ => Format::Query,
    }
}

pub(super) fn scan(source: &str, range: Range<usize>, format: Format, kind: Kind) -> Pieces {
    let mut pieces = Pieces { literals: Vec::new(), slots: Vec::new() };
    let mut guard = Guard::new(format);
    let (mut from, mut at) = (range.start, range.start);
    while at < range.end {
        let rest = source.get(at..range.end).unwrap_or_default();
        let Some(own) = macro_at(rest) else {
            at += guard.step(rest.as_bytes());
            continue;
        };
        let is_of_name = |one: &char| !matches!(one, '{' | '}') && !is_space(*one);
        let name: String = own.chars().filter(is_of_name).collect();
        let (target, check, spelling) = macros::find(kind, &name);
        pieces.literals.push(source.get(from..at).unwrap_or_default().to_owned());
        pieces.slots.push(Slot {
            own: own.to_owned(),
            name,
            offset: at,
            is_guarded: guard.is_closed,
            target,
            check,
            spelling,
        });
        at += own.len();
        from = at;
    }
    pieces.literals.push(source.get(from..range.end).unwrap_or_default().to_owned());
    pieces
}

/// The first byte of the query of a URL or of a path; 0 for a query that stands alone.
fn after_address(source: &str) -> usize {
    let question = source.find('?');
    let is_address = |end: usize| {
        let before = source.get(..end).unwrap_or_default().trim_ascii_start();
        before.starts_with('/') || before.contains("://")
    };
    question.filter(|&end| is_address(end)).map_or(0, |end| end + 1)
}

/// The macro that `text` begins with: a name in braces, perhaps broken by spaces.
fn macro_at(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'{') {
        return None;
    }
    let end = bytes.iter().take(MOST_MACRO_BYTES).position(|&byte| byte == b'}')?;
    let name = text.get(1..end)?;
    let is_name = name.trim_ascii().starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_' || is_space(one));
    is_name.then(|| text.get(..=end))?
}

/// What an editor or a page breaks a line by.
fn is_space(one: char) -> bool {
    matches!(one, ' ' | '\t' | '\r' | '\n')
}

/// Whether a place is inside the quotes of JSON or the CDATA of XML.
struct Guard {
    format: Format,
    is_closed: bool,
}

impl Guard {
    fn new(format: Format) -> Self {
        Self { format, is_closed: false }
    }

    /// How many bytes of `rest` to go on by.
    fn step(&mut self, rest: &[u8]) -> usize {
        match (self.format, rest) {
            (Format::Json, [b'\\', _, ..]) if self.is_closed => return 2,
            (Format::Json, [b'"', ..]) => self.is_closed = !self.is_closed,
            (Format::Xml, _) if rest.starts_with(b"<![CDATA[") => self.is_closed = true,
            (Format::Xml, _) if rest.starts_with(b"]]>") => self.is_closed = false,
            _ => {}
        }
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(source: &str) -> Pieces {
        let format = format(source);
        scan(source, sent(source, format), format, Kind::Action)
    }

    fn names(source: &str) -> Vec<String> {
        pieces(source).slots.into_iter().map(|slot| slot.name).collect()
    }

    #[test]
    fn macros_are_told_from_braces() {
        assert_eq!(names(r#"{"a":{"b":"{Payout}"},"c":{}}"#), ["Payout"]);
        assert_eq!(names("a={Sub Id1}&b={é}&c={1}&d={ Oid }&e={"), ["SubId1", "Oid"]);
        let long = "x".repeat(MOST_MACRO_BYTES - 2);
        assert_eq!(names(&format!("a={{{long}}}")).len(), 1);
        assert_eq!(names(&format!("a={{{long}x}}")).len(), 0);
    }

    #[test]
    fn of_a_url_the_query_is_sent() {
        for source in ["https://h/{AdId}?a={Oid}", " /p?a={Oid}\n", "a={Oid}"] {
            let pieces = pieces(source);
            assert_eq!(pieces.literals, ["a=", ""], "{source}");
        }
        assert_eq!(pieces("url=x?a={Oid}").literals, ["url=x?a=", ""]);
    }

    #[test]
    fn the_guard_is_the_quotes_or_the_cdata() {
        let guarded = |source: &str| -> Vec<bool> {
            pieces(source).slots.iter().map(|slot| slot.is_guarded).collect()
        };
        assert_eq!(guarded(r#"{"é\"":{Payout},"b":"\\{Note}"}"#), [false, true]);
        assert_eq!(guarded("<a><![CDATA[{Note}]]>{Oid}</a>"), [true, false]);
    }
}
