//! Which stage may name which: the rules behind the flow.

use super::code;
use super::{Offence, Source};

/// A stage and the stages that it may name; a name ends the search from `crate::`, `postgate::` or
/// through `super`.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("main", &["cli"]),
    (
        "cli",
        &[
            "app",
            "admin",
            "clock",
            "config",
            "deliver",
            "event",
            "ingress",
            "net",
            "spool",
            "telemetry",
        ],
    ),
    (
        "app",
        &["admin", "clock", "config", "deliver", "event", "ingress", "net", "spool", "telemetry"],
    ),
    ("config", &["admin", "clock", "deliver", "event", "ingress", "net", "spool", "telemetry"]),
    ("ingress", &["clock", "event", "net", "spool", "telemetry"]),
    ("deliver", &["clock", "spool", "telemetry"]),
    ("admin", &["clock", "spool", "telemetry"]),
    ("spool", &["clock", "telemetry"]),
    ("net", &["clock", "telemetry"]),
    ("telemetry", &["clock"]),
    ("event", &[]),
    ("clock", &[]),
];

/// What this file may not name, and does.
pub(super) fn check(source: &Source) -> Vec<Offence> {
    let stage = stage(&source.path);
    if stage == "lib" {
        return Vec::new();
    }
    let Some(allowed) = allowed(stage) else {
        let what = format!("`{stage}` has no line in the table of imports");
        return vec![Offence::new(source, 1, what)];
    };
    let code = code::only(&source.text);
    let mut offences: Vec<_> = named(&code)
        .into_iter()
        .filter(|(_, name)| *name != stage && self::allowed(name).is_some())
        .filter(|(_, name)| !allowed.contains(name))
        .map(|(at, name)| {
            let line = code::line(&code, at);
            Offence::new(source, line, format!("`{stage}` must not name `{name}`"))
        })
        .collect();
    offences.sort_by_key(|offence| offence.line);
    offences
}

/// `src/spool/sqlite.rs` and `src/spool.rs` are `spool`.
fn stage(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let end = inner.find(['/', '.']).unwrap_or(inner.len());
    inner.get(..end).unwrap_or(inner)
}

fn allowed(stage: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(name, _)| *name == stage).map(|(_, allowed)| *allowed)
}

/// The first segment after each `crate::` and `postgate::`, with its place, in groups too.
///
/// A path through `super` is looked at whatever its depth: no stage has a file with the name of a
/// stage that it may not name.
fn named(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for root in ["crate::", "postgate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let before = code.get(..at).unwrap_or_default();
            if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let start = at + root.len();
            let tail = code.get(start..).unwrap_or_default();
            match tail.strip_prefix('{') {
                Some(group) => found.extend(firsts(group, start + 1)),
                None => found.push((start, word(tail))),
            }
        }
    }
    found
}

/// The first segments of the items of a group whose `{` has been read; `offset` is where `group`
/// starts.
fn firsts(group: &str, offset: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut depth = 0;
    let mut at_start = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if c.is_whitespace() => {}
            _ if at_start => {
                at_start = false;
                found.push((offset + at, word(group.get(at..).unwrap_or_default())));
            }
            _ => {}
        }
    }
    found
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let offences = check(&Source::planted(path, text));
        offences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_planted_import_is_found_where_it_stands() {
        assert_eq!(
            found(
                "src/ingress/reply.rs",
                "use crate::event::Event;\n\nuse crate::deliver::Policy;\n"
            ),
            ["src/ingress/reply.rs:3: `ingress` must not name `deliver`"]
        );
        assert_eq!(
            found("src/deliver/mod.rs", "fn f() { crate::ingress::reply() }"),
            ["src/deliver/mod.rs:1: `deliver` must not name `ingress`"]
        );
    }

    #[test]
    fn groups_are_looked_into() {
        let text =
            "use crate::{\n    clock::{Timestamp, config},\n    config::Settings,\n    cli,\n};";
        assert_eq!(
            found("src/spool/mod.rs", text),
            [
                "src/spool/mod.rs:3: `spool` must not name `config`",
                "src/spool/mod.rs:4: `spool` must not name `cli`",
            ]
        );
    }

    #[test]
    fn no_way_round_through_super_or_the_own_name() {
        assert_eq!(found("src/event/mod.rs", "use super::spool::EventId;").len(), 1);
        assert_eq!(found("src/event/json.rs", "use super::super::clock;").len(), 1);
        assert_eq!(found("src/net/tls.rs", "use postgate::spool;").len(), 1);
    }

    #[test]
    fn comments_strings_and_own_names_are_free() {
        let text = "//! Not `crate::config`.\nconst A: &str = \"crate::cli\";\n\
            use crate::event::Kind;\nuse super::xml;";
        assert!(found("src/event/json.rs", text).is_empty());
        assert!(found("src/event/json.rs", "use other_crate::cli;").is_empty());
    }

    #[test]
    fn a_new_stage_needs_a_line_in_the_table() {
        assert_eq!(
            found("src/extra/mod.rs", ""),
            ["src/extra/mod.rs:1: `extra` has no line in the table of imports"]
        );
    }

    #[test]
    fn only_app_and_cli_name_config_and_nobody_names_cli_but_main() {
        let naming = |wanted: &str| {
            let stages = ALLOWED.iter().filter(|(_, allowed)| allowed.contains(&wanted));
            stages.map(|(stage, _)| *stage).collect::<Vec<_>>()
        };
        assert_eq!(naming("config"), ["cli", "app"]);
        assert_eq!(naming("cli"), ["main"]);
    }
}
