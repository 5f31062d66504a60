//! A template as a tree: what a parser makes of it once it is filled, with the slots in the leaves.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::super::node::{Budget, Member, Node, OWN_TEXT};
use super::super::{Format, Limits, Malformed, form, json, xml};
use super::text::{Pieces, Slot};

/// Digits of a placeholder: a run that no template holds, then the number of the slot.
const MARK_DIGITS: usize = 8;
const NUMBER_DIGITS: usize = 4;

/// The tree of a filled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A scalar.
    Value(Vec<Part>),
    Object(Vec<(String, Shape)>),
    List(Vec<Shape>),
}

/// A piece of a scalar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Slot(usize),
}

/// The members of what the template makes.
///
/// # Errors
/// What is not valid JSON or XML once it is filled, at its place in the text that is sent.
pub(super) fn members(pieces: &Pieces, format: Format) -> Result<Vec<(String, Shape)>, Malformed> {
    // First with fillings as long as the macros, so that a fault has its place in the template.
    let same_length = |index: usize| {
        pieces.slots.get(index).map_or(String::new(), |slot| "1".repeat(slot.own.len()))
    };
    parse(&filled(pieces, same_length), format)?;
    let mark = mark(pieces);
    let text = filled(pieces, |index| format!("{mark}{index:0NUMBER_DIGITS$}"));
    let members = parse(&text, format)?;
    Ok(members.into_iter().map(|(name, node)| (name.into_owned(), shape(node, &mark))).collect())
}

/// The tree with values in it, and which slots had no place there.
pub(super) fn fill(
    members: &[(String, Shape)],
    values: &[Node<'static>],
) -> (Vec<Member<'static>>, Vec<bool>) {
    let mut used = vec![false; values.len()];
    let filled = members
        .iter()
        .map(|(name, shape)| (Cow::Owned(name.clone()), fill_one(shape, values, &mut used)))
        .collect();
    (filled, used)
}

/// Whether the template can have produced these members.
pub(super) fn fits(wanted: &[(String, Shape)], found: &[Member<'_>], slots: &[Slot]) -> bool {
    let mut rest = found.iter().peekable();
    for (name, shape) in wanted {
        match rest.next_if(|(found, _)| found == name) {
            Some((_, node)) if fits_one(shape, node, slots) => {}
            // Blank text beside attributes is not there at all.
            None if name == OWN_TEXT => {}
            _ => return false,
        }
    }
    rest.next().is_none()
}

/// Whether these members are what the template makes and more, under names of their own: as after
/// a change of the template.
pub(super) fn extends(wanted: &[(String, Shape)], found: &[Member<'_>], slots: &[Slot]) -> bool {
    let mut wanted_next = wanted.iter().peekable();
    for (name, node) in found {
        match wanted_next.next_if(|(wanted, _)| wanted == name) {
            Some((_, shape)) if extends_one(shape, node, slots) => {}
            None if !wanted.iter().any(|(wanted, _)| wanted == name) => {}
            _ => return false,
        }
    }
    wanted_next.next().is_none()
}

/// The texts in the places of slots, where members are what the template makes and more.
pub(super) fn texts<'f>(
    wanted: &[(String, Shape)],
    found: &'f [Member<'_>],
) -> Vec<(usize, &'f str)> {
    let mut texts = Vec::new();
    let mut wanted = wanted.iter().peekable();
    for (name, node) in found {
        if let Some((_, shape)) = wanted.next_if(|(wanted, _)| wanted == name) {
            texts_in(shape, node, &mut texts);
        }
    }
    texts
}

fn texts_in<'f>(shape: &Shape, node: &'f Node<'_>, texts: &mut Vec<(usize, &'f str)>) {
    match (shape, node) {
        (Shape::Object(wanted), Node::Object(found)) => texts.extend(self::texts(wanted, found)),
        (Shape::List(wanted), Node::List(found)) => {
            for (shape, node) in wanted.iter().zip(found) {
                texts_in(shape, node, texts);
            }
        }
        (Shape::Value(parts), Node::Text(text)) => {
            if let [Part::Slot(slot)] = parts.as_slice() {
                texts.push((*slot, text));
            }
        }
        _ => {}
    }
}

fn extends_one(shape: &Shape, node: &Node<'_>, slots: &[Slot]) -> bool {
    match (shape, node) {
        (Shape::Object(wanted), Node::Object(found)) => extends(wanted, found, slots),
        _ => fits_one(shape, node, slots),
    }
}

fn fits_one(shape: &Shape, node: &Node<'_>, slots: &[Slot]) -> bool {
    match (shape, node) {
        (Shape::Object(wanted), Node::Object(found)) => fits(wanted, found, slots),
        (Shape::List(wanted), Node::List(found)) => {
            wanted.len() == found.len()
                && wanted.iter().zip(found).all(|(shape, node)| fits_one(shape, node, slots))
        }
        (Shape::Value(parts), node) => match parts.as_slice() {
            [Part::Slot(slot)] => {
                // Without quotes, a macro can stand for a whole list of items.
                let is_open = slots.get(*slot).is_some_and(|slot| !slot.is_guarded());
                node.is_scalar() || (is_open && matches!(node, Node::List(_)))
            }
            [] => node.is_empty(),
            [Part::Text(text)] => matches!(node, Node::Text(found) if found == text),
            parts => match node {
                Node::Text(found) => holds(parts, found),
                // An element of blank macros.
                Node::Null => holds(parts, ""),
                Node::Object(_) | Node::List(_) => false,
            },
        },
        _ => false,
    }
}

/// Whether a value has the literal texts around its macros, in their order.
fn holds(parts: &[Part], value: &str) -> bool {
    let mut rest = Some(value);
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.iter().enumerate() {
        let Part::Text(literal) = part else { continue };
        rest = rest.and_then(|rest| match index {
            0 => rest.strip_prefix(literal.as_str()),
            _ if index == last => rest.strip_suffix(literal.as_str()),
            _ => rest.split_once(literal.as_str()).map(|(_, rest)| rest),
        });
    }
    rest.is_some()
}

/// Whether a value begins as the template makes it, and lacks literal text that follows.
pub(super) fn is_cut(shape: &Shape, node: &Node<'_>) -> bool {
    let (Shape::Value(parts), Node::Text(value)) = (shape, node) else { return false };
    let begins = match parts.as_slice() {
        [Part::Text(literal), _, ..] => value.starts_with(literal.as_str()),
        [Part::Slot(_), _, ..] => true,
        _ => false,
    };
    begins && !holds(parts, value)
}

fn fill_one(shape: &Shape, values: &[Node<'static>], used: &mut [bool]) -> Node<'static> {
    match shape {
        Shape::Object(members) => Node::Object(
            members
                .iter()
                .map(|(name, shape)| (Cow::Owned(name.clone()), fill_one(shape, values, used)))
                .collect(),
        ),
        Shape::List(entries) => {
            Node::List(entries.iter().map(|shape| fill_one(shape, values, used)).collect())
        }
        Shape::Value(parts) => {
            for part in parts {
                if let Part::Slot(slot) = part
                    && let Some(used) = used.get_mut(*slot)
                {
                    *used = true;
                }
            }
            match parts.as_slice() {
                [Part::Slot(slot)] => values.get(*slot).cloned().unwrap_or(Node::Null),
                parts => Node::Text(Cow::Owned(joined(parts, values))),
            }
        }
    }
}

fn joined(parts: &[Part], values: &[Node<'static>]) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Slot(slot) => {
                if let Some(Node::Text(value)) = values.get(*slot) {
                    text.push_str(value);
                }
            }
        }
    }
    text
}

fn filled(pieces: &Pieces, filling: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for (index, literal) in pieces.literals.iter().enumerate() {
        text.push_str(literal);
        if index < pieces.slots.len() {
            text.push_str(&filling(index));
        }
    }
    text
}

/// A run of digits that the template does not hold. It is a number, so that it can stand without
/// quotes.
fn mark(pieces: &Pieces) -> String {
    let mut number = 73_190_000_u32;
    loop {
        let mut mark = String::new();
        // Writing to a text cannot fail, and a shorter mark would do no harm.
        let is_written = write!(mark, "{number:0MARK_DIGITS$}").is_ok();
        if is_written && !pieces.literals.iter().any(|literal| literal.contains(&mark)) {
            return mark;
        }
        number += 1;
    }
}

fn parse(text: &str, format: Format) -> Result<Vec<Member<'_>>, Malformed> {
    let mut budget = Budget::new(Limits { depth: Limits::DEEPEST, fields: usize::MAX });
    match format {
        Format::Json => json::parse(text, &mut budget),
        Format::Xml => xml::document(text, &mut budget),
        Format::Form | Format::Query => form::parse(text.as_bytes(), None, &mut budget),
    }
}

fn shape(node: Node<'_>, mark: &str) -> Shape {
    match node {
        Node::Null => Shape::Value(Vec::new()),
        Node::Text(text) => Shape::Value(parts(&text, mark)),
        Node::Object(members) => Shape::Object(
            members
                .into_iter()
                .map(|(name, node)| (name.into_owned(), shape(node, mark)))
                .collect(),
        ),
        Node::List(entries) => {
            Shape::List(entries.into_iter().map(|node| shape(node, mark)).collect())
        }
    }
}

fn parts(text: &str, mark: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mark) {
        let Some((number, behind)) = after.split_at_checked(NUMBER_DIGITS) else {
            break;
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.extend(number.parse().ok().map(Part::Slot));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    parts
}

#[cfg(test)]
mod tests;
