//! The published schema and the golden outputs: each is valid, and none is after a change that the
//! canonical body never shows.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::case::Case;

#[test]
fn every_golden_output_is_as_the_schema_says() {
    let schema = published();
    for (name, output) in outputs() {
        if let Err(error) = schema.validate(&output) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn the_schema_refuses_what_is_never_emitted() {
    let schema = published();
    let mut refused = 0;
    for (name, output) in outputs() {
        for (change, changed) in changes(&output) {
            assert!(!schema.is_valid(&changed), "{name}, {change}: {changed}");
            refused += 1;
        }
    }
    assert!(refused > 1000, "only {refused} were made");
}

/// Without warnings there is nothing to warn of.
#[test]
fn the_schema_refuses_a_warning_that_is_missing() {
    let schema = published();
    for value in [
        json!({"event": "action", "payout": "1,000.00"}),
        json!({"event": "clearing", "status": "approved"}),
        json!({"event": "action", "event_date": "2024-09-10"}),
        json!({"event": "action", "items": [{"quantity": "two"}]}),
        json!({"event": "catalog", "currency": "usd"}),
        json!({"event": "inquiry", "comments": [{"date": "yesterday"}]}),
    ] {
        assert!(!schema.is_valid(&value), "{value}");
        let mut warned = value;
        warned["warnings"] = json!(["what it is"]);
        assert!(schema.is_valid(&warned), "{warned}");
    }
}

fn published() -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/event.schema.json");
    let schema = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn outputs() -> Vec<(String, Value)> {
    let accepted = Case::all().into_iter().filter(|case| !case.is_refused());
    let read = |path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    accepted.map(|case| (case.path.display().to_string(), read(case.accepted()))).collect()
}

/// Every scalar replaced by what no scalar is, and the outermost object changed.
fn changes(output: &Value) -> Vec<(String, Value)> {
    let mut changes = Vec::new();
    for place in scalars(output) {
        for wrong in [json!(7), json!(true), json!(""), json!("{SubId4}"), json!({}), json!([])] {
            // A warning is any text.
            if place.starts_with("/warnings/") && wrong.is_string() {
                continue;
            }
            let mut other = output.clone();
            other.pointer_mut(&place).unwrap().clone_from(&wrong);
            changes.push((format!("{place} is {wrong}"), other));
        }
    }
    for (name, value) in [
        ("a name that is not known", json!({"Zebra": {"a": "1"}})),
        ("no list", json!({"items": []})),
        ("no custom", json!({"custom": {}})),
        ("no warning", json!({"warnings": []})),
        ("another event", json!({"event": "sale"})),
    ] {
        let mut other = output.clone();
        other.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        changes.push((name.to_owned(), other));
    }
    let mut nameless = output.clone();
    nameless.as_object_mut().unwrap().remove("event");
    changes.push(("no event".to_owned(), nameless));
    changes
}

/// The places of all scalars (RFC 6901).
fn scalars(value: &Value) -> Vec<String> {
    let below = |name: &str, inner: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        scalars(inner).into_iter().map(|rest| format!("/{name}{rest}")).collect::<Vec<_>>()
    };
    match value {
        Value::Object(members) => {
            members.iter().flat_map(|(name, inner)| below(name, inner)).collect()
        }
        Value::Array(entries) => (0..)
            .zip(entries)
            .flat_map(|(index, inner): (usize, _)| below(&index.to_string(), inner))
            .collect(),
        _ => vec![String::new()],
    }
}
