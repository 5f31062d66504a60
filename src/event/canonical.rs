//! The canonical body: one JSON object whose bytes depend on what was said alone, and not on how
//! (README, "What your system gets").

use std::borrow::Cow;

use super::Kind;
use super::node::{Member, Node};
use super::plain::is_plain;

/// Everything that was said, in canonical order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Known fields that were received; `None` is `null`.
    pub(super) fields: Vec<(Cow<'static, str>, Option<Cow<'a, str>>)>,
    /// The list, as `items`, and its name. Left out where it is empty.
    pub(super) rows: Option<(&'static str, Vec<Record<'a>>)>,
    pub(super) custom: Vec<Member<'a>>,
}

impl Record<'_> {
    /// The value of a field, or of a name in `custom`, where it is a text.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        if let Some((_, value)) = self.fields.iter().find(|(known, _)| known == name) {
            return value.as_deref();
        }
        match self.custom.iter().find(|(known, _)| known == name)? {
            (_, Node::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// About how many bytes it takes to write it: so that writing hardly ever moves them.
    fn size(&self) -> usize {
        let value = |value: &Option<Cow<'_, str>>| value.as_deref().map_or(NULL.len(), text_size);
        let fields = self.fields.iter().map(|(name, text)| name.len() + value(text) + BESIDE);
        let rows = self.rows.iter().flat_map(|(_, rows)| rows).map(|row| row.size() + BESIDE);
        fields.sum::<usize>() + rows.sum::<usize>() + members_size(&self.custom)
    }

    /// Says nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.iter().all(|(_, value)| value.is_none())
            && self.custom.iter().all(|(_, node)| *node == Node::Null)
            && self.rows.as_ref().is_none_or(|(_, rows)| rows.is_empty())
    }
}

/// What stands beside a name and a value: four quotes, a colon, a comma.
const BESIDE: usize = 6;

/// The names `event`, `items`, `custom` and `warnings`, and everything around them.
const FRAME: usize = 96;

const NULL: &str = "null";

fn members_size(members: &[Member<'_>]) -> usize {
    members.iter().map(|(name, node)| text_size(name) + node_size(node) + BESIDE).sum()
}

fn node_size(node: &Node<'_>) -> usize {
    match node {
        Node::Null => NULL.len(),
        Node::Text(text) => text_size(text),
        Node::Object(members) => members_size(members),
        Node::List(entries) => entries.iter().map(|entry| node_size(entry) + BESIDE).sum(),
    }
}

/// A control character takes six bytes. Short texts are not asked: there are too few to matter.
fn text_size(text: &str) -> usize {
    const SHORT: usize = 32;
    if text.len() < SHORT || is_plain(text.as_bytes()) {
        return text.len();
    }
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 2,
        ..b' ' => 6,
        _ => 1,
    });
    bytes.sum()
}

/// The bytes of an event.
pub(super) fn write(kind: Kind, record: &Record<'_>, warnings: &[String]) -> Vec<u8> {
    let told: usize = warnings.iter().map(|warning| text_size(warning) + BESIDE).sum();
    let mut writer = Writer { out: Vec::with_capacity(record.size() + told + FRAME) };
    writer.open(b'{');
    writer.name("event");
    writer.text(kind.as_str());
    writer.record(record);
    if !warnings.is_empty() {
        writer.name("warnings");
        writer.open(b'[');
        for warning in warnings {
            writer.separate();
            writer.text(warning);
        }
        writer.out.push(b']');
    }
    writer.out.push(b'}');
    writer.out
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn record(&mut self, record: &Record<'_>) {
        for (name, value) in &record.fields {
            match name {
                Cow::Borrowed(known) => self.known_name(known),
                Cow::Owned(own) => self.name(own),
            }
            match value {
                Some(text) => self.text(text),
                None => self.null(),
            }
        }
        if let Some((name, rows)) = &record.rows
            && !rows.is_empty()
        {
            self.name(name);
            self.open(b'[');
            for row in rows {
                self.separate();
                self.open(b'{');
                self.record(row);
                self.out.push(b'}');
            }
            self.out.push(b']');
        }
        if !record.custom.is_empty() {
            self.name("custom");
            self.object(&record.custom);
        }
    }

    fn object(&mut self, members: &[Member<'_>]) {
        self.open(b'{');
        for (name, node) in members {
            self.name(name);
            self.node(node);
        }
        self.out.push(b'}');
    }

    fn node(&mut self, node: &Node<'_>) {
        match node {
            Node::Null => self.null(),
            Node::Text(text) => self.text(text),
            Node::Object(members) => self.object(members),
            Node::List(entries) => {
                self.open(b'[');
                for entry in entries {
                    self.separate();
                    self.node(entry);
                }
                self.out.push(b']');
            }
        }
    }

    fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
    }

    fn name(&mut self, name: &str) {
        self.separate();
        self.text(name);
        self.out.push(b':');
    }

    /// A name of the dictionary: none needs escapes.
    fn known_name(&mut self, name: &str) {
        self.separate();
        self.plain(name);
        self.out.push(b':');
    }

    /// A comma, but not before the first.
    fn separate(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[') | None) {
            self.out.push(b',');
        }
    }

    /// What needs no escapes.
    fn plain(&mut self, text: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    fn null(&mut self) {
        self.out.extend_from_slice(NULL.as_bytes());
    }

    /// Escaped as little as JSON allows: `"`, `\` and control characters.
    #[expect(clippy::expect_used, reason = "text into memory has nothing that could fail")]
    fn text(&mut self, text: &str) {
        if is_plain(text.as_bytes()) {
            return self.plain(text);
        }
        serde_json::to_writer(&mut self.out, text).expect("a Vec takes every byte");
    }
}
