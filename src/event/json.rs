//! JSON (RFC 8259) → nodes. Numbers keep their text: every value is taken as the piece of input it
//! is, and only looked into where it has to be.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Malformed;
use super::node::{Budget, Member, Node};

/// The members of the one object that `text` is, or that is the only entry of the list it is.
pub(super) fn parse<'a>(text: &'a str, budget: &mut Budget) -> Result<Vec<Member<'a>>, Malformed> {
    let mut reader = Reader { whole: text, budget, failure: None };
    if !text.trim_ascii_start().starts_with(['{', '[']) {
        serde_json::from_str::<&RawValue>(text).map_err(|error| reader.syntax(text, &error))?;
        return Err(Malformed::at("the JSON is not an object", text.as_bytes(), 0));
    }
    match reader.container(text)? {
        Node::Object(members) => Ok(members),
        Node::List(mut entries) if entries.len() < 2 => match entries.pop() {
            Some(Node::Object(members)) => Ok(members),
            _ => Err(Malformed::new("the JSON is not an object")),
        },
        _ => Err(Malformed::new("it holds several events, and a request carries one")),
    }
}

struct Reader<'a, 'b> {
    whole: &'a str,
    budget: &'b mut Budget,
    /// What stopped the visitor, where it was not the syntax: serde's own error cannot carry it.
    failure: Option<Malformed>,
}

impl<'a> Reader<'a, '_> {
    fn value(&mut self, raw: &'a str) -> Result<Node<'a>, Malformed> {
        match raw.as_bytes().first() {
            Some(b'{' | b'[') => self.container(raw),
            Some(b'"') => self.string(raw).map(Node::Text),
            Some(b'n') => Ok(Node::Null),
            _ => Ok(Node::Text(Cow::Borrowed(raw))),
        }
    }

    fn string(&self, raw: &'a str) -> Result<Cow<'a, str>, Malformed> {
        let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Ok(Cow::Borrowed(inner));
        }
        let unescaped: Result<String, _> = serde_json::from_str(raw);
        unescaped.map(Cow::Owned).map_err(|error| self.syntax(raw, &error))
    }

    fn container(&mut self, raw: &'a str) -> Result<Node<'a>, Malformed> {
        self.budget.enter().map_err(|limit| self.place(raw, limit))?;
        let mut deserializer = serde_json::Deserializer::from_str(raw);
        let read = (&mut deserializer)
            .deserialize_any(Container(self))
            .and_then(|node| deserializer.end().map(|()| node));
        match read {
            Ok(node) => {
                self.budget.leave();
                Ok(node)
            }
            Err(error) => Err(match self.failure.take() {
                Some(failure) => failure,
                None => self.syntax(raw, &error),
            }),
        }
    }

    /// Keeps `malformed` for [`Reader::container`] and gives serde an error to stop with.
    fn stop<E: de::Error>(&mut self, malformed: Malformed) -> E {
        self.failure = Some(malformed);
        E::custom("stopped")
    }

    /// What serde says of `raw`, at its place in the whole.
    fn syntax(&self, raw: &'a str, error: &serde_json::Error) -> Malformed {
        let said = error.to_string();
        let tail = format!(" at line {} column {}", error.line(), error.column());
        let reason = said.strip_suffix(&tail).unwrap_or(&said);
        let line_start = match error.line().checked_sub(2) {
            None => 0,
            Some(feeds) => {
                memchr::memchr_iter(b'\n', raw.as_bytes()).nth(feeds).map_or(0, |feed| feed + 1)
            }
        };
        // serde counts the bytes of the line up to and with the one that is wrong.
        let offset = self.offset(raw) + line_start + error.column().saturating_sub(1);
        Malformed::at(format!("not valid JSON: {reason}"), self.whole.as_bytes(), offset)
    }

    fn place(&self, raw: &'a str, malformed: Malformed) -> Malformed {
        Malformed::at(malformed.reason, self.whole.as_bytes(), self.offset(raw))
    }

    /// Where `raw`, a piece of the whole, begins in it.
    fn offset(&self, raw: &str) -> usize {
        let whole = self.whole.as_ptr().addr();
        raw.as_ptr().addr().saturating_sub(whole)
    }
}

/// Reads the members of an object or the entries of a list.
struct Container<'r, 'a, 'b>(&'r mut Reader<'a, 'b>);

impl<'a> Visitor<'a> for Container<'_, 'a, '_> {
    type Value = Node<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Node<'a>, A::Error> {
        let reader = self.0;
        let mut members = Vec::with_capacity(16);
        while let Some(name) = map.next_key_seed(Name)? {
            let raw = map.next_value::<&'a RawValue>()?.get();
            members.push((name, entry(reader, raw)?));
        }
        Ok(Node::Object(members))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Node<'a>, A::Error> {
        let reader = self.0;
        let mut entries = Vec::new();
        while let Some(raw) = list.next_element::<&'a RawValue>()? {
            entries.push(entry(reader, raw.get())?);
        }
        Ok(Node::List(entries))
    }
}

/// One counted value of a container.
fn entry<'a, E: de::Error>(reader: &mut Reader<'a, '_>, raw: &'a str) -> Result<Node<'a>, E> {
    if let Err(limit) = reader.budget.field() {
        let placed = reader.place(raw, limit);
        return Err(reader.stop(placed));
    }
    reader.value(raw).map_err(|malformed| reader.stop(malformed))
}

/// A name, borrowed where it has no escapes. serde's own `Cow` is always owned.
struct Name;

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Cow<'a, str>;

    fn deserialize<D: de::Deserializer<'a>>(
        self,
        deserializer: D,
    ) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: de::Error>(self, name: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Limits;

    fn read(text: &str) -> Result<Vec<Member<'_>>, Malformed> {
        read_within(text, 32, 1000)
    }

    fn read_within(text: &str, depth: usize, fields: usize) -> Result<Vec<Member<'_>>, Malformed> {
        parse(text, &mut Budget::new(Limits { depth, fields }))
    }

    fn place(text: &str) -> (usize, usize) {
        let at = read(text).unwrap_err().at.unwrap();
        (at.line, at.column)
    }

    #[test]
    fn scalars_keep_their_text() {
        let members = read(
            r#" {"a":12345678901234567890,"b":12.50,"c":1E5,"d":true,"e":null,"f":"\u00e9\n"} "#,
        )
        .unwrap();
        let texts: Vec<_> = members.into_iter().map(|(_, node)| node).collect();
        let text = |text: &'static str| Node::Text(Cow::Borrowed(text));
        assert_eq!(
            texts,
            [
                text("12345678901234567890"),
                text("12.50"),
                text("1E5"),
                text("true"),
                Node::Null,
                text("é\n"),
            ]
        );
    }

    #[test]
    fn names_and_plain_strings_are_borrowed() {
        let members = read(r#"{"a":"x"}"#).unwrap();
        assert!(matches!(
            members.as_slice(),
            [(Cow::Borrowed("a"), Node::Text(Cow::Borrowed("x")))]
        ));
    }

    #[test]
    fn a_fault_is_placed_in_the_whole_body() {
        assert_eq!(place("{\"a\":\n  \"é\", \"payout\": ,}"), (2, 18));
        assert_eq!(place(r#"{"a":{"b":[1,"\ud800"]}}"#), (1, 21));
        assert_eq!(place(r#"{"a":1} x"#), (1, 9));
    }

    #[test]
    fn depth_and_fields_are_bounded() {
        assert!(read_within(r#"{"a":{"b":1}}"#, 2, 9).is_ok());
        assert!(read_within(r#"{"a":{"b":{}}}"#, 2, 9).is_err());
        assert!(read_within(r#"{"a":[1,2]}"#, 2, 3).is_ok());
        assert!(read_within(r#"{"a":[1,2,3]}"#, 2, 3).is_err());
    }

    #[test]
    fn nesting_without_end_is_refused_without_recursion() {
        assert!(read(&"[".repeat(1_000_000)).is_err());
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).unwrap_err().reason.contains("32 levels"));
    }

    #[test]
    fn one_event_and_no_more() {
        assert!(read(r#"[{"a":1}]"#).is_ok());
        assert!(read(r#"[{"a":1},{"a":1}]"#).unwrap_err().reason.contains("several"));
        assert!(read("[]").is_err());
        assert!(read("7").unwrap_err().reason.contains("not an object"));
    }
}
