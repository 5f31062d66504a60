//! `docs/event.schema.json`: JSON Schema 2020-12 of the canonical body.
//!
//! It is as tight as a schema can be: no name but the known ones, no scalar but text and null, no
//! empty text, list or object. Where there are no warnings, every value fits its type.

use serde_json::{Map, Value, json};

use super::super::Kind;
use super::super::check::Check;
use super::super::dictionary::{self, Table};
use super::super::rows::{ITEMS, Spec};
use super::super::warnings::MOST;

#[test]
fn the_published_schema_is_that_of_the_dictionary() {
    super::hold("event.schema.json", &(serde_json::to_string_pretty(&schema()).unwrap() + "\n"));
}

const DECIMAL: &str = "^-?[0-9]+(\\.[0-9]+)?$";
const CURRENCY: &str = "^[A-Z]{3}$";
const DAY: &str = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
const CLOCK: &str = "([01][0-9]|2[0-3]):[0-5][0-9](:([0-5][0-9]|60)(\\.[0-9]+)?)?";
const OFFSET: &str = "(Z|[+-]([01][0-9]|2[0-3])(:[0-5][0-9])?)";

fn schema() -> Value {
    let mut definitions = Map::new();
    let mut kinds = Vec::new();
    for (names, table) in super::tables() {
        let name = names.first().unwrap().as_str();
        definitions.insert(name.to_owned(), event(&names, table));
        kinds.push(reference(name));
    }
    for spec in super::tables().iter().filter_map(|(_, table)| table.rows) {
        definitions.insert(spec.name.to_owned(), rows(spec, Fit::AsReceived));
    }
    definitions.insert(Kind::Custom.as_str().to_owned(), custom_event());
    kinds.push(reference(Kind::Custom.as_str()));
    definitions.insert("scalar".to_owned(), scalar());
    definitions.insert("value".to_owned(), value());
    definitions.insert("unknown".to_owned(), unknown());
    definitions.insert("warnings".to_owned(), warnings());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "postgate event",
        "description": "The canonical body of a postback. Names stand in the order of fields.md.",
        "oneOf": kinds,
        "$defs": definitions,
    })
}

/// What may stand in a field.
#[derive(Clone, Copy)]
enum Fit {
    /// Anything, for there may be a warning.
    AsReceived,
    /// What the type says.
    Checked,
}

/// An event of kinds that share a dictionary.
fn event(kinds: &[Kind], table: &Table) -> Value {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let mut properties = fields(table, Fit::AsReceived);
    let mut checked = fields(table, Fit::Checked);
    properties.insert("event".to_owned(), json!({ "enum": names }));
    if let Some(spec) = table.rows {
        // The comments of an inquiry can be a text as well, and are a field then.
        let list = match properties.remove(spec.name) {
            Some(field) => json!({ "anyOf": [field, reference(spec.name)] }),
            None => reference(spec.name),
        };
        properties.insert(spec.name.to_owned(), list);
        checked.insert(spec.name.to_owned(), rows(spec, Fit::Checked));
    }
    json!({
        "type": "object",
        "required": ["event"],
        "properties": with_rest(properties),
        "additionalProperties": false,
        "if": { "not": { "required": ["warnings"] } },
        "then": { "properties": checked },
    })
}

/// An event of a route without dictionary: the route's own fields.
fn custom_event() -> Value {
    let mut properties = Map::new();
    properties.insert("event".to_owned(), json!({ "const": Kind::Custom.as_str() }));
    properties.insert(ITEMS.name.to_owned(), reference(ITEMS.name));
    json!({
        "type": "object",
        "required": ["event"],
        "properties": with_rest(properties),
        "additionalProperties": reference("scalar"),
    })
}

/// The list of a kind; only what is checked, where that is asked for.
fn rows(spec: &Spec, fit: Fit) -> Value {
    let table = dictionary::row_table(spec);
    match fit {
        Fit::Checked => json!({ "items": { "properties": fields(table, fit) } }),
        Fit::AsReceived => {
            let mut properties = fields(table, fit);
            properties.insert("custom".to_owned(), reference("unknown"));
            json!({
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "minProperties": 1,
                    "properties": properties,
                    "additionalProperties": false,
                },
            })
        }
    }
}

fn fields(table: &Table, fit: Fit) -> Map<String, Value> {
    let mut properties = Map::new();
    for field in table.fields {
        let Some(shape) = (match fit {
            Fit::AsReceived => Some(received(field.check)),
            Fit::Checked => checked(field.check),
        }) else {
            continue;
        };
        properties.insert(field.name.to_owned(), shape);
    }
    properties
}

fn with_rest(mut properties: Map<String, Value>) -> Map<String, Value> {
    properties.insert("custom".to_owned(), reference("unknown"));
    properties.insert("warnings".to_owned(), reference("warnings"));
    properties
}

fn received(check: Check) -> Value {
    match check {
        // Upper-cased, whatever it is.
        Check::Open => json!({ "$ref": "#/$defs/scalar", "pattern": "^[^a-z]*$" }),
        _ => reference("scalar"),
    }
}

fn checked(check: Check) -> Option<Value> {
    let moment = format!("{DAY}T{CLOCK}");
    let pattern = match check {
        Check::Text | Check::Open => return None,
        Check::Word(words) => {
            let null = std::iter::once(Value::Null);
            let words: Vec<Value> = words.iter().map(|&word| json!(word)).chain(null).collect();
            return Some(json!({ "enum": words }));
        }
        Check::Decimal => DECIMAL.to_owned(),
        Check::Currency => CURRENCY.to_owned(),
        Check::Time => format!("^{moment}{OFFSET}$"),
        Check::Date => format!("^({DAY}|{moment}{OFFSET}?)$"),
    };
    Some(json!({ "pattern": pattern }))
}

fn scalar() -> Value {
    json!({
        "description": "Text exactly as received; null where it was empty or a macro.",
        "type": ["string", "null"],
        "minLength": 1,
        "not": { "type": "string", "pattern": "^\\{[A-Za-z][A-Za-z0-9_]*\\}$" },
    })
}

fn value() -> Value {
    json!({
        "anyOf": [
            reference("scalar"),
            reference("unknown"),
            { "type": "array", "minItems": 1, "items": reference("value") },
        ],
    })
}

fn unknown() -> Value {
    json!({
        "description": "What the dictionary does not know, under its own names, sorted.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": reference("value"),
    })
}

fn warnings() -> Value {
    json!({
        "description": "What a person should look at. Without it, every value fits its type.",
        "type": "array",
        "minItems": 1,
        "maxItems": MOST + 1,
        "uniqueItems": true,
        "items": { "type": "string" },
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}
