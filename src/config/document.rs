//! TOML text as values, with the place of every key.

use std::collections::BTreeMap;

use figment::value::{Dict, Empty, Num, Tag, Value};
use toml::de::{DeTable, DeValue};

use super::key::Key;

/// A place in a text, counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Something in the text that is not TOML.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) place: Option<Place>,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }
}

/// What a text says, where it says it, and what in it is not TOML.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) values: Dict,
    pub(super) faults: Vec<Fault>,
    places: BTreeMap<Key, Place>,
    text: String,
}

impl Document {
    /// Reads as much as can be read: a slip in one line does not hide the mistakes in the others.
    pub(super) fn parse(text: &str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let document = Self { text: text.to_owned(), ..Self::default() };
        let mut reader = Reader { lines: Lines::new(text), document };
        reader.document.values = reader.dict(table.get_ref(), &Key::default());
        for error in errors {
            let place = error.span().map(|span| reader.lines.place(span.start));
            reader.document.faults.push(Fault { place, message: error.message().to_owned() });
        }
        reader.document
    }

    /// Whether no fault has to do with these sections: their lines alone have none, and say the same.
    pub(super) fn is_sure_of(&self, sections: &[&str]) -> bool {
        if self.faults.is_empty() {
            return true;
        }
        // What stands before the first section may name keys of any.
        let mut wanted = true;
        let lines = self.text.split_inclusive('\n').filter(|line| {
            wanted = header(line).map_or(wanted, |name| sections.contains(&name));
            wanted
        });
        let alone = Self::parse(&lines.collect::<String>());
        let same = |section: &&str| alone.values.get(*section) == self.values.get(*section);
        alone.faults.is_empty() && sections.iter().all(same)
    }

    /// Where the key stands or, when it is not written, the table that would hold it.
    pub(super) fn place(&self, key: &Key) -> Option<Place> {
        let mut key = Some(key.clone());
        while let Some(wanted) = key {
            if let Some(place) = self.places.get(&wanted) {
                return Some(*place);
            }
            key = wanted.parent();
        }
        None
    }

    /// True when the text itself has this key.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }
}

/// The section that begins in this line, or was meant to: one of its brackets may be missing.
fn header(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let inner = line.trim_start_matches('[');
    let is_quote = |c| c == '"' || c == '\'';
    let inner = inner.trim_start().trim_start_matches(is_quote);
    let (name, rest) = inner.split_at(inner.find(|c: char| !is_bare(c)).unwrap_or(inner.len()));
    (line.starts_with('[') || rest.trim_start_matches(is_quote).starts_with(']')).then_some(name)
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

struct Reader<'a> {
    lines: Lines<'a>,
    document: Document,
}

impl Reader<'_> {
    fn dict(&mut self, table: &DeTable<'_>, at: &Key) -> Dict {
        let mut dict = Dict::new();
        for (name, value) in table {
            let key = at.child(name.get_ref());
            self.note(&key, name.span().start);
            let value = self.value(value.get_ref(), &key);
            dict.insert(name.get_ref().to_string(), value);
        }
        dict
    }

    fn value(&mut self, value: &DeValue<'_>, at: &Key) -> Value {
        let tag = Tag::Default;
        match value {
            DeValue::String(text) => Value::String(tag, text.to_string()),
            DeValue::Boolean(truth) => Value::Bool(tag, *truth),
            DeValue::Datetime(moment) => Value::String(tag, moment.to_string()),
            DeValue::Float(number) => {
                number.as_str().parse().map_or(Value::Empty(tag, Empty::None), |number: f64| {
                    Value::Num(tag, Num::F64(number))
                })
            }
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Num(tag, Num::I64(number)),
                    Err(_) => self.too_large(at),
                }
            }
            DeValue::Array(list) => {
                let mut elements = Vec::with_capacity(list.len());
                for (index, element) in list.iter().enumerate() {
                    let key = at.at(index);
                    self.note(&key, element.span().start);
                    elements.push(self.value(element.get_ref(), &key));
                }
                Value::Array(tag, elements)
            }
            DeValue::Table(table) => Value::Dict(tag, self.dict(table, at)),
        }
    }

    fn too_large(&mut self, at: &Key) -> Value {
        self.document.faults.push(Fault {
            place: self.document.place(at),
            message: "the number does not fit into 64 bits".to_owned(),
        });
        Value::Num(Tag::Default, Num::I64(i64::MAX))
    }

    fn note(&mut self, key: &Key, offset: usize) {
        let place = self.lines.place(offset);
        self.document.places.insert(key.clone(), place);
    }
}

/// A text with the start of each of its lines, so that a place costs no walk through all of it.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(offset, _)| offset + 1));
        Self { text, starts: starts.collect() }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied();
        // An offset inside a character cannot happen; the start of the line is a harmless answer.
        let before = self.text.get(start.unwrap_or_default()..offset);
        Place { line, column: before.unwrap_or_default().chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_place_of_every_key() {
        let text = "[listen]\naddress = \"é\"\n\n\
                    [[routes]]\nname = \"a\"\n[routes.secret]\n  value = 1\n";
        let document = Document::parse(text);
        let line = |key: &Key| document.place(key).map(|place| (place.line, place.column));
        assert_eq!(line(&Key::top("listen").child("address")), Some((2, 1)));
        let route = Key::top("routes").at(0);
        assert_eq!(line(&route.child("secret").child("value")), Some((7, 3)));
        assert_eq!(line(&route.child("path")), Some((4, 1)), "its table");
        assert_eq!(line(&Key::top("spool").child("path")), None);
    }

    #[test]
    fn goes_on_after_a_slip() {
        let document = Document::parse("a = \nb = 2\nb = 3\nc = 4\n");
        let lines: Vec<_> = document
            .faults
            .iter()
            .filter_map(|fault| fault.place.map(|place| place.line))
            .collect();
        assert_eq!(lines, [1, 3], "{:?}", document.faults);
        assert!(document.values.contains_key("c"));
    }

    #[test]
    fn a_section_begins_where_it_was_meant_to() {
        for line in
            ["[spool]", "  [ spool ]", "[[spool]]", "[spool.x]", "[\"spool\"]", "[spool", "spool]"]
        {
            assert_eq!(header(line), Some("spool"), "{line}");
        }
        for line in ["path = \"[spool]\"", "# [spool]", "spool.path = 1", "", "\"a\",", "]]"] {
            assert_ne!(header(line), Some("spool"), "{line}");
        }
    }

    #[test]
    fn a_number_beyond_64_bits_is_a_fault() {
        let document = Document::parse("a = 9223372036854775807\n");
        assert!(document.faults.is_empty(), "{:?}", document.faults);
        let document = Document::parse("a = 9223372036854775808\n");
        assert_eq!(document.faults.len(), 1);
    }
}
