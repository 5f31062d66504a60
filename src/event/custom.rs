//! `custom`: what the dictionary does not know, under its original names, sorted, in every depth.

use super::Malformed;
use super::check::Scalar;
use super::node::{Member, Node};
use super::path::shown;
use super::warnings::Warnings;

/// Sorts members, makes one of repeated names, and turns what says nothing into null. `path` is
/// where they stand, for `warnings` and for what is wrong.
pub(super) fn settle<'a>(
    mut members: Vec<Member<'a>>,
    path: &str,
    warnings: &mut Warnings,
) -> Result<Vec<Member<'a>>, Malformed> {
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut merged: Vec<Member<'a>> = Vec::with_capacity(members.len());
    for (name, node) in members {
        match merged.last_mut() {
            Some((last, first)) if *last == name => {
                let kept = std::mem::replace(first, Node::Null);
                *first = one_of(kept, node).ok_or_else(|| contradiction(path, &name))?;
            }
            _ => merged.push((name, node)),
        }
    }
    for (name, node) in &mut merged {
        let value = std::mem::replace(node, Node::Null);
        *node = settle_value(value, &|| format!("{path}{}", shown(name)), warnings)?;
    }
    Ok(merged)
}

fn settle_value<'a>(
    node: Node<'a>,
    path: &dyn Fn() -> String,
    warnings: &mut Warnings,
) -> Result<Node<'a>, Malformed> {
    if node.is_empty() {
        return Ok(Node::Null);
    }
    match node {
        Node::Object(members) => {
            let below = format!("{}.", path());
            settle(members, &below, warnings).map(Node::Object)
        }
        Node::List(entries) => {
            let mut settled = Vec::with_capacity(entries.len());
            for (index, entry) in entries.into_iter().enumerate() {
                let path = || format!("{}[{index}]", path());
                settled.push(settle_value(entry, &path, warnings)?);
            }
            Ok(Node::List(settled))
        }
        scalar => match Scalar::of(scalar) {
            Some(Scalar::Text(text)) => Ok(Node::Text(text)),
            Some(Scalar::Macro) => {
                warnings.add(|| never_substituted(&path()));
                Ok(Node::Null)
            }
            _ => Ok(Node::Null),
        },
    }
}

/// One value for two of the same name: what says nothing gives way, and equal ones are one. `None`:
/// they contradict each other, as two different objects do: joined they would be a third.
fn one_of<'a>(left: Node<'a>, right: Node<'a>) -> Option<Node<'a>> {
    if left == right || right.is_empty() {
        return Some(left);
    }
    if left.is_empty() || is_macro(&left) {
        return Some(right);
    }
    is_macro(&right).then_some(left)
}

fn is_macro(node: &Node<'_>) -> bool {
    matches!(node, Node::Text(text) if super::check::is_macro(text))
}

fn contradiction(path: &str, name: &str) -> Malformed {
    Malformed::new(format!("two different values for `{path}{}`", shown(name)))
        .or("two different values for one name, which is no field's")
}

pub(super) fn never_substituted(path: &str) -> String {
    format!("`{path}` holds a macro that was never substituted")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Node<'static> {
        Node::Text(text.into())
    }

    fn settled(members: Vec<Member<'static>>) -> Result<Vec<Member<'static>>, Malformed> {
        settle(members, "", &mut Warnings::default())
    }

    #[test]
    fn names_are_sorted_in_every_depth() {
        let inner = vec![("b".into(), text("1")), ("a".into(), text("2"))];
        let list = Node::List(vec![Node::Object(inner)]);
        let sorted = vec![("a".into(), text("2")), ("b".into(), text("1"))];
        assert_eq!(
            settled(vec![("é".into(), text("")), ("Z".into(), list)]).unwrap(),
            [("Z".into(), Node::List(vec![Node::Object(sorted)])), ("é".into(), Node::Null)]
        );
    }

    #[test]
    fn a_name_without_end_is_not_repeated_in_every_warning() {
        let lost = || Node::List(vec![text("{A}"); 100]);
        let long: Member<'_> = ("x".repeat(100_000).into(), lost());
        let mut warnings = Warnings::default();
        settle(vec![long], "", &mut warnings).unwrap();
        assert_eq!(warnings.count(), 100);
        let warnings = warnings.behind(Vec::new());
        assert!(warnings.iter().all(|warning| warning.len() < 200), "{}", warnings[0]);
    }

    #[test]
    fn equal_values_are_one_and_different_ones_are_refused() {
        let twice = |left, right| settled(vec![("a".into(), left), ("a".into(), right)]);
        assert_eq!(twice(text("1"), text("1")).unwrap(), [("a".into(), text("1"))]);
        assert_eq!(twice(text(""), text("1")).unwrap(), [("a".into(), text("1"))]);
        assert_eq!(twice(text("1"), text("{A}")).unwrap(), [("a".into(), text("1"))]);
        let refused = twice(text("1"), text("2")).unwrap_err();
        assert_eq!(refused.reason, "two different values for `a`");
        assert!(twice(text("1"), Node::List(vec![text("1")])).is_err());
        let object = |name: &'static str| Node::Object(vec![(name.into(), text("1"))]);
        assert!(twice(object("b"), object("b")).is_ok());
        assert!(twice(object("b"), object("c")).is_err());
    }

    #[test]
    fn a_macro_is_null_with_a_warning_in_either_order() {
        for pair in [[text("{A}"), Node::Null], [Node::Null, text("{A}")]] {
            let mut warnings = Warnings::default();
            let members = pair.map(|node| ("a".into(), node)).to_vec();
            let settled = settle(members, "items[0].", &mut warnings).unwrap();
            assert_eq!(settled, [("a".into(), Node::Null)]);
            let warnings = warnings.behind(Vec::new());
            assert_eq!(warnings, ["`items[0].a` holds a macro that was never substituted"]);
        }
    }
}
