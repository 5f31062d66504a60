//! What is read as the event: the body, or the query where there is none.

use std::borrow::Cow;

use super::node::{Budget, Member};
use super::{Format, Input, Malformed, detect, form, json, xml};

/// An input in one format. JSON and XML are text before they are parsed; pairs are bytes, and text
/// once each is decoded.
pub(super) enum Source<'a> {
    Json(&'a str),
    Xml(Cow<'a, str>),
    Form(&'a [u8]),
    Query(&'a [u8]),
}

impl<'a> Source<'a> {
    pub(super) fn of(input: &Input<'a>, format: Format) -> Result<Self, Malformed> {
        Ok(match format {
            Format::Json => Self::Json(detect::text(input.body)?),
            Format::Xml => Self::Xml(xml::text(input)?),
            Format::Form => Self::Form(input.body),
            Format::Query => Self::Query(input.query.unwrap_or_default()),
        })
    }

    /// `secret`: the pair that is never part of the event.
    pub(super) fn parse(
        &self,
        secret: Option<&str>,
        budget: &mut Budget,
    ) -> Result<Vec<Member<'a>>, Malformed> {
        match self {
            Self::Json(text) => json::parse(text, budget),
            Self::Xml(Cow::Borrowed(text)) => xml::document(text, budget),
            Self::Xml(Cow::Owned(text)) => {
                let members = xml::document(text, budget)?.into_iter();
                Ok(members
                    .map(|(name, node)| (name.into_owned().into(), node.into_owned()))
                    .collect())
            }
            Self::Form(pairs) | Self::Query(pairs) => form::parse(pairs, secret, budget),
        }
    }

    /// As it came, without a byte-order mark; `None`: pairs that are not UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Json(text) => Some(text),
            Self::Xml(text) => Some(text),
            Self::Form(pairs) | Self::Query(pairs) => detect::text(pairs).ok(),
        }
    }

    /// The same, where it need not be text.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Json(text) => text.as_bytes(),
            Self::Xml(text) => text.as_bytes(),
            Self::Form(pairs) | Self::Query(pairs) => pairs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::super::node::Node;
    use super::*;

    #[test]
    fn a_converted_document_outlives_its_text() {
        let wide: Vec<u8> =
            "<r b='é'><a>漢</a></r>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let source = Source::of(&Input { body: &wide, ..Input::default() }, Format::Xml).unwrap();
        assert_eq!(source.text(), Some("<r b='é'><a>漢</a></r>"));
        let members = source.parse(None, &mut Budget::new(Limits::USUAL)).unwrap();
        drop(source);
        let text = |text: &'static str| Node::Text(Cow::Borrowed(text));
        assert_eq!(members, [("b".into(), text("é")), ("a".into(), text("漢"))]);
    }
}
