//! Which stage may name which: the rules behind the flow.

use super::code;
use super::{Offence, Source};

/// A stage and the stages that it may name.
const ALLOWED: [(&str, &str); 14] = [
    ("main", "cli"),
    ("cli", "admin app clock config deliver event ingress net spool telemetry"),
    ("app", "admin clock config deliver event ingress net spool telemetry"),
    ("config", "admin clock deliver event ingress net spool telemetry"),
    ("ingress", "clock event ledger net spool telemetry"),
    ("deliver", "clock spool telemetry turns"),
    ("admin", "clock spool telemetry"),
    ("spool", "clock telemetry"),
    ("net", "clock ledger telemetry turns"),
    ("telemetry", "clock"),
    ("event", ""),
    ("clock", ""),
    ("ledger", ""),
    ("turns", ""),
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
    let mut offences: Vec<_> = named(&code, depth(&source.path))
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

fn allowed(stage: &str) -> Option<Vec<&'static str>> {
    let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == stage)?;
    Some(allowed.split_whitespace().collect())
}

/// The first segment after each `crate::` and `postgate::`, and after a chain of `super::` that
/// ends at the root of the crate, with its place; in groups too. `depth` is the file's module's.
fn named(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for root in ["crate::", "postgate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let (before, path) = code.split_at(at);
            // The end of a longer word, or of a chain that was looked at from its start.
            if before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                || (root == "super::" && before.ends_with("super::"))
            {
                continue;
            }
            let tail = path.trim_start_matches(root);
            let climbed = (path.len() - tail.len()) / root.len();
            if root == "super::" && climbed < depth + inline(before) {
                continue;
            }
            let start = code.len() - tail.len();
            match tail.strip_prefix('{') {
                Some(group) => found.extend(firsts(group, start + 1)),
                None => found.push((start, word(tail))),
            }
        }
    }
    found
}

/// How many modules the file's own is below the root: 1 for `src/net/mod.rs` and `src/clock.rs`.
fn depth(path: &str) -> usize {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix("/mod.rs").unwrap_or(inner);
    match inner {
        "lib.rs" | "main.rs" => 0,
        _ => inner.split('/').count(),
    }
}

/// How many modules written in place, such as `mod tests {`, are open where `before` ends.
fn inline(before: &str) -> usize {
    let mut open = Vec::new();
    for (at, c) in before.char_indices() {
        match c {
            '{' => {
                let head = before.get(..at).unwrap_or_default().trim_end();
                let head = head.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
                open.push(head.trim_end().ends_with("mod") && head.ends_with(char::is_whitespace));
            }
            '}' => drop(open.pop()),
            _ => {}
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
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
        assert_eq!(found("src/net/a/mod.rs", "use super::super::{spool, event};").len(), 2);
        let test = "fn a() {}\nmod tests {\n    fn b() {}\n    use super::super::super::cli;\n}";
        assert_eq!(
            found("src/event/json.rs", test),
            ["src/event/json.rs:4: `event` must not name `cli`"]
        );
    }

    #[test]
    fn a_file_of_the_stage_may_have_the_name_of_another_stage() {
        assert!(found("src/spool/lease.rs", "use super::event::Row;").is_empty());
        assert!(found("src/spool/sqlite/write.rs", "use super::super::event::Row;").is_empty());
        let test = "mod tests { use super::super::event::Row; }";
        assert!(found("src/spool/lease.rs", test).is_empty());
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
            let stages = ALLOWED.iter().map(|(stage, _)| *stage);
            let naming = stages.filter(|stage| allowed(stage).unwrap().contains(&wanted));
            naming.collect::<Vec<_>>()
        };
        assert_eq!(naming("config"), ["cli", "app"]);
        assert_eq!(naming("cli"), ["main"]);
    }
}
