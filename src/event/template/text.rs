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
    pub(super) place: Place,
    pub(super) target: Option<Target>,
    /// What its values look like; of a macro that impact.com knows alone.
    pub(super) check: Check,
    pub(super) spelling: Spelling,
}

/// Where a value stands, and so what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Inside the quotes of JSON.
    Quoted,
    /// In JSON, without them.
    Bare,
    /// Between tags.
    Element,
    /// Inside CDATA.
    Section,
    /// Between two of this quote.
    Attribute(char),
    /// In a comment, or in a tag without quotes: no value at all.
    Aside,
    /// Of a form or a query.
    Pair,
}

impl Slot {
    /// Inside the quotes of JSON or the CDATA of XML.
    pub(super) fn is_guarded(&self) -> bool {
        matches!(self.place, Place::Quoted | Place::Section)
    }

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
            place: guard.place,
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

/// Follows the syntax of a template as far as it says where a macro stands.
struct Guard {
    place: Place,
    /// What ends a place that is [`Place::Aside`].
    end: &'static [u8],
}

impl Guard {
    fn new(format: Format) -> Self {
        let place = match format {
            Format::Json => Place::Bare,
            Format::Xml => Place::Element,
            Format::Form | Format::Query => Place::Pair,
        };
        Self { place, end: b"" }
    }

    /// How many bytes of `rest` to go on by.
    fn step(&mut self, rest: &[u8]) -> usize {
        match (self.place, rest) {
            (Place::Quoted, [b'\\', _, ..]) => return 2,
            (Place::Quoted, [b'"', ..]) => self.place = Place::Bare,
            (Place::Bare, [b'"', ..]) => self.place = Place::Quoted,
            (Place::Element, _) if rest.starts_with(b"<![CDATA[") => self.place = Place::Section,
            (Place::Section, _) if rest.starts_with(b"]]>") => self.place = Place::Element,
            (Place::Element, [b'<', ..]) => {
                self.place = Place::Aside;
                self.end = match rest {
                    [_, b'!', b'-', b'-', ..] => b"-->",
                    [_, b'?', ..] => b"?>",
                    _ => b">",
                };
            }
            (Place::Aside, _) if rest.starts_with(self.end) => self.place = Place::Element,
            (Place::Aside, [quote @ (b'"' | b'\''), ..]) if self.end == b">" => {
                self.place = Place::Attribute(char::from(*quote));
            }
            (Place::Attribute(quote), [first, ..]) if char::from(*first) == quote => {
                self.place = Place::Aside;
            }
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
    fn a_macro_stands_where_the_syntax_says() {
        use Place::{Aside, Attribute, Bare, Element, Pair, Quoted, Section};
        let cases: [(&str, &[Place]); _] = [
            (r#"{"é\"":{Payout},"b":"\\{Note}"}"#, &[Bare, Quoted]),
            ("<a><![CDATA[<b c='{Note}]]>{Oid}</a>", &[Section, Element]),
            (
                "<a b='\"{Note}>' c=\"{Oid}\">{AdId}</a>",
                &[Attribute('\''), Attribute('"'), Element],
            ),
            ("<?xml v='1'?><!-- it's > {Note} --><a {Oid}>{AdId}", &[Aside, Aside, Element]),
            ("a='{Note}&b={Oid}", &[Pair, Pair]),
        ];
        for (source, places) in cases {
            let found: Vec<Place> = pieces(source).slots.iter().map(|slot| slot.place).collect();
            assert_eq!(found, places, "{source}");
        }
    }
}
