//! XML 1.0 → nodes. Elements and attributes are members, the root's name means nothing. Nothing
//! outside the document is ever fetched, and only the entities of XML itself are known.
//!
//! Text is kept as XML means it: spaces and line breaks of a leaf stay, line ends become line feeds
//! (XML 1.0 section 2.11). Blank text beside child elements is layout and is dropped.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::reader::Reader as XmlReader;

use super::Malformed;
use super::node::{Budget, Member, Node, OWN_TEXT};

/// The members of the root element of the document that `text` is.
pub(super) fn parse<'a>(text: &'a str, budget: &mut Budget) -> Result<Vec<Member<'a>>, Malformed> {
    let mut reader = XmlReader::from_str(text);
    let mut tree = Tree { whole: text, budget, open: Vec::new(), root: None };
    loop {
        let start = offset(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                let reason = format!("not well-formed XML: {}", fault(&error));
                let at = offset(reader.error_position());
                return Err(Malformed::at(reason, text.as_bytes(), at));
            }
        };
        let end = offset(reader.buffer_position());
        let step = match event {
            Event::Eof => break,
            Event::Start(tag) => tree.start(&tree.inside(&tag, end, 1)),
            Event::Empty(tag) => tree.start(&tree.inside(&tag, end, 2)).and_then(|()| tree.end()),
            Event::End(_) => tree.end(),
            Event::Text(piece) => tree.text(piece.xml10_content()),
            Event::CData(piece) => tree.text(piece.xml10_content()),
            Event::GeneralRef(entity) => tree.entity(&entity),
            Event::Decl(declaration) => tree.declaration(&declaration, start),
            Event::DocType(_) => Err(Malformed::new("a DOCTYPE is not accepted")),
            Event::Comment(_) | Event::PI(_) => Ok(()),
        };
        step.map_err(|malformed| Malformed::at(malformed.reason, text.as_bytes(), start))?;
    }
    tree.finish()
}

struct Tree<'a, 'b> {
    whole: &'a str,
    budget: &'b mut Budget,
    /// The elements that are not closed yet, outermost first.
    open: Vec<Element<'a>>,
    root: Option<Vec<Member<'a>>>,
}

struct Element<'a> {
    name: &'a str,
    members: Vec<Member<'a>>,
    text: Option<Cow<'a, str>>,
}

/// A start tag without its brackets, borrowed from the input and not from the event.
struct Tag<'a> {
    content: &'a str,
    name_length: usize,
}

impl<'a> Tree<'a, '_> {
    /// What stands in the tag that ends at `end` with `closing` bytes of `>` or `/>`.
    fn inside(&self, tag: &BytesStart<'_>, end: usize, closing: usize) -> Tag<'a> {
        let to = end.saturating_sub(closing);
        Tag {
            content: self.whole.get(to.saturating_sub(tag.len())..to).unwrap_or_default(),
            name_length: tag.name().as_ref().len(),
        }
    }

    fn start(&mut self, tag: &Tag<'a>) -> Result<(), Malformed> {
        if self.open.is_empty() {
            if self.root.is_some() {
                return Err(Malformed::new("there is a second root element"));
            }
        } else {
            self.budget.field()?;
        }
        self.budget.enter()?;
        let name = tag.content.get(..tag.name_length).unwrap_or_default();
        let mut element = Element { name: without_prefix(name), members: Vec::new(), text: None };
        if name.is_empty() {
            return Err(Malformed::new("a tag has no name, or a `<` should be written `&lt;`"));
        }
        self.attributes(tag, &mut element)?;
        self.open.push(element);
        Ok(())
    }

    fn attributes(&mut self, tag: &Tag<'a>, element: &mut Element<'a>) -> Result<(), Malformed> {
        for attribute in Attributes::new(tag.content, tag.name_length) {
            self.budget.field()?;
            let attribute = attribute.map_err(|_| {
                Malformed::new("an attribute is not of the form name=\"value\", or stands twice")
            })?;
            if speaks_of_the_document(attribute.key.0) {
                continue;
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| Malformed::new(fault(&error)))?;
            if !value.chars().all(is_allowed) {
                return Err(Malformed::new(FORBIDDEN_CHARACTER));
            }
            let name = without_prefix(attribute.key.0);
            element.members.push((Cow::Borrowed(name), Node::Text(value)));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Malformed> {
        let Some(element) = self.open.pop() else {
            return Err(Malformed::new("an end tag has no start tag"));
        };
        self.budget.leave();
        let Element { name, mut members, text } = element;
        let node = match text {
            None if members.is_empty() => Node::Null,
            Some(text) if members.is_empty() => Node::Text(text),
            text => {
                if let Some(text) = text.filter(|text| !is_blank(text)) {
                    members.push((Cow::Borrowed(OWN_TEXT), Node::Text(text)));
                }
                Node::Object(members)
            }
        };
        match self.open.last_mut() {
            Some(parent) => parent.members.push((Cow::Borrowed(name), node)),
            None => self.root = Some(members_of_root(node)?),
        }
        Ok(())
    }

    fn text(&mut self, piece: Cow<'a, str>) -> Result<(), Malformed> {
        let Some(element) = self.open.last_mut() else {
            if is_blank(&piece) {
                return Ok(());
            }
            return Err(Malformed::new("there is text outside the root element"));
        };
        match &mut element.text {
            Some(text) => text.to_mut().push_str(&piece),
            None => element.text = Some(piece),
        }
        Ok(())
    }

    fn entity(&mut self, entity: &BytesRef<'a>) -> Result<(), Malformed> {
        if !entity.is_char_ref() {
            return match resolve_predefined_entity(entity) {
                Some(text) => self.text(Cow::Borrowed(text)),
                None => Err(Malformed::new(UNKNOWN_ENTITY)),
            };
        }
        match entity.resolve_char_ref() {
            Ok(Some(character)) if is_allowed(character) => {
                self.text(Cow::Owned(character.to_string()))
            }
            _ => Err(Malformed::new(FORBIDDEN_CHARACTER)),
        }
    }

    /// The text is UTF-8 by now, so another name for the encoding is a lie unless all is ASCII.
    fn declaration(&self, declaration: &BytesDecl<'_>, start: usize) -> Result<(), Malformed> {
        if start != 0 {
            return Err(Malformed::new("the XML declaration is not at the beginning"));
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case("utf8") => Ok(()),
            Some(Ok(_)) if self.whole.is_ascii() => Ok(()),
            Some(_) => Err(Malformed::new("the XML declares another encoding than UTF-8")),
        }
    }

    fn finish(self) -> Result<Vec<Member<'a>>, Malformed> {
        let at_end = |reason| Malformed::at(reason, self.whole.as_bytes(), self.whole.len());
        if !self.open.is_empty() {
            return Err(at_end("not well-formed XML: an element is not closed"));
        }
        self.root.ok_or_else(|| at_end("the XML has no root element"))
    }
}

const UNKNOWN_ENTITY: &str =
    "an entity that XML does not define, or an `&` that should be written `&amp;`";
const FORBIDDEN_CHARACTER: &str = "a reference to a character that XML does not allow";

fn members_of_root(root: Node<'_>) -> Result<Vec<Member<'_>>, Malformed> {
    match root {
        Node::Object(members) => Ok(members),
        Node::Text(text) if !is_blank(&text) => {
            Err(Malformed::new("the root element holds text and no fields"))
        }
        _ => Ok(Vec::new()),
    }
}

fn without_prefix(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// Namespaces, schemas, languages: attributes that say nothing of the event.
fn speaks_of_the_document(attribute: &str) -> bool {
    attribute == "xmlns"
        || attribute
            .split_once(':')
            .is_some_and(|(prefix, _)| matches!(prefix, "xmlns" | "xml" | "xsi"))
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// XML 1.0, production 2 (`Char`).
fn is_allowed(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        other => other >= ' ',
    }
}

/// Ours instead of the reader's words, because those quote the input.
fn fault(error: &Error) -> String {
    match error {
        Error::Syntax(syntax) => syntax.to_string(),
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => {
            "an end tag does not match its start tag".to_owned()
        }
        Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => {
            "an end tag has no start tag".to_owned()
        }
        Error::IllFormed(IllFormedError::UnclosedReference) | Error::Escape(_) => {
            UNKNOWN_ENTITY.to_owned()
        }
        _ => "the markup is broken".to_owned(),
    }
}

/// An offset of the reader, which counts in 64 bits, as one into the text.
fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
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

    fn refused(text: &str) -> String {
        read(text).unwrap_err().reason
    }

    /// The value of the only field.
    fn value(text: &str) -> String {
        match read(text).unwrap().pop() {
            Some((_, Node::Text(text))) => text.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_is_joined_around_entities_and_sections() {
        assert_eq!(value("<r><a>x &amp; <![CDATA[<y>]]>&#xe9;<!-- - -->z</a></r>"), "x & <y>éz");
        assert_eq!(value("<r><a> \n x\r\n</a></r>"), " \n x\n");
        assert_eq!(value("<r><a>&#13;</a></r>"), "\r");
    }

    #[test]
    fn attributes_are_members_and_own_text_is_beside_them() {
        let members = read(
            r#"<n:r xmlns:n="u" n:id="1"><n:p c="U&amp;D" xsi:nil="0">2<b/>
            </n:p></n:r>"#,
        )
        .unwrap();
        let text = |text: &'static str| Node::Text(Cow::Borrowed(text));
        let inner = vec![
            ("c".into(), text("U&D")),
            ("b".into(), Node::Null),
            (OWN_TEXT.into(), text("2\n            ")),
        ];
        assert_eq!(members, [("id".into(), text("1")), ("p".into(), Node::Object(inner))]);
    }

    #[test]
    fn names_and_plain_text_are_borrowed() {
        let members = read("<r b='y'><a>x</a></r>").unwrap();
        for (name, node) in &members {
            assert!(matches!(name, Cow::Borrowed(_)));
            assert!(matches!(node, Node::Text(Cow::Borrowed(_))));
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        assert!(refused("<!DOCTYPE r><r><a/></r>").contains("DOCTYPE"));
        assert!(refused("<r><a>1</b></r>").contains("does not match"));
        assert!(refused("<r><a>1</a>").contains("not closed"));
        assert!(refused("<r><a/></r><r/>").contains("second root"));
        assert!(refused("<r><a/></r>x").contains("outside"));
        assert!(refused("x<r><a/></r>").contains("outside"));
        assert!(refused("<r><a>&foo;</a></r>").contains("entity"));
        assert!(refused("<r><a>A & B</a></r>").contains("entity"));
        assert!(refused("<r><a>&#1;</a></r>").contains("not allow"));
        assert!(refused("<r a='1' a='2'/>").contains("twice"));
        assert!(refused("<r a=1/>").contains("attribute"));
        assert!(refused("<r>5</r>").contains("no fields"));
        assert!(refused("<?xml version='1.0'?>").contains("no root"));
        assert!(refused("<><a/></>").contains("&lt;"));
    }

    #[test]
    fn another_encoding_is_refused_unless_it_makes_no_difference() {
        let declared = "<?xml version='1.0' encoding='ISO-8859-1'?>";
        assert!(read(&format!("{declared}<r><a>e</a></r>")).is_ok());
        assert!(refused(&format!("{declared}<r><a>é</a></r>")).contains("encoding"));
        assert!(read("<?xml version='1.0' encoding='UTF-8'?><r><a>é</a></r>").is_ok());
    }

    #[test]
    fn depth_and_fields_are_bounded() {
        assert!(read_within("<r><a/></r>", 2, 9).is_ok());
        assert!(read_within("<r><a><b/></a></r>", 2, 9).is_err());
        assert!(read_within("<r b=''><a/></r>", 2, 2).is_ok());
        assert!(read_within("<r b=''><a/><a/></r>", 2, 2).is_err());
        assert!(read_within("<r b='' c='' d=''/>", 2, 2).is_err());
    }

    #[test]
    fn a_fault_has_its_place() {
        let at = read("<r>\n <a>é</b></r>").unwrap_err().at.unwrap();
        assert_eq!((at.line, at.column), (2, 6));
    }
}
