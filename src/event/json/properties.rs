//! `serde_json` as the second reader: it takes what we take, and reads the same out of it.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::event::Limits;

/// A piece of JSON, or of what is nearly JSON, as a regular expression.
const PIECE: &str = concat!(
    "[{}\\[\\],: \n\t\"\\\\+\\-.01eE/']|\\\\[n\"x]|\\\\u00e9|\\\\ud83c\\\\udf89|\\\\ud800",
    "|\u{1}|\u{7f}|é|🎉|null|true|false|nul|\"b\":|\\]\\}"
);

proptest! {
    #[test]
    fn both_take_the_same_and_read_the_same(
        value in value(), place in any::<prop::sample::Index>(), piece in PIECE, gone in 0..3usize,
    ) {
        let mut text: Vec<char> = serde_json::json!({ "a": value }).to_string().chars().collect();
        let from = place.index(text.len());
        let to = text.len().min(from + gone);
        text.splice(from..to, piece.chars());
        agree(&text.into_iter().collect::<String>())?;
    }

    #[test]
    fn both_read_the_same_out_of_what_one_of_them_wrote(value in value()) {
        let object = serde_json::json!({ "a": value });
        for text in [object.to_string(), format!("{object:#}")] {
            prop_assert!(read(&text).is_ok(), "{text}");
            agree(&text)?;
        }
    }
}

fn agree(text: &str) -> Result<(), TestCaseError> {
    let (ours, theirs) = (read(text), serde_json::from_str::<Value>(text));
    match (ours, theirs) {
        (Ok(node), Ok(value)) => {
            prop_assert!(is_same(&node, &value), "{text}: {node:?} {value:?}");
        }
        (Err(_), Err(_)) => {}
        // We keep the text of a number, and it may be any.
        (Ok(_), Err(error)) if error.to_string().starts_with("number out of range") => {}
        (ours, theirs) => prop_assert!(false, "{text}: {ours:?} {theirs:?}"),
    }
    Ok(())
}

fn read(text: &str) -> Result<Node<'_>, Malformed> {
    let mut budget = Budget::new(Limits { depth: 100, fields: 1000 });
    Reader { text, at: 0, budget: &mut budget }.document()
}

fn is_same(node: &Node<'_>, value: &Value) -> bool {
    match (node, value) {
        (Node::Null, Value::Null) => true,
        (Node::Text(text), Value::String(string)) => text == string,
        (Node::Text(text), Value::Bool(is_true)) => *text == is_true.to_string(),
        (Node::Text(text), Value::Number(_)) => {
            serde_json::from_str::<Value>(text).is_ok_and(|number| number == *value)
        }
        (Node::List(entries), Value::Array(values)) => {
            entries.len() == values.len()
                && entries.iter().zip(values).all(|(entry, value)| is_same(entry, value))
        }
        (Node::Object(members), Value::Object(map)) => {
            let last = |name: &String| members.iter().rev().find(|(known, _)| known == name);
            let are_same = |(name, value)| last(name).is_some_and(|(_, node)| is_same(node, value));
            members.iter().all(|(name, _)| map.contains_key(&**name)) && map.iter().all(are_same)
        }
        _ => false,
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\u{0}-\u{7f}é🎉]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
        let map = proptest::collection::hash_map("[a-c\"\\\\é]{0,3}", inner, 0..4);
        prop_oneof![list, map.prop_map(|map| Value::Object(map.into_iter().collect()))]
    })
}
