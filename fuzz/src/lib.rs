//! What must hold of every conversion, whatever came in: the targets bring the input, and another
//! reader of its format that says what was in it.

pub mod forwarded;
pub mod http1;
mod leaves;

use std::collections::BTreeMap;

use postgate::event::{Format, Input, Kind, Limits, Malformed, Rules, convert};
use serde_json::Value;

pub use leaves::{Leaves, is_macro};

/// A conversion that succeeded.
#[derive(Debug)]
pub struct Body {
    /// The canonical body, as another reader understands it.
    pub value: Value,
    /// What a person should look at.
    pub warnings: Vec<String>,
}

/// The rules of a route that insists on `format`.
#[must_use]
pub fn rules(kind: Kind, format: Format) -> Rules {
    Rules { format: Some(format), ..Rules::of(kind) }
}

/// Converts, and panics where the outcome breaks a promise of the canonical body.
///
/// # Errors
/// What [`convert`] says of the input.
pub fn converted(input: &Input<'_>, rules: &Rules) -> Result<Body, Malformed> {
    let event = convert(input, rules)?;
    let bytes = event.to_canonical();
    let warnings = event.warnings().to_vec();
    let value: Value =
        serde_json::from_str(&plain_names(text(&bytes))).expect("a canonical body is JSON");
    assert_eq!(value.get("event").and_then(Value::as_str), Some(rules.kind.as_str()));
    assert!(is_plain(&value), "something is neither text nor null: {value}");
    let again = again(&bytes, rules);
    assert_eq!(text(&again), text(&bytes), "a canonical body converts to itself");
    Ok(Body { value, warnings })
}

/// The canonical body once more, as a route receives it that has no template.
fn again(bytes: &[u8], rules: &Rules) -> Vec<u8> {
    let rules = Rules {
        format: None,
        template: None,
        secret_parameter: None,
        // `custom` and `event` are one level and two names more than came in.
        limits: Limits { depth: Limits::DEEPEST, fields: usize::MAX },
        ..rules.clone()
    };
    let input = Input { content_type: None, query: None, body: bytes };
    match convert(&input, &rules) {
        Ok(event) => event.to_canonical(),
        Err(malformed) => panic!("{malformed}: {}", text(bytes)),
    }
}

/// A canonical body without the name that means something to `serde_json` itself.
fn plain_names(body: &str) -> String {
    body.replace(r#""$serde_json::private::RawValue":"#, r#""$serde_json:":"#)
}

/// Every scalar is a string or null.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::String(_) => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::Array(entries) => entries.iter().all(is_plain),
        Value::Object(members) => members.values().all(is_plain),
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("a canonical body is UTF-8")
}

impl Body {
    /// Panics unless the body says what the other reader found: no text more, and none less.
    ///
    /// Of a `custom` route, because a dictionary may join what was said twice.
    pub fn says_the_same(&self, said: &Leaves) {
        let mut wanted = BTreeMap::new();
        for text in &said.texts {
            wanted.entry(text.to_ascii_uppercase()).or_insert(text);
        }
        let found = Leaves::of_value(&self.value);
        for text in &found.texts {
            // The words of an enum are upper-cased, so letter case is not compared.
            let is_said = wanted.contains_key(&text.to_ascii_uppercase());
            assert!(is_said || said.is_number(text), "{text:?} was never said: {}", self.value);
        }
        let kept: BTreeMap<String, ()> = found
            .texts
            .iter()
            .chain(&self.warnings)
            .map(|text| (text.to_ascii_uppercase(), ()))
            .collect();
        for (upper, text) in &wanted {
            // Blank `items` are a list without entries.
            let says_nothing = text.trim().is_empty() || is_macro(text) || *text == "custom";
            assert!(says_nothing || kept.contains_key(upper), "{text:?} is lost: {}", self.value);
        }
    }
}
