//! Environment variables over the file: `POSTGATE_SECTION__KEY`, `POSTGATE_ROUTES__0__PATH`.

use figment::value::{Dict, Num, Tag, Value};

use super::document::Document;
use super::key::Key;
use super::report::Report;

const PREFIX: &str = "POSTGATE_";

/// Puts every variable that names a key into `values`.
///
/// Only names with `__` after the prefix count: for a Service called `postgate`, Kubernetes sets
/// `POSTGATE_SERVICE_HOST`, `POSTGATE_PORT` and more in every container.
pub(super) fn apply(values: &mut Dict, defaults: &Dict, report: &mut Report) {
    let named: Vec<(Key, String, String)> = report
        .variables()
        .iter()
        .filter_map(|(name, text)| Some((key(name)?, name.clone(), text.clone())))
        .collect();
    for (key, name, text) in named {
        let key = as_written(key, values);
        report.overridden(key.clone(), name);
        if text.contains(char::REPLACEMENT_CHARACTER) {
            report.broken(&key, "is not UTF-8", "set it to a text in UTF-8");
            continue;
        }
        let value = value(&text, shape(&key, defaults));
        if set(values, key.steps(), value).is_none() {
            report.broken(
                &key,
                "names no place in the configuration",
                "routes are counted from 0, without gaps, after those of the file",
            );
        }
    }
}

/// What a key holds, so that a token of digits stays a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    Number,
    Truth,
    List,
    Table,
}

fn key(name: &str) -> Option<Key> {
    let name = name.strip_prefix(PREFIX)?;
    let named = name.contains("__") && !name.starts_with("__");
    named.then(|| {
        let steps = name.split("__").map(str::to_ascii_lowercase);
        Key::from(steps.collect::<Vec<_>>())
    })
}

/// The key in the letters of the file, where its name is the user's own, as that of a header is: the
/// names of variables are without case, and `AUTHORIZATION` means an `Authorization` that is there.
fn as_written(key: Key, values: &Dict) -> Key {
    let Some((name, above)) = key.steps().split_last() else { return key };
    if !above.last().is_some_and(|table| table == "headers" || table == "fields") {
        return key;
    }
    let Some(table) = table(values, above) else { return key };
    let written = table.keys().find(|known| known.eq_ignore_ascii_case(name));
    match written {
        Some(written) if !table.contains_key(name) => {
            key.parent().unwrap_or_default().child(written)
        }
        _ => key,
    }
}

/// The table at the end of this way.
fn table<'a>(values: &'a Dict, steps: &[String]) -> Option<&'a Dict> {
    let (first, rest) = steps.split_first()?;
    let end = rest.iter().try_fold(values.get(first)?, |value, step| match value {
        Value::Dict(_, dict) => dict.get(step),
        Value::Array(_, list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    });
    dict(end?)
}

/// The shape of a section's key is that of its default.
fn shape(key: &Key, defaults: &Dict) -> Shape {
    let steps: Vec<&str> = key.steps().iter().map(String::as_str).collect();
    match steps.as_slice() {
        ["routes", _, "methods"] | ["routes", _, "allowlist", _] => Shape::List,
        ["routes", _, "reply", "success_status"] => Shape::Number,
        ["routes", _, "allowlist" | "fields" | "secret" | "reply" | "upstream"] => Shape::Table,
        ["routes", _, "upstream", name] => ["upstream", "retry"]
            .iter()
            .find_map(|section| dict(defaults.get(*section)?)?.get(*name))
            .map_or(Shape::Text, of),
        [section, name] => defaults
            .get(*section)
            .and_then(|section| dict(section)?.get(*name))
            .map_or(Shape::Text, of),
        _ => Shape::Text,
    }
}

fn of(default: &Value) -> Shape {
    match default {
        Value::Num(..) => Shape::Number,
        Value::Bool(..) => Shape::Truth,
        Value::Array(..) => Shape::List,
        Value::Dict(..) => Shape::Table,
        Value::String(..) | Value::Char(..) | Value::Empty(..) => Shape::Text,
    }
}

fn dict(value: &Value) -> Option<&Dict> {
    value.as_dict()
}

/// What is not of the shape stays a text, and is refused where the types are read.
fn value(text: &str, shape: Shape) -> Value {
    let tag = Tag::Default;
    let plain = || Value::String(tag, text.to_owned());
    match shape {
        Shape::Text => plain(),
        Shape::Truth => text.parse().map_or_else(|_| plain(), |truth| Value::Bool(tag, truth)),
        Shape::Number => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Value::Num(tag, Num::I64(number)),
            (_, Ok(number)) => Value::Num(tag, Num::F64(number)),
            _ => plain(),
        },
        Shape::List if text.trim_start().starts_with('[') => toml(text).unwrap_or_else(plain),
        Shape::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let parts = parts.map(|part| Value::String(tag, part.to_owned()));
            Value::Array(tag, parts.collect())
        }
        Shape::Table => toml(text).unwrap_or_else(plain),
    }
}

/// A list or table as TOML writes it.
fn toml(text: &str) -> Option<Value> {
    let mut document = Document::parse(&format!("value = {text}\n"));
    let value = document.values.remove("value")?;
    document.faults.is_empty().then_some(value)
}

/// `None`: there is no such place.
fn set(values: &mut Dict, steps: &[String], value: Value) -> Option<()> {
    let (first, rest) = steps.split_first()?;
    if rest.is_empty() {
        values.insert(first.clone(), value);
        return Some(());
    }
    let list_starts = first == "routes";
    let inner = values.entry(first.clone()).or_insert_with(|| {
        if list_starts {
            Value::Array(Tag::Default, Vec::new())
        } else {
            Value::Dict(Tag::Default, Dict::new())
        }
    });
    match inner {
        Value::Dict(_, dict) => set(dict, rest, value),
        Value::Array(_, list) => {
            let (index, rest) = rest.split_first()?;
            let index: usize = index.parse().ok()?;
            if index == list.len() {
                list.push(Value::Dict(Tag::Default, Dict::new()));
            }
            match list.get_mut(index)? {
                Value::Dict(_, dict) if !rest.is_empty() => set(dict, rest, value),
                element => {
                    *element = value;
                    Some(())
                }
            }
        }
        // The file gave the section a value that is none; that is reported where types are read.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_variables_are_not_keys() {
        for name in ["POSTGATE_SERVICE_HOST", "POSTGATE_PORT", "POSTGATE_PORT_8443_TCP_ADDR"] {
            assert_eq!(key(name), None, "{name}");
        }
        let listen = Key::top("listen").child("address");
        assert_eq!(key("POSTGATE_LISTEN__ADDRESS"), Some(listen));
    }

    #[test]
    fn the_default_decides_what_a_text_means() {
        assert_eq!(value("007", Shape::Text).as_str(), Some("007"));
        assert_eq!(value("7", Shape::Number).to_i128(), Some(7));
        assert_eq!(value("true", Shape::Truth).to_bool(), Some(true));
        assert_eq!(value("yes", Shape::Truth).as_str(), Some("yes"));
        let list = value("10.0.0.0/8, 192.0.2.1", Shape::List);
        assert_eq!(list.as_array().map(<[Value]>::len), Some(2));
        let list = value("[\"10.0.0.0/8\"]", Shape::List);
        assert_eq!(list.as_array().map(<[Value]>::len), Some(1));
        let table = value("{ a = \"b\" }", Shape::Table);
        assert!(table.as_dict().is_some_and(|table| table.contains_key("a")));
    }
}
