//! Tokens → nodes: what XML says of a document as a whole (one root, every element closed) and what
//! a postback is made of: elements and attributes as members, text where there is any.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};

use super::super::Malformed;
use super::super::node::{Budget, Member, Node, OWN_TEXT};
use super::grammar::{self, Attributes, Name};
use super::namespace::{Attribute, Scope};

pub(super) struct Tree<'a, 'b> {
    whole: &'a str,
    budget: &'b mut Budget,
    /// The elements that are not closed yet, outermost first.
    open: Vec<Element<'a>>,
    scope: Scope<'a>,
    /// Those of the tag at hand. Kept for its memory.
    attributes: Vec<Attribute<'a>>,
    root: Option<Node<'a>>,
}

struct Element<'a> {
    name: &'a str,
    members: Vec<Member<'a>>,
    text: Option<Cow<'a, str>>,
    /// What [`Scope::leave`] wants back.
    outside: usize,
}

impl<'a, 'b> Tree<'a, 'b> {
    /// Of a document that is read from here on.
    pub(super) fn new(whole: &'a str, budget: &'b mut Budget) -> Self {
        let scope = Scope::default();
        Self { whole, budget, open: Vec::new(), scope, attributes: Vec::new(), root: None }
    }

    /// One token, and where it stands.
    pub(super) fn grow(
        &mut self,
        event: Event<'a>,
        start: usize,
        end: usize,
    ) -> Result<(), Malformed> {
        match event {
            Event::Start(tag) => self.start(&tag, end.saturating_sub(1)),
            Event::Empty(tag) => {
                self.start(&tag, end.saturating_sub(2))?;
                self.end()
            }
            Event::End(_) => self.end(),
            Event::Text(piece) => {
                grammar::character_data(&piece)?;
                self.text(piece.xml10_content())
            }
            // (27) `Misc`: outside the root there are neither sections nor references.
            Event::CData(_) | Event::GeneralRef(_) if self.open.is_empty() => {
                Err(Malformed::new(OUTSIDE))
            }
            Event::CData(piece) => self.text(piece.xml10_content()),
            Event::GeneralRef(entity) => self.character(grammar::reference(&entity)?),
            // (22) `prolog`: nothing before it.
            Event::Decl(_) if start != 0 => {
                Err(Malformed::new("the XML declaration is not at the beginning"))
            }
            Event::Decl(declaration) => {
                let inside = declaration.strip_prefix("xml").unwrap_or_default();
                grammar::declaration(inside).map(drop)
            }
            Event::DocType(_) => Err(Malformed::new("a DOCTYPE is not accepted")),
            Event::Comment(inside) => grammar::comment(&inside),
            Event::PI(instruction) => grammar::instruction(instruction.target()),
            Event::Eof => Ok(()),
        }
    }

    /// `end`: where the inside of the tag ends in the whole. The event's own text does not live
    /// long enough.
    fn start(&mut self, tag: &BytesStart<'_>, end: usize) -> Result<(), Malformed> {
        if self.open.is_empty() {
            if self.root.is_some() {
                return Err(Malformed::new("there is a second root element"));
            }
        } else {
            self.budget.field()?;
        }
        self.budget.enter()?;
        let inside = self.whole.get(end.saturating_sub(tag.len())..end).unwrap_or_default();
        let length = tag.name().as_ref().len();
        let (name, rest) = inside.split_at_checked(length).unwrap_or_default();
        let name = Name::parse(name)?;
        self.attributes.clear();
        for pair in Attributes::new(rest) {
            self.budget.field()?;
            let (name, value) = pair?;
            let value = grammar::attribute_value(value)?;
            self.attributes.push(Attribute { name: Name::parse(name)?, value });
        }
        let outside = self.scope.enter(name, &self.attributes)?;
        let members = self.attributes.drain(..).filter(|attribute| !is_markup(attribute.name));
        let members = members
            .map(|attribute| (Cow::Borrowed(attribute.name.local), Node::Text(attribute.value)));
        let members = members.collect();
        self.open.push(Element { name: name.local, members, text: None, outside });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Malformed> {
        let Some(element) = self.open.pop() else {
            return Err(Malformed::new("an end tag has no start tag"));
        };
        self.budget.leave();
        let Element { name, mut members, text, outside } = element;
        self.scope.leave(outside);
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
            None => self.root = Some(node),
        }
        Ok(())
    }

    fn text(&mut self, piece: Cow<'a, str>) -> Result<(), Malformed> {
        let Some(element) = self.open.last_mut() else {
            if is_blank(&piece) {
                return Ok(());
            }
            return Err(Malformed::new(OUTSIDE));
        };
        match &mut element.text {
            Some(text) => text.to_mut().push_str(&piece),
            None => element.text = Some(piece),
        }
        Ok(())
    }

    fn character(&mut self, character: char) -> Result<(), Malformed> {
        match self.open.last_mut().and_then(|element| element.text.as_mut()) {
            Some(text) => {
                text.to_mut().push(character);
                Ok(())
            }
            None => self.text(Cow::Owned(character.into())),
        }
    }

    /// The members of the root, at the end of the document.
    pub(super) fn finish(self) -> Result<Vec<Member<'a>>, Malformed> {
        let at_end = |reason| Malformed::at(reason, self.whole.as_bytes(), self.whole.len());
        if !self.open.is_empty() {
            return Err(at_end("not well-formed XML: an element is not closed"));
        }
        // Last, so that what is not XML is called that.
        members_of_root(self.root.ok_or_else(|| at_end("the XML has no root element"))?)
    }
}

const OUTSIDE: &str = "there is text outside the root element";

fn members_of_root(root: Node<'_>) -> Result<Vec<Member<'_>>, Malformed> {
    match root {
        Node::Object(members) => Ok(members),
        Node::Text(text) if !is_blank(&text) => {
            Err(Malformed::new("the root element holds text and no fields"))
        }
        _ => Ok(Vec::new()),
    }
}

/// Namespaces, schemas, languages: attributes that say nothing of the event.
fn is_markup(attribute: Name<'_>) -> bool {
    match attribute.prefix {
        Some(prefix) => matches!(prefix, "xmlns" | "xml" | "xsi"),
        None => attribute.local == "xmlns",
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(grammar::is_space)
}
