//! `[[routes]]`.

use std::collections::BTreeMap;

use http::Method;
use http::uri::PathAndQuery;

use super::key::Key;
use super::raw::RawRoute;
use super::report::Report;
use super::template::template;
use super::upstream::Draft;
use super::word::word;
use super::{Route, allowlist, exchange};
use crate::event::{self, Format, Kind, Rules};
use crate::ingress::{Delivery, OnMalformed, RouteSecret, SecretPlace};
use crate::{deliver, ingress};

/// A name is a label of every metric and a column of every list.
const MOST_NAME_BYTES: usize = 64;
const MOST_PATH_BYTES: usize = 1024;
/// More routes than impact.com has accounts and kinds, by far; each has a delivery loop.
const MOST_ROUTES: usize = 1000;

/// The routes without a problem; `limits` is `None` when `[limits]` has one.
pub(super) fn routes(
    raw: Vec<RawRoute>,
    base: &Draft,
    limits: Option<event::Limits>,
    report: &mut Report,
) -> Vec<Route> {
    let key = Key::top("routes");
    let number = raw.len();
    if !(1..=MOST_ROUTES).contains(&number) {
        let what = format!("there are {number} routes");
        let mend =
            format!("add a [[routes]] table with name, path and kind; {MOST_ROUTES} at most");
        report.problem(&key, what, mend);
    }
    duplicates(&raw, &key, report);
    let read = raw.into_iter().enumerate();
    read.filter_map(|(index, raw)| route(raw, &key.at(index), base, limits, report)).collect()
}

fn route(
    raw: RawRoute,
    key: &Key,
    base: &Draft,
    limits: Option<event::Limits>,
    report: &mut Report,
) -> Option<Route> {
    let name = name(&raw.name, &key.child("name"), report);
    let path = path(&raw.path, &key.child("path"), report);
    let methods = methods(&raw.methods, &key.child("methods"), report);
    let (allowlist, listed) = allowlist::narrowed(&raw.allowlist, &key.child("allowlist"), report);
    let deliveries = [("queued", Delivery::Queued), ("direct", Delivery::Direct)];
    let delivery = word(report, &key.child("delivery"), &raw.delivery, &deliveries);
    let choices = [("quarantine", OnMalformed::Quarantine), ("accept", OnMalformed::Accept)];
    let on_malformed = word(report, &key.child("on_malformed"), &raw.on_malformed, &choices);
    let secret = exchange::secret(raw.secret.as_ref(), &key.child("secret"), report);
    let reply = exchange::reply(&raw.reply, &key.child("reply"), report);
    let rules = rules(&raw, key, secret.as_ref(), limits, report);
    let rules = template(&raw.template_file, &key.child("template_file"), rules, report);

    let at = key.child("upstream");
    let (upstream, retry) = raw.upstream.split();
    let draft = base.with((&at, &upstream), (&at, &retry), report);
    let (upstream, retry) = draft.settings()?;
    let (name, path, rules) = (name?, path?, rules?);
    Some(Route {
        deliver: deliver::RouteSettings {
            name: name.as_str().into(),
            path: path.clone(),
            kind: rules.kind.as_str(),
            upstream,
            retry,
        },
        ingress: ingress::RouteSettings {
            name: name.into(),
            path,
            methods: methods?,
            allowlist,
            delivery: delivery?,
            rules,
            on_malformed: on_malformed?,
            secret,
            reply: reply?,
        },
        listed,
    })
}

fn rules(
    raw: &RawRoute,
    key: &Key,
    secret: Option<&RouteSecret>,
    limits: Option<event::Limits>,
    report: &mut Report,
) -> Option<Rules> {
    let kinds = Kind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = word(report, &key.child("kind"), &raw.kind, &kinds);
    let formats = [
        ("auto", None),
        ("json", Some(Format::Json)),
        ("xml", Some(Format::Xml)),
        ("form", Some(Format::Form)),
        ("query", Some(Format::Query)),
    ];
    let format = word(report, &key.child("format"), &raw.format, &formats);
    let kind = kind?;
    for (name, canonical) in &raw.fields {
        let at = key.child("fields").child(name);
        if name.is_empty() {
            report.problem(&at, "has no name", "write the key that you use at impact.com");
        }
        if let Some(what) = event::unknown_field(kind, canonical) {
            report.problem(&at, what, "name a canonical field of this kind");
        }
    }
    let ordered = (!raw.key.is_empty()).then(|| raw.key.clone());
    if let Some(what) = ordered.as_deref().and_then(|name| event::unknown_field(kind, name)) {
        let mend = "name a canonical field of this kind, or leave it empty for the kind's own";
        report.problem(&key.child("key"), what, mend);
    }
    let secret_parameter = match secret.map(|secret| &secret.place) {
        Some(SecretPlace::Query(name)) => Some(name.clone()),
        Some(SecretPlace::Header(_)) | None => None,
    };
    Some(Rules {
        kind,
        format: format?,
        fields: raw.fields.clone(),
        key: ordered,
        secret_parameter,
        limits: limits?,
        template: None,
    })
}

fn name(text: &str, key: &Key, report: &mut Report) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let what = if text.is_empty() {
        "is missing"
    } else if text.len() > MOST_NAME_BYTES {
        "is longer than 64 characters"
    } else if !text.bytes().all(allowed) {
        "has other characters than letters, digits, - _ ."
    } else {
        return Some(text.to_owned());
    };
    report.problem(key, what, "write a short name such as \"actions\"; lists and metrics show it");
    None
}

fn path(text: &str, key: &Key, report: &mut Report) -> Option<String> {
    let what = if text.is_empty() {
        "is missing"
    } else if !text.starts_with('/') {
        "does not start with /"
    } else if text.contains(['?', '#']) {
        "has a query or a fragment; a route is its path alone"
    } else if text.len() > MOST_PATH_BYTES {
        "is longer than 1024 bytes"
    } else if !text.is_ascii() || text.parse::<PathAndQuery>().is_err() {
        "has characters that no request line can have; write them as %XX"
    } else {
        return Some(text.to_owned());
    };
    let mend = "write the path as it stands in the URL, such as \"/postback/actions\"";
    report.problem(key, what, mend);
    None
}

fn methods(texts: &[String], key: &Key, report: &mut Report) -> Option<Vec<Method>> {
    let choices = [
        ("GET", Method::GET),
        ("POST", Method::POST),
        ("PUT", Method::PUT),
        ("PATCH", Method::PATCH),
    ];
    if texts.is_empty() {
        report.problem(key, "is empty", "write [\"GET\", \"POST\"]");
    }
    let mut methods = Vec::new();
    let mut whole = !texts.is_empty();
    for (index, text) in texts.iter().enumerate() {
        match word(report, &key.at(index), text, &choices) {
            Some(method) if methods.contains(&method) => {}
            Some(method) => methods.push(method),
            None => whole = false,
        }
    }
    whole.then_some(methods)
}

/// A name is a queue, and a path with a method is one route's alone.
fn duplicates(raw: &[RawRoute], key: &Key, report: &mut Report) {
    let mut names = BTreeMap::new();
    let mut doors = BTreeMap::new();
    for (index, route) in raw.iter().enumerate() {
        let at = key.at(index);
        if !route.name.is_empty()
            && let Some(first) = names.insert(route.name.as_str(), index)
        {
            let what = format!("{:?} is the name of routes[{first}] already", route.name);
            report.problem(&at.child("name"), what, "give each route a name of its own");
        }
        for method in &route.methods {
            let taken = doors.insert((route.path.as_str(), method.as_str()), index);
            if let Some(first) = taken.filter(|first| *first != index && !route.path.is_empty()) {
                let what = format!("{method} {} belongs to routes[{first}] already", route.path);
                let mend = "give each route a path of its own, or other methods";
                report.problem(&at.child("path"), what, mend);
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load, problems, route, settings};

    fn keys(text: &str) -> Vec<String> {
        match load(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|problem| problem.key.clone()).collect(),
        }
    }

    #[test]
    fn none_are_refused() {
        let error =
            load("[tls]\nmode = \"off\"\n[allowlist]\nallow_any = true\n").expect_err("no route");
        assert!(error.iter().any(|problem| problem.key == "routes"));
    }

    #[test]
    fn name_path_and_kind_must_be_there() {
        let found = keys(&route("[[routes]]"));
        assert_eq!(found, ["routes[0].kind", "routes[0].name", "routes[0].path"]);
    }

    #[test]
    fn each_key_at_its_edge() {
        let long = |letters: usize| format!("{:?}", "n".repeat(letters));
        let path = |letters: usize| format!("\"/{}\"", "p".repeat(letters));
        for (key, good, bad) in [
            ("name", long(64), long(65)),
            ("name", "\"a-b_c.1\"".into(), "\"a b\"".into()),
            ("path", path(1023), path(1024)),
            ("path", "\"/a%20b\"".into(), "\"/a b\"".into()),
            ("path", "\"/\"".into(), "\"a\"".into()),
            ("path", "\"/a\"".into(), "\"/a?b\"".into()),
            ("methods", "[\"PUT\"]".into(), "[]".into()),
            ("kind", "\"action\"".into(), "\"acton\"".into()),
            ("delivery", "\"direct\"".into(), "\"queue\"".into()),
            ("format", "\"query\"".into(), "\"yaml\"".into()),
            ("on_malformed", "\"accept\"".into(), "\"drop\"".into()),
            ("template_file", "\"\"".into(), "\"t.json\"".into()),
            ("reply.success_status", "200".into(), "199".into()),
            ("reply.success_status", "299".into(), "300".into()),
            ("reply.error_body", long(65536), long(65537)),
        ] {
            let key = format!("routes[0].{key}");
            assert_eq!(problems(&[(&key, &good)]), [""; 0], "{key} = {good}");
            assert_eq!(problems(&[(&key, &bad)]), [key.as_str()], "{key} = {bad}");
        }
        let methods = problems(&[("routes[0].methods", r#"["get", "POST", "DELET"]"#)]);
        assert_eq!(methods, ["routes[0].methods[0]", "routes[0].methods[2]"]);
    }

    #[test]
    fn names_and_doors_are_given_once() {
        let route = |name: &str, methods: &str| {
            format!(
                "[[routes]]\nname = \"{name}\"\npath = \"/p\"\nkind = \"action\"\n\
                 methods = {methods}\n"
            )
        };
        let two = |other: &str| super::super::tests::route(&(route("a", "[\"GET\"]") + other));
        assert_eq!(keys(&two(&route("b", "[\"POST\"]"))), [""; 0]);
        assert_eq!(keys(&two(&route("b", "[\"POST\", \"GET\"]"))), ["routes[1].path"]);
        assert_eq!(keys(&two(&route("a", "[\"POST\"]"))), ["routes[1].name"]);
    }

    #[test]
    fn an_upstream_of_its_own_changes_what_it_names() {
        let set = settings(&[
            ("upstream.timeout", "\"3s\""),
            ("routes[0].upstream", r#"{ url = "http://10.0.0.1/x", max_age = "1h" }"#),
        ]);
        let route = &set.routes[0].deliver;
        assert_eq!(route.upstream.timeout.as_secs(), 3);
        assert_eq!(route.retry.max_age.as_secs(), 3600);
        assert_eq!(route.retry.initial.as_secs(), 1, "the default");
        let bad = problems(&[("routes[0].upstream", r#"{ initial = "1h", timeut = "1s" }"#)]);
        assert_eq!(bad, ["routes[0].upstream.initial", "routes[0].upstream.timeut"]);
    }
}
