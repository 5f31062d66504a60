//! `config.toml` of the repository against the structs, the defaults and the environment.

use super::*;

/// Every key of the file, as (way down, value as an environment variable writes it).
fn every_key() -> Vec<(Vec<String>, String)> {
    fn walk(value: &figment::value::Value, at: &[String], keys: &mut Vec<(Vec<String>, String)>) {
        use figment::value::{Num, Value};
        let text = match value {
            Value::Dict(_, dict) if !dict.is_empty() => {
                for (name, value) in dict {
                    walk(value, &[at, std::slice::from_ref(name)].concat(), keys);
                }
                return;
            }
            Value::Array(_, list) if list.iter().any(|element| element.as_dict().is_some()) => {
                for (index, value) in list.iter().enumerate() {
                    walk(value, &[at, &[index.to_string()]].concat(), keys);
                }
                return;
            }
            Value::Array(_, list) => {
                let texts: Vec<_> = list.iter().filter_map(figment::value::Value::as_str).collect();
                texts.join(",")
            }
            Value::Dict(..) => "{}".to_owned(),
            Value::String(_, text) => text.clone(),
            Value::Bool(_, truth) => truth.to_string(),
            Value::Num(_, Num::F64(number)) => number.to_string(),
            other => other.to_i128().expect("a number").to_string(),
        };
        keys.push((at.to_vec(), text));
    }
    let mut keys = Vec::new();
    walk(&Document::parse(DEFAULTS).values.into(), &[], &mut keys);
    keys
}

#[test]
fn every_key_can_come_from_the_environment() {
    let mut list: Vec<(String, String)> = every_key()
        .into_iter()
        .map(|(steps, text)| (format!("POSTGATE_{}", steps.join("__").to_uppercase()), text))
        .collect();
    assert!(list.len() > 60, "{} keys", list.len());
    for (name, value) in [("TLS__MODE", "off"), ("ALLOWLIST__RANGES", "192.0.2.0/24")] {
        list.push((format!("POSTGATE_{name}"), value.to_owned()));
    }
    list.push(("POSTBACK_TOKEN".to_owned(), "t0ken".to_owned()));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    let from_environment = parse("", &path, list, Timestamp::default()).expect("no problems");

    let text = changed(&[
        ("spool.path", "\"data/spool.db\""),
        ("routes[0].secret", "{ header = \"X-Postback-Token\", value = \"env:TOKEN\" }"),
    ]);
    let from_file = parse(&text, &path, variables(&VARIABLES), Timestamp::default());
    let mut from_file = from_file.expect("no problems");
    // Where a warning stands differs, as it should.
    from_file.warnings.clone_from(&from_environment.warnings);
    assert_eq!(format!("{from_environment:?}"), format!("{from_file:?}"));
}

#[test]
fn every_key_of_the_structs_stands_in_the_file() {
    // serde names the keys a struct knows when it meets one it does not.
    let mut missing = Vec::new();
    for section in [
        "",
        "listen",
        "tls",
        "allowlist",
        "upstream",
        "retry",
        "spool",
        "dedup",
        "admin",
        "limits",
        "log",
        "routes",
        "routes.secret",
        "routes.reply",
    ] {
        let header = match section {
            "" => String::new(),
            "routes" => "[[routes]]".to_owned(),
            _ if section.starts_with("routes.") => format!("[[routes]]\n[{section}]"),
            _ => format!("[{section}]"),
        };
        let problems = load(&format!("{header}\nqqqqqqqqqqq = 0\n")).expect_err("unknown");
        let unknown = problems.iter().find(|problem| problem.key.ends_with("qqqqqqqqqqq"));
        let known = unknown.expect("reported").mend.clone();
        let known = known.trim_start_matches("remove it; known here: ");
        let at =
            Key::from(
                section
                    .split('.')
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned)
                    .flat_map(|part| {
                        if part == "routes" { vec![part, "0".to_owned()] } else { vec![part] }
                    })
                    .collect::<Vec<_>>(),
            );
        let document = Document::parse(DEFAULTS);
        missing
            .extend(known.split(", ").map(|name| at.child(name)).filter(|key| !document.has(key)));
    }
    assert!(missing.is_empty(), "not in config.toml: {missing:?}");
}

#[test]
fn the_repository_file_shows_the_defaults() {
    let document = Document::parse(DEFAULTS);
    assert!(document.faults.is_empty(), "{:?}", document.faults);
    let shown = extract::extract(document.values, &defaults(), &mut report()).expect("readable");
    let mut shown = shown.routes.into_iter().next().expect("the example route");
    assert!(shown.secret.take().is_some(), "the one table that is not a default");
    let least = raw::RawRoute {
        name: "actions".to_owned(),
        path: "/postback/actions".to_owned(),
        kind: "action".to_owned(),
        ..raw::RawRoute::default()
    };
    assert_eq!(shown, least);
}

#[test]
fn the_repository_file_is_honest_about_what_is_missing() {
    let problems = load(DEFAULTS).expect_err("it has no ranges, no certificate and no token");
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let expected =
        ["tls.certificate", "tls.private_key", "allowlist.ranges", "routes[0].secret.value"];
    assert_eq!(keys, expected, "{problems}");
}
