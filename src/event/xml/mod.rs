//! XML 1.0 → nodes. Elements and attributes are members, the root's name means nothing. Nothing
//! outside the document is ever fetched, and only the entities of XML itself are known.
//!
//! ```text
//! bytes ──encoding──▶ text ──quick-xml──▶ tokens ──grammar, namespace──▶ nodes
//! ```
//! Text is kept as XML means it: spaces and line breaks of a leaf stay, line ends become line feeds
//! (XML 1.0 section 2.11). Blank text beside child elements is layout and is dropped.

mod encoding;
mod grammar;
mod namespace;
mod tree;

use std::borrow::Cow;

use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::Event;
use quick_xml::reader::Reader as XmlReader;

use super::node::{Budget, Member};
use super::{Input, Malformed};
use tree::Tree;

/// The document that the body is, whatever its encoding.
pub(super) fn text<'a>(input: &Input<'a>) -> Result<Cow<'a, str>, Malformed> {
    encoding::text(input.body, input.content_type)
}

/// The members of the root element.
pub(super) fn document<'a>(
    text: &'a str,
    budget: &mut Budget,
) -> Result<Vec<Member<'a>>, Malformed> {
    let placed = |malformed: Malformed, at| Malformed::at(malformed.reason, text.as_bytes(), at);
    if let Some(at) = grammar::forbidden(text) {
        return Err(placed(Malformed::new("a character that XML does not allow"), at));
    }
    // The tokenizer would drop it, and count from behind it.
    if text.starts_with('\u{FEFF}') {
        return Err(placed(Malformed::new("there is a second byte-order mark"), 0));
    }
    let mut reader = XmlReader::from_str(text);
    let mut tree = Tree::new(text, budget);
    loop {
        let start = offset(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                let reason = format!("not well-formed XML: {}", fault(&error));
                return Err(placed(Malformed::new(reason), offset(reader.error_position())));
            }
        };
        if matches!(event, Event::Eof) {
            return tree.finish();
        }
        let end = offset(reader.buffer_position());
        tree.grow(event, start, end).map_err(|malformed| placed(malformed, start))?;
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
        Error::IllFormed(IllFormedError::UnclosedReference) => grammar::UNKNOWN_ENTITY.to_owned(),
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
    use crate::event::node::{Node, OWN_TEXT};

    fn read(text: &str) -> Result<Vec<Member<'_>>, Malformed> {
        read_within(text, 32, 1000)
    }

    fn read_within(text: &str, depth: usize, fields: usize) -> Result<Vec<Member<'_>>, Malformed> {
        document(text, &mut Budget::new(Limits { depth, fields }))
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
            r#"<n:r xmlns:n="u" n:id="1"><n:p c="U&amp;D" xml:lang="en">2<b/>
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
    fn what_readers_disagree_about_is_refused() {
        for wrong in [
            "<r><a>\u{1}</a></r>",
            "<r><a>]]></a></r>",
            "<r><!-- -- --><a/></r>",
            "<r><!--- ---><a/></r>",
            "<!--><r><a/></r>",
            "<!---><r><a/></r>",
            "<r><?XML x?><a/></r>",
            "<r><??><a/></r>",
            "<r><?a+b?><a/></r>",
            "<r><?a:b?><a/></r>",
            "<r><? a?><a/></r>",
            " <?xml version='1.0'?><r><a/></r>",
            "<?xml?><r><a/></r>",
            "<?xml version='1.0' ?><?xml version='1.0' ?><r><a/></r>",
            "\u{feff}<r><a/></r>",
            "<![CDATA[ ]]><r><a/></r>",
            "<r><a/></r>&#32;",
            "<r><a>&#X41;</a></r>",
            "<r><a/ ></r>",
            "<r><a b='1'c='2'/></r>",
            "<r><a b='<'/></r>",
            "<r><1/></r>",
            "<r><a b=''></a b=''></r>",
            "<r>< a/></r>",
            "<r><a></ a></r>",
            "<r><:a/></r>",
            "<r><p:a/></r>",
            "<r><a p:b=''/></r>",
            "<!doctype r><r><a/></r>",
            "<r><!ELEMENT a><a/></r>",
            "<r><![cdata[]]><a/></r>",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
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
