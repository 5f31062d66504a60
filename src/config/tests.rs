//! The configuration as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

const VARIABLES: [(&str, &str); 2] = [("TOKEN", "t0ken"), ("EMPTY", "")];

/// The least that works, without what touches the disk.
const LEAST: [(&str, &str); 7] = [
    ("tls.mode", "\"off\""),
    ("allowlist.ranges", "[\"192.0.2.0/24\"]"),
    ("spool.path", "\"spool.db\""),
    ("routes[0].name", "\"actions\""),
    ("routes[0].path", "\"/postback/actions\""),
    ("routes[0].kind", "\"action\""),
    (
        "routes[0].secret",
        "{ header = \"X-Token\", value = \"env:TOKEN\" }",
    ),
];

/// A desk with nothing on it but a few variables.
pub(super) fn report() -> Report {
    report_in(Path::new(""))
}

/// The same, with its configuration file in `folder`.
pub(super) fn report_in(folder: &Path) -> Report {
    let path = folder.join("config.toml");
    let variables = variables(&VARIABLES).collect();
    Report::new(&path, Document::default(), variables, Timestamp::default())
}

/// `text` after what every configuration needs besides routes.
pub(super) fn route(text: &str) -> String {
    format!("[tls]\nmode = \"off\"\n[allowlist]\nranges = [\"192.0.2.0/24\"]\n{text}\n")
}

pub(super) fn load(text: &str) -> Result<Settings, Problems> {
    load_with(text, &VARIABLES)
}

/// The keys with problems when `changes` are made to a configuration without any.
pub(super) fn problems(changes: &[(&str, &str)]) -> Vec<String> {
    match load(&changed(changes)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|problem| problem.key.clone()).collect(),
    }
}

/// The settings after `changes` to a configuration without problems.
pub(super) fn settings(changes: &[(&str, &str)]) -> Settings {
    load(&changed(changes)).expect("no problems")
}

fn variables(list: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let owned: Vec<_> = list
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    owned.into_iter()
}

fn load_with(text: &str, list: &[(&str, &str)]) -> Result<Settings, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).expect("written");
    load_from(&path, variables(list), Timestamp::default())
}

/// One line for each key, in the order of the keys, those of a route last.
fn changed(changes: &[(&str, &str)]) -> String {
    let mut keys: BTreeMap<&str, &str> = LEAST.into_iter().collect();
    keys.extend(changes.iter().copied());
    let (routes, sections): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .partition(|(key, _)| key.starts_with("routes[0]."));
    let mut text = String::new();
    for (key, value) in sections {
        text += &format!("{key} = {value}\n");
    }
    text += "[[routes]]\n";
    for (key, value) in routes {
        let key = key.trim_start_matches("routes[0].");
        text += &format!("{key} = {value}\n");
    }
    text
}

#[test]
fn the_least_configuration_works() {
    let settings = settings(&[]);
    assert_eq!(settings.listen.address.to_string(), "0.0.0.0:8443");
    assert_eq!(settings.routes.len(), 1);
    assert_eq!(settings.limits.body_bytes, 1024 * 1024);
    assert!(settings.spool.path.is_absolute());
}

#[test]
fn ten_mistakes_are_all_listed() {
    let text = r#"
[listen]
adress = "0.0.0.0:8443"
[tls]
mode = "of"
[allowlist]
ranges = ["192.0.2.7/24", 5]
[upstream]
url = "htp://shop"
timeout = 10
[limits]
body_bytes = "big"
[[routes]]
name = "a"
path = "postback"
kind = "acton"
[routes.secret]
header = "X-Token"
value = "env:MISSING"
"#;
    let problems = load(text).expect_err("ten mistakes");
    let found: Vec<_> = problems
        .iter()
        .map(|problem| (problem.line.unwrap_or_default(), problem.key.as_str()))
        .collect();
    let expected = [
        (3, "listen.adress"),
        (5, "tls.mode"),
        (7, "allowlist.ranges[0]"),
        (7, "allowlist.ranges[1]"),
        (9, "upstream.url"),
        (10, "upstream.timeout"),
        (12, "limits.body_bytes"),
        (15, "routes[0].path"),
        (16, "routes[0].kind"),
        (19, "routes[0].secret.value"),
    ];
    assert_eq!(found, expected, "{problems}");
    for problem in &problems {
        assert!(
            !problem.what.is_empty() && !problem.mend.is_empty(),
            "{problem:?}"
        );
        assert!(problem.file.ends_with("config.toml"));
    }
    assert!(
        problems
            .iter()
            .any(|problem| problem.mend.contains("`address`"))
    );
}

#[test]
fn a_slip_of_syntax_does_not_hide_the_rest() {
    let text = route("[log]\nlevel = info\nformat = \"xml\"\nformat = \"text\"\n");
    let problems = load(&text).expect_err("three mistakes");
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(6), Some(7), Some(8)], "{problems}");
}

#[test]
fn sections_of_another_type_are_one_problem_each() {
    let problems = load("routes = 5\nlisten = true\n[upstream]\nheaders = []\n");
    let problems = problems.expect_err("mistakes");
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    for key in ["routes", "listen", "upstream.headers"] {
        assert_eq!(
            keys.iter().filter(|found| **found == key).count(),
            1,
            "{key}: {problems}"
        );
    }
}

#[test]
fn secrets_are_never_shown() {
    let text = changed(&[
        ("admin.token", "\"s3cret s3cret\""),
        ("upstream.signing_secret", "\"whsec_s3cret!\""),
        (
            "upstream.headers",
            "{ A = \"s3cret\\n\", \"b b\" = \"s3cret\" }",
        ),
        (
            "routes[0].secret",
            "{ header = \"a\", query = \"b\", value = \"s3cret\" }",
        ),
    ]);
    let problems = load(&text).expect_err("mistakes");
    assert_eq!(problems.iter().count(), 5, "{problems}");
    let shown = format!("{problems} {problems:?}");
    assert!(!shown.contains("s3cret"), "{shown}");

    let settings = settings(&[
        ("admin.token", "\"s3cret\""),
        ("upstream.signing_secret", "\"s3cret\""),
        ("upstream.headers", "{ A = \"s3cret\" }"),
        ("routes[0].secret", "{ header = \"a\", value = \"s3cret\" }"),
    ]);
    assert!(!format!("{settings:?}").contains("s3cret"));
    let wrong_type = load("[admin]\ntoken = [\"s3cret\"]\n").expect_err("a list");
    assert!(!format!("{wrong_type:?}").contains("s3cret"));
}

#[test]
fn the_environment_wins_over_the_file_over_the_defaults() {
    let text = changed(&[("upstream.timeout", "\"3s\"")]);
    let timeout = |list: &[(&str, &str)]| {
        let settings = load_with(&text, list).expect("no problems");
        let upstream = &settings.routes[0].deliver.upstream;
        (upstream.timeout.as_secs(), upstream.max_in_flight)
    };
    let token = ("TOKEN", "t0ken");
    assert_eq!(timeout(&[token]), (3, 64));
    assert_eq!(
        timeout(&[token, ("POSTGATE_UPSTREAM__TIMEOUT", "4s")]),
        (4, 64)
    );
    let service = [
        token,
        ("POSTGATE_SERVICE_HOST", "10.0.0.1"),
        ("POSTGATE_PORT", "tcp://10.0.0.1:8443"),
        ("POSTGATE_PORT_8443_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(timeout(&service), (3, 64));
}

#[test]
fn a_mistake_in_the_environment_names_its_variable() {
    let list = [
        ("TOKEN", "t0ken"),
        ("POSTGATE_UPSTREAM__TIMEOUT", "soon"),
        ("POSTGATE_LISTEN__ADRESS", "x"),
        ("POSTGATE_LIMITS__DEPTH", "deep"),
        ("POSTGATE_ROUTES__7__PATH", "/p"),
    ];
    let problems = load_with(&changed(&[]), &list).expect_err("mistakes");
    let mut named: Vec<_> = problems
        .iter()
        .map(|problem| problem.file.as_str())
        .collect();
    named.sort_unstable();
    let mut expected: Vec<_> = list[1..]
        .iter()
        .map(|(name, _)| format!("environment variable {name}"))
        .collect();
    expected.sort_unstable();
    assert_eq!(named, expected, "{problems}");
}

/// Every key of the file, as (way down, value as an environment variable writes it).
fn every_key() -> Vec<(Vec<String>, String)> {
    fn walk(value: &figment::value::Value, at: &[String], keys: &mut Vec<(Vec<String>, String)>) {
        use figment::value::{Num, Value};
        let text = match value {
            Value::Dict(_, dict) if !dict.is_empty() => {
                for (name, value) in dict {
                    walk(value, &[at, &[name.clone()]].concat(), keys);
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
                let texts: Vec<_> = list
                    .iter()
                    .filter_map(figment::value::Value::as_str)
                    .collect();
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
        .map(|(steps, text)| {
            (
                format!("POSTGATE_{}", steps.join("__").to_uppercase()),
                text,
            )
        })
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
        (
            "routes[0].secret",
            "{ header = \"X-Postback-Token\", value = \"env:TOKEN\" }",
        ),
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
        let unknown = problems
            .iter()
            .find(|problem| problem.key.ends_with("qqqqqqqqqqq"));
        let known = unknown.expect("reported").mend.clone();
        let known = known.trim_start_matches("remove it; known here: ");
        let at = Key::from(
            section
                .split('.')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .flat_map(|part| {
                    if part == "routes" {
                        vec![part, "0".to_owned()]
                    } else {
                        vec![part]
                    }
                })
                .collect::<Vec<_>>(),
        );
        let document = Document::parse(DEFAULTS);
        missing.extend(
            known
                .split(", ")
                .map(|name| at.child(name))
                .filter(|key| !document.has(key)),
        );
    }
    assert!(missing.is_empty(), "not in config.toml: {missing:?}");
}

#[test]
fn the_repository_file_shows_the_defaults() {
    let document = Document::parse(DEFAULTS);
    assert!(document.faults.is_empty(), "{:?}", document.faults);
    let shown = extract::extract(document.values, &defaults(), &mut report()).expect("readable");
    let mut shown = shown.routes.into_iter().next().expect("the example route");
    assert!(
        shown.secret.take().is_some(),
        "the one table that is not a default"
    );
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
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    let expected = [
        "tls.certificate",
        "tls.private_key",
        "allowlist.ranges",
        "routes[0].secret.value",
    ];
    assert_eq!(keys, expected, "{problems}");
}

#[test]
fn named_files_are_watched() {
    let settings = settings(&[("upstream.signing_secret", "\"\"")]);
    let names: Vec<_> = settings
        .watched
        .iter()
        .filter_map(|path| path.file_name())
        .collect();
    assert_eq!(names, ["config.toml"]);
}

#[test]
fn a_missing_file_is_a_problem() {
    let path = PathBuf::from("/nonexistent/config.toml");
    let problems = load_from(&path, [], Timestamp::default()).expect_err("missing");
    assert_eq!(problems.iter().count(), 1);
    assert!(
        problems.to_string().contains("/nonexistent/config.toml"),
        "{problems}"
    );
}
