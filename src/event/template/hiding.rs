//! Could literal text of the template stand in a value, where parsing gave just what the template
//! makes? A value that opens what only a later value closes takes in all that was between: its own
//! text says nothing of it, and the shape is right.
//!
//! Each way needs something that a value must bring along, so it is counted whether a text holds more
//! of it than the template. What is suspected is not yet wrong: the text itself decides, by whether
//! the values that it can be read into end where their places say ([`holds`]).
//!
//! JSON is safe in nearly every template. A string that runs over the literal text meets the quote
//! before the next key. It ends there, the key stands outside of it, and nothing is left to parse. So
//! every key of the template is seen, and a key that a value brings along is one too many. Not so
//! where no key follows, as in a list, and where a macro without quotes stands for a list: its
//! objects can take in keys.

use super::super::node::Budget;
use super::super::{Format, Limits, json};
use super::text::{Pieces, Place, Slot};

/// What the values of a template would need to hide its text.
#[derive(Clone, Debug)]
pub(super) struct Hiding {
    means: &'static [&'static str],
    /// How often they stand in the template itself.
    own: usize,
}

/// Lists, where a macro stands without quotes.
const LISTS: &[&str] = &["["];
/// And strings, where one can run over literal text.
const STRINGS: &[&str] = &["[", "\"", "\\"];
/// Sections, comments and instructions. No `<` can stand in an attribute, so that literal tags are
/// tags everywhere else.
const MARKUP: &[&str] = &["<!", "<?"];
/// And the quote that ends an attribute. Those in elements as well: a tag may have been ended by a value.
const DOUBLE: &[&str] = &["<!", "<?", "\""];
const SINGLE: &[&str] = &["<!", "<?", "'"];
const EITHER: &[&str] = &["<!", "<?", "\"", "'"];
/// A pair that is empty, or named as the secret, is dropped, and may be part of a value.
const PAIRS: &[&str] = &["&"];

impl Hiding {
    pub(super) fn of(pieces: &Pieces, format: Format) -> Self {
        let is_used = |place| pieces.slots.iter().any(|slot| slot.place == place);
        let means = match format {
            Format::Json if !are_keys_seen(pieces) => STRINGS,
            Format::Json if is_used(Place::Bare) => LISTS,
            Format::Json => &[],
            Format::Xml => match [Place::Attribute('"'), Place::Attribute('\'')].map(is_used) {
                [true, true] => EITHER,
                [true, false] => DOUBLE,
                [false, true] => SINGLE,
                [false, false] => MARKUP,
            },
            Format::Form | Format::Query => PAIRS,
        };
        let own = pieces.literals.iter().map(|literal| count(means, literal.as_bytes())).sum();
        Self { means, own }
    }

    /// `others`: how many of them are neither of the template nor of a value.
    pub(super) fn is_possible(&self, text: &[u8], others: impl FnOnce() -> usize) -> bool {
        let more = count(self.means, text).saturating_sub(self.own);
        more > 0 && more > others()
    }
}

fn count(means: &[&str], text: &[u8]) -> usize {
    means.iter().map(|means| memchr::memmem::find_iter(text, means.as_bytes()).count()).sum()
}

/// Whether behind each macro of a JSON template a string that runs on meets the quote of a key.
fn are_keys_seen(pieces: &Pieces) -> bool {
    let mut behind = pieces.slots.iter().zip(pieces.literals.iter().skip(1)).peekable();
    while let Some((slot, literal)) = behind.next() {
        let is_one_string = slot.place == Place::Quoted && !literal.contains(['"', '\\']);
        if is_one_string && behind.peek().is_some() {
            // Of the next macro of the same string that is asked.
            continue;
        }
        let outside = match slot.place {
            Place::Quoted => literal.strip_prefix('"'),
            _ => Some(literal.as_str()),
        };
        let is_seen = outside.is_some_and(|outside| match outside.split_once('"') {
            Some((_, key)) => {
                key.starts_with(|first: char| first == '_' || first.is_alphanumeric())
            }
            // A string that never ends is no JSON.
            None => behind.peek().is_none(),
        });
        if !is_seen {
            return false;
        }
    }
    true
}

/// Whether a parser finds the end of `value` where it is, in the place of its slot.
pub(super) fn holds(slot: &Slot, value: &str) -> bool {
    match slot.place {
        Place::Quoted => is_alone(&format!("{{\"v\":\"{value}\"}}")),
        Place::Bare => is_alone(&format!("{{\"v\":{value}}}")),
        Place::Element => !value.contains('<'),
        Place::Section => !value.contains("]]>"),
        Place::Attribute(quote) => !value.contains(['<', quote]),
        Place::Pair => !value.contains('&'),
        Place::Aside => false,
    }
}

fn is_alone(json: &str) -> bool {
    let mut budget = Budget::new(Limits { depth: Limits::DEEPEST, fields: usize::MAX });
    json::parse(json, &mut budget).is_ok_and(|members| members.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::super::super::Kind;
    use super::super::text;
    use super::*;

    fn pieces(source: &str) -> (Pieces, Format) {
        let format = text::format(source);
        (text::scan(source, text::sent(source, format), format, Kind::Action), format)
    }

    #[test]
    fn what_a_value_needs_depends_on_where_macros_stand() {
        let cases: [(&str, &[&str]); _] = [
            (r#"{"a":"{Oid}","o":{"b":"{Note}"},"c":"k"}"#, &[]),
            (r#"{"a":"{Oid}","b":{Payout}}"#, LISTS),
            (r#"{"a":["{Oid}","{Note}"]}"#, STRINGS),
            (r#"{"a":["{Oid}","k","{Note}"]}"#, &[]),
            (r#"{"a":[{Payout},{Amount}]}"#, STRINGS),
            (r#"{"a":"{Oid}",", ":"{Note}"}"#, STRINGS),
            (r#"{"a":"{Oid}-{Note}"}"#, &[]),
            (r#"{"a":["{Oid}-{Note}","{Note}"]}"#, STRINGS),
            ("<a><b k='1'>{Oid}</b></a>", MARKUP),
            ("<a><!-- it's --><b>{Oid}</b></a>", MARKUP),
            ("<a b='{Oid}'/>", SINGLE),
            ("<a b=\"{Oid}\"/>", DOUBLE),
            ("<a b='{Oid}' c=\"{Note}\"/>", EITHER),
            ("a={Oid}", PAIRS),
        ];
        for (source, means) in cases {
            let (pieces, format) = pieces(source);
            assert_eq!(Hiding::of(&pieces, format).means, means, "{source}");
        }
    }

    #[test]
    fn as_much_as_in_the_template_hides_nothing() {
        let (pieces, format) = pieces("<a b='{Oid}'><![CDATA[{Note}]]></a>");
        let hiding = Hiding::of(&pieces, format);
        assert!(!hiding.is_possible(b"<a b='1'><![CDATA[&<b>]]></a>", || 0));
        assert!(!hiding.is_possible(b"<a b='1'><![CDATA[\"]]></a>", || 0), "not what ends it");
        for text in ["<a b='1'><![CDATA[']]></a>", "<a b='1'><![CDATA[<?]]></a>"] {
            assert!(hiding.is_possible(text.as_bytes(), || 0), "{text}");
            assert!(!hiding.is_possible(text.as_bytes(), || 1), "{text}");
        }
    }

    #[test]
    fn a_value_is_held_up_to_the_end_of_its_place() {
        let cases: [(&str, &str, &[&str]); _] = [
            (r#"{"a":"{Oid}"}"#, r#"x\"<&'"#, &["\"", "\\", r#"","b":""#]),
            (r#"{"a":{Oid}}"#, r#"[{"b":1}]"#, &["1,\"b\":2", "\"", "1}"]),
            ("<a>{Oid}</a>", "\"'&>]]", &["<!---->"]),
            ("<a><![CDATA[{Oid}]]></a>", "\"'<!--&", &["]]>"]),
            ("<a b='{Oid}'/>", "\"&>", &["'", "<"]),
            ("<a b=\"{Oid}\"/>", "'&>", &["\""]),
            ("<a><!-- {Oid} --></a>", "", &["", "x"]),
            ("a={Oid}", "x=#%", &["&"]),
        ];
        for (source, good, bad) in cases {
            let (pieces, _) = pieces(source);
            let slot = pieces.slots.first().unwrap();
            assert!(holds(slot, good) || slot.place == Place::Aside, "{good} in {source}");
            for bad in bad {
                assert!(!holds(slot, bad), "{bad} in {source}");
            }
        }
    }
}
