//! What the papers must say about the code.

use std::path::Path;

use super::{Offence, Source};

/// Every dependency in `manifest` needs a list item in `map` that begins with its name: "* `hyper`:
/// reason". An item may name several: "* `http`, `http-body-util`: reason". One that no longer is a
/// dependency is an offence as well.
pub(super) fn dependencies(manifest: &Source, map: &Source) -> Vec<Offence> {
    let used = used(&manifest.text);
    let explained = explained(&map.text);
    let unexplained = used
        .iter()
        .filter(|(_, name)| !explained.iter().any(|(_, known)| known == name))
        .map(|(line, name)| {
            let what = format!("`{name}` has no reason: add \"* `{name}`: …\" to {}", map.path);
            Offence::new(manifest, *line, what)
        });
    let gone = explained
        .iter()
        .filter(|(_, name)| !used.iter().any(|(_, known)| known == name))
        .map(|(line, name)| {
            Offence::new(map, *line, format!("`{name}` is explained but not a dependency"))
        });
    unexplained.chain(gone).collect()
}

/// Every key that the defaults show needs its place in the README, written in full: `spool.path`.
pub(super) fn undocumented(defaults: &Source, readme: &Source) -> Vec<Offence> {
    let missing = keys(&defaults.text)
        .into_iter()
        .filter(|(_, key)| !readme.text.contains(&format!("`{key}`")));
    missing
        .map(|(line, key)| {
            Offence::new(defaults, line, format!("`{key}` is not in {}", readme.path))
        })
        .collect()
}

/// Every paper that a source sends its reader to must be one of `papers`, by the names of the files.
pub(super) fn missing(source: &Source, papers: &[String]) -> Vec<Offence> {
    let no_name = |letter: char| !letter.is_ascii_alphanumeric() && !"._-".contains(letter);
    let mut offences = Vec::new();
    for (line, text) in (1..).zip(source.text.lines()) {
        let named = text
            .split(no_name)
            .filter(|word| Path::new(word).extension().is_some_and(|extension| extension == "md"));
        let gone = named.filter(|word| papers.iter().all(|paper| paper != word));
        offences.extend(gone.map(|word| Offence::new(source, line, format!("there is no {word}"))));
    }
    offences
}

/// The keys that stand in a configuration, with their lines.
pub(super) fn keys(text: &str) -> Vec<(usize, String)> {
    let mut table = String::new();
    let mut keys = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with('[') {
            text.trim_matches(['[', ']']).clone_into(&mut table);
        } else if !text.starts_with('#')
            && let Some((key, _)) = text.split_once('=')
        {
            keys.push((line, format!("{table}.{}", key.trim())));
        }
    }
    keys
}

/// The keys of every table of dependencies, with their lines.
fn used(manifest: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    let mut within = false;
    for (index, line) in manifest.lines().enumerate() {
        if let Some(table) = line.trim().strip_prefix('[') {
            within = table.trim_end_matches(']').ends_with("dependencies");
        } else if within && !line.trim_start().starts_with('#') {
            let name = line.split(['=', '.']).next().unwrap_or_default().trim();
            if !name.is_empty() && line.contains('=') {
                names.push((index + 1, name));
            }
        }
    }
    names
}

/// The names in backticks before the colon of the list items under the heading that speaks of
/// dependencies, and under its subheadings.
fn explained(map: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    let mut section: Option<usize> = None;
    for (index, line) in map.lines().enumerate() {
        let depth = line.chars().take_while(|c| *c == '#').count();
        if depth > 0 && line.to_ascii_lowercase().contains("dependenc") {
            section = Some(depth);
        } else if depth > 0 {
            section = section.filter(|of_section| depth > *of_section);
        } else if section.is_some()
            && let Some(item) = line.trim_start().strip_prefix("* `")
        {
            let head = item.split(':').next().unwrap_or_default();
            let parts = head.split(',').map(|part| part.trim().trim_matches('`'));
            names.extend(parts.map(|name| (index + 1, name)));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"x\"\n\n[dependencies]\n# why\nhttp = \"1\"\n\
        hyper = { version = \"1\" }\n\n\
        [dev-dependencies]\nproptest.workspace = true\n\n[lints.rust]\nunsafe_code = \"forbid\"\n";

    fn found(map: &str) -> Vec<String> {
        let manifest = Source::planted("Cargo.toml", MANIFEST);
        let map = Source::planted("ARCHITECTURE.md", map);
        let offences = dependencies(&manifest, &map);
        offences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reasons_for_all_are_enough() {
        let map = "## Stages\n* `net`: not a crate\n## Dependencies\n* `http`, `hyper`: HTTP.\n\
            ### In tests alone\n* `proptest`: tests.\n## Metrics\n* `bytes`: not a crate\n";
        assert!(found(map).is_empty());
    }

    #[test]
    fn a_dependency_without_reason_is_found_with_its_line() {
        let offences = found(
            "## Dependencies\n* `http`: types. Unlike `hyper`, small.\n* `proptest`: tests.\n",
        );
        let expected =
            "Cargo.toml:7: `hyper` has no reason: add \"* `hyper`: …\" to ARCHITECTURE.md";
        assert_eq!(offences, [expected]);
        assert_eq!(found("").len(), 3);
    }

    #[test]
    fn a_reason_for_what_is_gone_is_found() {
        let map = "# Dependencies\n* `http`: a\n* `hyper`: b\n* `tower`: c\n* `proptest`: d\n";
        assert_eq!(found(map), ["ARCHITECTURE.md:4: `tower` is explained but not a dependency"]);
    }

    #[test]
    fn finds_a_key_without_a_place_in_the_readme() {
        let defaults =
            Source::planted("config.toml", "# a = 1\n[one]\nkey = 1\n[[two]]\nother = 2\n");
        let readme = Source::planted("README.md", "| `one.key` | and two.other |");
        let found: Vec<String> =
            undocumented(&defaults, &readme).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["config.toml:5: `two.other` is not in README.md"]);
    }

    #[test]
    fn a_paper_that_is_not_there_is_found() {
        let text = "//! See LIFECYCLE.md,\n//! (GONE.md \"Fields\") and `../LIFECYCLE.md`.\n";
        let source = Source::planted("src/a.rs", text);
        let found: Vec<_> = missing(&source, &["LIFECYCLE.md".to_owned()])
            .into_iter()
            .map(|offence| offence.to_string())
            .collect();
        assert_eq!(found, ["src/a.rs:2: there is no GONE.md"]);
    }
}
