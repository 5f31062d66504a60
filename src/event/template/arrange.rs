//! What fits the template, in the form that the dictionary reads. A list has no names for its
//! entries, so each macro in it leaves the list: one of an item as the numbered key it is, with
//! everything beside it (`[{"nr":"{ItemSku1}"}]` is `ItemSku1`), any other under its own name in
//! braces. Repeated XML elements are a list as well. A macro that a space has broken becomes whole.

use std::borrow::Cow;
use std::ops::Not as _;

use super::super::node::{Member, Node, OWN_TEXT};
use super::macros::{self, Target};
use super::shape::{Part, Shape};
use super::text::Slot;

/// Where each macro stands that is all of a value: its dotted path, once the members are arranged
/// and, for what does not fit, as they come. A path that two macros share means neither.
pub(super) fn places(members: &[(String, Shape)], slots: &[Slot]) -> Vec<(String, Target)> {
    let mut leaves = Vec::new();
    collect(members, &Above { path: "", list_in: None }, slots, &mut leaves);
    let target = |slot: Option<usize>| slots.get(slot?)?.target.as_ref();
    let places = leaves.iter().filter_map(|(path, slot)| {
        let meant = target(*slot)?;
        let is_other = |other: &Option<usize>| target(*other) != Some(meant);
        let is_shared = leaves.iter().any(|(other, slot)| other == path && is_other(slot));
        (!is_shared).then(|| (path.clone(), meant.clone()))
    });
    places.collect()
}

/// Whether [`arranged`] has anything to do.
pub(super) fn is_needed(members: &[(String, Shape)], slots: &[Slot]) -> bool {
    let has_list = |(name, shape): &(String, Shape)| {
        is_repeated(members, name)
            || match shape {
                Shape::List(_) => true,
                Shape::Object(members) => is_needed(members, &[]),
                Shape::Value(_) => false,
            }
    };
    slots.iter().any(Slot::is_broken) || members.iter().any(has_list)
}

/// Arranges members that fit the template.
pub(super) fn arranged<'a>(
    wanted: &[(String, Shape)],
    found: Vec<Member<'a>>,
    slots: &[Slot],
) -> Vec<Member<'a>> {
    let mut members = Vec::with_capacity(found.len());
    let mut found = found.into_iter().peekable();
    for (name, shape) in wanted {
        // Blank text beside attributes is not there at all.
        let Some((found, node)) = found.next_if(|(found, _)| found == name) else { continue };
        let rest = match (shape, node) {
            (Shape::List(entries), Node::List(nodes)) => {
                entries_left(entries, nodes, slots, &mut members)
            }
            (shape, node) if is_repeated(wanted, name) => {
                entry_left(shape, node, slots, &mut members)
            }
            (Shape::Object(wanted), Node::Object(found)) => {
                Some(Node::Object(arranged(wanted, found, slots)))
            }
            (shape, node) => Some(whole(shape, node, slots)),
        };
        members.extend(rest.map(|rest| (found, rest)));
    }
    members.extend(found);
    members
}

/// The names above a value.
struct Above<'p> {
    path: &'p str,
    /// The path of the object that holds the outermost list around it.
    list_in: Option<&'p str>,
}

/// The path of every scalar, and the slot that is all of it.
fn collect(
    members: &[(String, Shape)],
    above: &Above<'_>,
    slots: &[Slot],
    leaves: &mut Vec<(String, Option<usize>)>,
) {
    for (name, shape) in members {
        let path = if name == OWN_TEXT { above.path.to_owned() } else { joined(above.path, name) };
        let is_list = matches!(shape, Shape::List(_)) || is_repeated(members, name);
        let list_in = above.list_in.or_else(|| is_list.then_some(above.path));
        collect_one(shape, &Above { path: &path, list_in }, slots, leaves);
    }
}

fn collect_one(
    shape: &Shape,
    above: &Above<'_>,
    slots: &[Slot],
    leaves: &mut Vec<(String, Option<usize>)>,
) {
    match shape {
        Shape::Value(_) => {
            let slot = alone(shape);
            leaves.push((above.path.to_owned(), slot));
            let name = slot.and_then(|slot| own_name(slots.get(slot)?));
            if let (Some(outer), Some(name)) = (above.list_in, name) {
                leaves.push((joined(outer, &name), slot));
            }
        }
        Shape::Object(members) => collect(members, above, slots, leaves),
        Shape::List(entries) => {
            for entry in entries {
                collect_one(entry, above, slots, leaves);
            }
        }
    }
}

fn joined(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

fn is_repeated(members: &[(String, Shape)], name: &str) -> bool {
    members.iter().filter(|(other, _)| other == name).nth(1).is_some()
}

fn entries_left<'a>(
    entries: &[Shape],
    nodes: Vec<Node<'a>>,
    slots: &[Slot],
    lifted: &mut Vec<Member<'a>>,
) -> Option<Node<'a>> {
    let left = entries.iter().zip(nodes);
    let left = left.filter_map(|(shape, node)| entry_left(shape, node, slots, lifted));
    let left: Vec<Node<'a>> = left.collect();
    (entries.is_empty() || !left.is_empty()).then_some(Node::List(left))
}

/// Takes the macros out of an entry; what is left of it.
fn entry_left<'a>(
    shape: &Shape,
    node: Node<'a>,
    slots: &[Slot],
    lifted: &mut Vec<Member<'a>>,
) -> Option<Node<'a>> {
    match (shape, node) {
        (Shape::Object(wanted), Node::Object(found)) => {
            if let Some(number) = wanted.iter().find_map(|(_, shape)| number(shape, slots)) {
                let is_blank =
                    pairs_of(wanted, &found).all(|(shape, node)| says_nothing(shape, node, slots));
                for (name, shape, node) in pairs(wanted, found) {
                    // Constants alone make no item of a blank one.
                    if !is_blank || has_macro(shape) {
                        flatten(&format!("items[{number}][{name}]"), shape, node, slots, lifted);
                    }
                }
                return None;
            }
            let mut left = Vec::with_capacity(found.len());
            for (name, shape, node) in pairs(wanted, found) {
                let rest = entry_left(shape, node, slots, lifted);
                left.extend(rest.map(|rest| (Cow::Owned(name.to_owned()), rest)));
            }
            left.is_empty().not().then_some(Node::Object(left))
        }
        (Shape::List(entries), Node::List(nodes)) => entries_left(entries, nodes, slots, lifted),
        (shape, node) => {
            let node = whole(shape, node, slots);
            match alone(shape).and_then(|slot| own_name(slots.get(slot)?)) {
                Some(name) => {
                    lifted.push((Cow::Owned(name), node));
                    None
                }
                None => Some(node),
            }
        }
    }
}

/// Takes everything out of an item, whatever its name, so that the item stays whole.
fn flatten<'a>(
    name: &str,
    shape: &Shape,
    node: Node<'a>,
    slots: &[Slot],
    lifted: &mut Vec<Member<'a>>,
) {
    match (shape, node) {
        (Shape::Object(wanted), Node::Object(found)) => {
            for (inner, shape, node) in pairs(wanted, found) {
                flatten(&format!("{name}[{inner}]"), shape, node, slots, lifted);
            }
        }
        (Shape::List(entries), Node::List(nodes)) => {
            for (index, (shape, node)) in entries.iter().zip(nodes).enumerate() {
                flatten(&format!("{name}[{index}]"), shape, node, slots, lifted);
            }
        }
        (shape, node) => {
            if let Some(node) = entry_left(shape, node, slots, lifted) {
                lifted.push((Cow::Owned(name.to_owned()), node));
            }
        }
    }
}

/// What the template says beside members.
fn pairs_of<'w, 'f, 'a>(
    wanted: &'w [(String, Shape)],
    found: &'f [Member<'a>],
) -> impl Iterator<Item = (&'w Shape, &'f Node<'a>)> {
    let mut found = found.iter().peekable();
    wanted.iter().filter_map(move |(name, shape)| {
        let (_, node) = found.next_if(|(found, _)| found == name)?;
        Some((shape, node))
    })
}

/// The same, taking the members over.
fn pairs<'w, 'a>(
    wanted: &'w [(String, Shape)],
    found: Vec<Member<'a>>,
) -> impl Iterator<Item = (&'w str, &'w Shape, Node<'a>)> {
    let mut found = found.into_iter().peekable();
    wanted.iter().filter_map(move |(name, shape)| {
        let (_, node) = found.next_if(|(found, _)| found == name)?;
        Some((name.as_str(), shape, node))
    })
}

fn has_macro(shape: &Shape) -> bool {
    match shape {
        Shape::Value(parts) => parts.iter().any(|part| matches!(part, Part::Slot(_))),
        Shape::Object(members) => members.iter().any(|(_, shape)| has_macro(shape)),
        Shape::List(entries) => entries.iter().any(has_macro),
    }
}

/// Whether no macro in `shape` was substituted by anything.
fn says_nothing(shape: &Shape, node: &Node<'_>, slots: &[Slot]) -> bool {
    match (shape, node) {
        (Shape::Object(wanted), Node::Object(found)) => {
            pairs_of(wanted, found).all(|(shape, node)| says_nothing(shape, node, slots))
        }
        (Shape::List(wanted), Node::List(found)) => {
            wanted.iter().zip(found).all(|(shape, node)| says_nothing(shape, node, slots))
        }
        (Shape::Value(parts), Node::Text(text)) => match parts.as_slice() {
            [Part::Slot(slot)] => {
                text.is_empty() || slots.get(*slot).is_some_and(|slot| *text == slot.own)
            }
            _ => !has_macro(shape),
        },
        _ => true,
    }
}

/// The number of the item that a macro in `shape` is of.
fn number<'s>(shape: &Shape, slots: &'s [Slot]) -> Option<&'s str> {
    match shape {
        Shape::Value(_) => match &slots.get(alone(shape)?)?.target {
            Some(Target::Row(name)) => Some(macros::number(name)),
            _ => None,
        },
        Shape::Object(members) => members.iter().find_map(|(_, shape)| number(shape, slots)),
        Shape::List(_) => None,
    }
}

/// The slot that is all of a value.
fn alone(shape: &Shape) -> Option<usize> {
    match shape {
        Shape::Value(parts) => match parts.as_slice() {
            [Part::Slot(slot)] => Some(*slot),
            _ => None,
        },
        Shape::Object(_) | Shape::List(_) => None,
    }
}

/// The name that a macro has outside of its list; `None`: it stays, because it means nothing.
fn own_name(slot: &Slot) -> Option<String> {
    match slot.target.as_ref()? {
        Target::Field(_) => Some(slot.whole()),
        Target::Row(name) => Some(name.clone()),
    }
}

/// A value whose macro was not substituted, as it would look without the space.
fn whole<'a>(shape: &Shape, node: Node<'a>, slots: &[Slot]) -> Node<'a> {
    let slot = alone(shape).and_then(|slot| slots.get(slot)).filter(|slot| slot.is_broken());
    match (slot, node) {
        (Some(slot), Node::Text(text)) if text == slot.own => Node::Text(slot.whole().into()),
        (_, node) => node,
    }
}

#[cfg(test)]
mod tests;
