//! The configuration as a whole.

mod defaults;
mod limits;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use super::*;

const VARIABLES: [(&str, &str); 3] = [("TOKEN", "t0ken"), ("EMPTY", ""), ("BYTES", "\u{fffd}")];

/// The least that works, without what touches the disk.
const LEAST: [(&str, &str); 7] = [
    ("tls.mode", "\"off\""),
    ("allowlist.ranges", "[\"192.0.2.0/24\"]"),
    ("spool.path", "\"spool.db\""),
    ("routes[0].name", "\"actions\""),
    ("routes[0].path", "\"/postback/actions\""),
    ("routes[0].kind", "\"action\""),
    ("routes[0].secret", "{ header = \"X-Token\", value = \"env:TOKEN\" }"),
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
    let owned: Vec<_> =
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
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
    let (routes, sections): (Vec<_>, Vec<_>) =
        keys.into_iter().partition(|(key, _)| key.starts_with("routes[0]."));
    let mut text = String::new();
    for (key, value) in sections {
        text = format!("{text}{key} = {value}\n");
    }
    text += "[[routes]]\n";
    for (key, value) in routes {
        let key = key.trim_start_matches("routes[0].");
        text = format!("{text}{key} = {value}\n");
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
        assert!(!problem.what.is_empty() && !problem.mend.is_empty(), "{problem:?}");
        assert!(problem.file.ends_with("config.toml"));
    }
    assert!(problems.iter().any(|problem| problem.mend.contains("`address`")));
}

#[test]
fn a_key_in_the_wrong_section_is_sent_home() {
    let problems = load("[upstream]\nmax_age = \"1h\"\ntimeout = 10\n").expect_err("mistakes");
    let mend = |key: &str| {
        let found = problems.iter().find(|problem| problem.key == key);
        found.map(|problem| problem.mend.clone()).expect("listed")
    };
    assert_eq!(mend("upstream.max_age"), "it is a key of [retry]");
    assert_eq!(mend("upstream.timeout"), "write a text in quotes, such as \"10s\"");
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
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    for key in ["routes", "listen", "upstream.headers"] {
        assert_eq!(keys.iter().filter(|found| **found == key).count(), 1, "{key}: {problems}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let text = changed(&[
        ("admin.token", "\"s3cret s3cret\""),
        ("upstream.signing_secret", "\"whsec_s3cret!\""),
        ("upstream.headers", "{ A = \"s3cret\\n\", \"b b\" = \"s3cret\" }"),
        ("routes[0].secret", "{ header = \"a\", query = \"b\", value = \"s3cret\" }"),
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
    assert_eq!(timeout(&[token, ("POSTGATE_UPSTREAM__TIMEOUT", "4s")]), (4, 64));
    let service = [
        token,
        ("POSTGATE_SERVICE_HOST", "10.0.0.1"),
        ("POSTGATE_PORT", "tcp://10.0.0.1:8443"),
        ("POSTGATE_PORT_8443_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(timeout(&service), (3, 64));
}

#[test]
fn a_name_of_the_users_own_is_overridden_in_any_letter_case() {
    let text = changed(&[
        ("upstream.headers", "{ Authorization = \"env:NOT_SET\", X-Shop = \"1\" }"),
        ("routes[0].fields", "{ Betrag = \"currency\" }"),
        ("routes[0].upstream", "{ headers = { X-Shop = \"1\" } }"),
    ]);
    let list = [
        ("TOKEN", "t0ken"),
        ("POSTGATE_UPSTREAM__HEADERS__AUTHORIZATION", "Bearer 7"),
        ("POSTGATE_ROUTES__0__UPSTREAM__HEADERS__X-SHOP", "2"),
        ("POSTGATE_ROUTES__0__FIELDS__BETRAG", "payout"),
    ];
    let settings = load_with(&text, &list).unwrap_or_else(|problems| panic!("{problems}"));
    let route = &settings.routes[0];
    let headers: Vec<_> = route.deliver.upstream.headers.iter().collect();
    let [(name, value)] = headers.as_slice() else { panic!("{headers:?}") };
    assert_eq!((name.as_str(), value.expose_secret()), ("x-shop", "2"));
    let fields: Vec<_> = route.ingress.rules.fields.iter().collect();
    assert_eq!(fields, [(&"Betrag".to_owned(), &"payout".to_owned())]);

    // What is wrong with the value is a mistake of the variable, not of the file.
    let wrong = ("POSTGATE_UPSTREAM__HEADERS__X-SHOP", "a\nb");
    let problems = load_with(&text, &[&list[..], &[wrong]].concat()).expect_err("a line break");
    assert_eq!(problems.iter().count(), 1, "{problems}");
    assert!(problems.to_string().contains(wrong.0), "{problems}");
}

#[test]
fn a_mistake_in_the_environment_names_its_variable() {
    let list = [
        ("TOKEN", "t0ken"),
        ("POSTGATE_UPSTREAM__TIMEOUT", "soon"),
        ("POSTGATE_LISTEN__ADRESS", "x"),
        ("POSTGATE_LIMITS__DEPTH", "deep"),
        ("POSTGATE_ROUTES__7__PATH", "/p"),
        ("POSTGATE_SPOOL__PATH", "\u{fffd}"),
    ];
    let problems = load_with(&changed(&[]), &list).expect_err("mistakes");
    let mut named: Vec<_> = problems.iter().map(|problem| problem.file.as_str()).collect();
    named.sort_unstable();
    let mut expected: Vec<_> =
        list[1..].iter().map(|(name, _)| format!("environment variable {name}")).collect();
    expected.sort_unstable();
    assert_eq!(named, expected, "{problems}");
}

#[test]
fn named_files_are_watched() {
    let settings = settings(&[("upstream.signing_secret", "\"\"")]);
    let names: Vec<_> = settings.watched.files().filter_map(Path::file_name).collect();
    assert_eq!(names, ["config.toml"]);
}

#[test]
fn a_file_that_changes_once_it_is_read_is_seen_at_the_next_look() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("made");
    let (secret, authority) = ("{ header = \"A\", value = \"file:named\" }", "\"named\"");
    file::meanwhile::let_happen(|path| {
        if path.ends_with("named") {
            std::fs::write(path, "changed").expect("written");
        }
    });
    for (key, value, content) in [
        ("allowlist.files", "[\"named\"]", "192.0.2.0/24\n"),
        ("routes[0].secret", secret, "t0ken\n"),
        ("routes[0].template_file", authority, "{\"action_id\": \"{ActionId}\"}"),
        ("upstream.ca", authority, &certificate.cert.pem()),
    ] {
        let text = changed(&[(key, value), ("upstream.url", "\"https://a.example/\"")]);
        std::fs::write(folder.path().join("config.toml"), text).expect("written");
        std::fs::write(folder.path().join("named"), content).expect("written");
        let variables = variables(&VARIABLES);
        let settings =
            load_from(&folder.path().join("config.toml"), variables, Timestamp::default());
        let watched = settings.unwrap_or_else(|problems| panic!("{problems}")).watched;
        let again = watched.again();
        let differing: Vec<_> = again.differing(&watched).filter_map(Path::file_name).collect();
        assert_eq!(differing, ["named"], "{key}");
    }
}

/// To open a pipe is to wait for its writer.
#[test]
fn a_pipe_in_the_place_of_any_file_is_a_problem_and_holds_nothing_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let path = folder.path().join("config.toml");
    let tls = ("tls.mode", "\"files\"");
    for (changes, expected) in [
        (&[("allowlist.files", "[\"pipe\"]")][..], &["allowlist.files[0]"][..]),
        (&[("routes[0].allowlist", "{ files = [\"pipe\"] }")], &["routes[0].allowlist.files[0]"]),
        (&[("admin.token", "\"file:pipe\"")], &["admin.token"]),
        (&[("routes[0].template_file", "\"pipe\"")], &["routes[0].template_file"]),
        (&[("upstream.ca", "\"pipe\"")], &["upstream.ca"]),
        (
            &[tls, ("tls.certificate", "\"pipe\""), ("tls.private_key", "\"pipe\"")],
            &["tls.certificate", "tls.private_key"],
        ),
    ] {
        std::fs::write(&path, changed(changes)).expect("written");
        let problems = load_from(&path, variables(&VARIABLES), Timestamp::default());
        let problems = problems.expect_err("a pipe");
        let keys: Vec<_> = problems.iter().map(|problem| &problem.key).collect();
        assert_eq!(keys, expected);
        assert!(problems.iter().all(|problem| problem.what.ends_with("is no regular file")));
    }
    assert!(load_from(&pipe, [], Timestamp::default()).is_err());
}

#[test]
fn reading_again_leaves_the_open_spool_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    // A folder where the file should be: whoever tries to open it finds a problem.
    let text = changed(&[
        ("spool.path", "\".\""),
        ("routes[0].secret", "{ query = \"t\", value = \"v\" }"),
    ]);
    std::fs::write(&path, text).expect("written");
    assert!(load_from(&path, [], Timestamp::default()).is_err());
    assert!(reload(&path, InForce::default()).is_ok());
}

#[test]
fn a_missing_file_is_a_problem() {
    let path = PathBuf::from("/nonexistent/config.toml");
    let problems = load_from(&path, [], Timestamp::default()).expect_err("missing");
    assert_eq!(problems.iter().count(), 1);
    assert!(problems.to_string().contains("/nonexistent/config.toml"), "{problems}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever is in the file, the answer is settings or problems.
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}", at in 0..12_000_usize, cut in 0..200_usize) {
        let path = Path::new("config.toml");
        let mutilated: String = DEFAULTS
            .chars()
            .enumerate()
            .filter(|(position, _)| !(at..at + cut).contains(position))
            .map(|(_, character)| character)
            .collect();
        for text in [text.clone(), mutilated.clone() + &text, text + &mutilated] {
            let _: Option<Problems> = parse(&text, path, [], Timestamp::default()).err();
        }
    }
}
