//! The texts that an input holds, by readers that are not ours.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Every text of an input, in any order.
#[derive(Debug, Default)]
pub struct Leaves {
    pub texts: Vec<String>,
    /// JSON's numbers and words: their text is not known here, only where it stood.
    pub bare: String,
}

impl Leaves {
    /// Those of a JSON text, repeated names included.
    ///
    /// # Errors
    /// What serde says of it.
    pub fn of_json(text: &str) -> serde_json::Result<Self> {
        let Texts(texts) = serde_json::from_str(text)?;
        Ok(Self { texts, bare: text.to_owned() })
    }

    /// Those of a canonical body but its own words.
    #[must_use]
    pub fn of_value(body: &Value) -> Self {
        let mut leaves = Self::default();
        for (name, value) in body.as_object().into_iter().flatten() {
            if name != "event" && name != "warnings" {
                leaves.take(value);
            }
        }
        leaves
    }

    /// Those of `name=value` pairs, as browsers read them.
    #[must_use]
    pub fn of_pairs(pairs: &[u8]) -> Self {
        let values = form_urlencoded::parse(pairs).map(|(_, value)| value.into_owned());
        Self { texts: values.collect(), bare: String::new() }
    }

    /// Those of an XML document without a DOCTYPE.
    ///
    /// # Errors
    /// What roxmltree says of it.
    pub fn of_xml(text: &str) -> Result<Self, roxmltree::Error> {
        let document = roxmltree::Document::parse(text)?;
        let mut leaves = Self::default();
        for element in document.descendants().filter(roxmltree::Node::is_element) {
            // What is markup and no field is known by its prefix.
            let attributes = element.attributes().filter(|one| {
                let name = text.get(one.range_qname()).unwrap_or_default();
                !name.starts_with("xml:") && !name.starts_with("xsi:")
            });
            leaves.texts.extend(attributes.map(|one| one.value().to_owned()));
            let pieces = element.children().filter(roxmltree::Node::is_text);
            let joined: String = pieces.filter_map(|piece| piece.text()).collect();
            let is_layout = joined.bytes().all(|byte| byte.is_ascii_whitespace());
            if !(is_layout && element.children().any(|child| child.is_element())) {
                leaves.texts.push(joined);
            }
        }
        Ok(leaves)
    }

    /// Whether `text` stands in JSON as a number or a word.
    #[must_use]
    pub fn is_number(&self, text: &str) -> bool {
        let is_word = matches!(text, "true" | "false" | "TRUE" | "FALSE");
        (is_word || text.parse::<f64>().is_ok())
            && self.bare.to_ascii_uppercase().contains(&text.to_ascii_uppercase())
    }

    fn take(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.texts.push(text.clone()),
            Value::Array(entries) => entries.iter().for_each(|entry| self.take(entry)),
            Value::Object(members) => members.values().for_each(|member| self.take(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The whole text is a macro that was never substituted, such as `{SubId4}`.
#[must_use]
pub fn is_macro(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|name| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
    })
}

/// Every string of a JSON text. A `Value` would keep the last of repeated names alone.
struct Texts(Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![text.to_owned()]))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Texts, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Texts, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Texts, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Texts, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_unit<E>(self) -> Result<Texts, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(Texts(more)) = list.next_element()? {
            texts.extend(more);
        }
        Ok(Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some((_, Texts(more))) = map.next_entry::<String, Texts>()? {
            texts.extend(more);
        }
        Ok(Texts(texts))
    }
}
