//! Values into the raw structs, with every unknown key and every wrong type on the list.

use figment::error::{Actual, Kind};
use figment::value::{Dict, Value};

use super::key::Key;
use super::raw::Raw;
use super::report::Report;
use super::word;

/// More mistakes of this sort than anybody reads at once; a bound for the loop below.
const MOST: usize = 500;

/// Reads `values`. Where one is wrong it is listed, its default takes its place, and reading goes
/// on.
pub(super) fn extract(values: Dict, known: &Dict, report: &mut Report) -> Option<Raw> {
    let defaults = Value::from(known.clone());
    let mut values = Value::from(values);
    for _ in 0..MOST {
        let error = match values.deserialize::<Raw>() {
            Ok(raw) => return Some(raw),
            Err(error) => error,
        };
        let key = Key::from(error.path.clone());
        let (what, mend) = explain(&error.kind, &key, known);
        report.broken(&key, what, mend);
        let harmless = match key.steps() {
            [list, _] if list == "routes" => Value::from(Dict::new()),
            _ => Value::from(""),
        };
        replace(&mut values, &defaults, key.steps(), harmless)?;
    }
    None
}

/// Puts the default in the place of what is at `steps`, or nothing where there is no default. An
/// element of a list becomes `harmless` instead: removed, it would shift the positions after it.
fn replace(values: &mut Value, defaults: &Value, steps: &[String], harmless: Value) -> Option<()> {
    let (step, rest) = steps.split_first()?;
    let nothing = Value::from(Dict::new());
    match values {
        Value::Dict(_, dict) => {
            let default = defaults.as_dict().and_then(|defaults| defaults.get(step));
            if !rest.is_empty() {
                let below = default.unwrap_or(&nothing);
                return replace(dict.get_mut(step)?, below, rest, harmless);
            }
            dict.remove(step)?;
            if let Some(default) = default {
                dict.insert(step.clone(), default.clone());
            }
            Some(())
        }
        Value::Array(_, list) => {
            let element = list.get_mut(step.parse::<usize>().ok()?)?;
            if !rest.is_empty() {
                return replace(element, &nothing, rest, harmless);
            }
            *element = harmless;
            Some(())
        }
        _ => None,
    }
}

/// What is wrong, without the value: it may be a secret.
fn explain(kind: &Kind, key: &Key, defaults: &Dict) -> (String, String) {
    match kind {
        Kind::UnknownField(name, known) => {
            let elsewhere = sections_with(name, defaults);
            let mend = if let Some(near) = word::nearest(name, known.iter().copied()) {
                format!("did you mean `{near}`?")
            } else if !elsewhere.is_empty() {
                format!("it is a key of {}", elsewhere.join(" and "))
            } else {
                format!("remove it; known here: {}", known.join(", "))
            };
            ("is not a known key".to_owned(), mend)
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => (
            format!("is {}", noun(actual)),
            format!("write {}{}", wanted(expected), example(key, defaults)),
        ),
        Kind::MissingField(name) => (format!("`{name}` is missing in {key}"), "add it".to_owned()),
        // serde has no other error for these structs; should it get one, its text may quote values.
        _ => (
            "cannot be read".to_owned(),
            "compare it with the commented config.toml of postgate".to_owned(),
        ),
    }
}

/// The sections that have a key of this name.
fn sections_with(name: &str, defaults: &Dict) -> Vec<String> {
    let has = |section: &Value| section.as_dict().is_some_and(|keys| keys.contains_key(name));
    let sections = defaults.iter().filter(|(_, section)| has(section));
    sections.map(|(section, _)| format!("[{section}]")).collect()
}

/// The default, which is no secret and says more than its type.
fn example(key: &Key, defaults: &Dict) -> String {
    let default = match key.steps() {
        [section, name] => defaults.get(section).and_then(|keys| keys.as_dict()?.get(name)),
        [_, _, table, name] if table == "upstream" => ["upstream", "retry"]
            .iter()
            .find_map(|section| defaults.get(*section)?.as_dict()?.get(name)),
        _ => None,
    };
    let text = default.and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(|text| format!(", such as {text:?}")).unwrap_or_default()
}

fn noun(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Signed(number) if *number < 0 => "a negative number",
        Actual::Unsigned(_) | Actual::Signed(_) => "a number",
        Actual::Float(_) => "a number with a point",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "of another type",
    }
}

fn wanted(expected: &str) -> String {
    match expected {
        "a string" => "a text in quotes".to_owned(),
        "a boolean" => "true or false, without quotes".to_owned(),
        "u64" | "i64" => "a whole number, 0 or more, without quotes".to_owned(),
        "f64" => "a number, without quotes".to_owned(),
        "a sequence" => "a list: [\"…\", \"…\"]".to_owned(),
        "a map" => "a table: { name = \"…\" }".to_owned(),
        other => match other.strip_prefix("struct Raw") {
            Some(section) => format!("a table, as [{}]", section.to_ascii_lowercase()),
            None => other.to_owned(),
        },
    }
}
