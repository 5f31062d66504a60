//! Golden pairs: every input under `tests/golden` and what must come of it. The README there says
//! how they are written. `POSTGATE_BLESS=1` writes the outputs; read the difference afterwards.

mod case;
mod schema;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use postgate::event::{Format, Input, Kind, Limits, Rules, convert};

use case::Case;

/// How many pairs there are at least, so that none gets lost.
const LEAST_PAIRS: usize = 500;

#[test]
fn every_golden_input_gives_its_output() {
    let cases = Case::all();
    let is_blessed = std::env::var_os("POSTGATE_BLESS").is_some();
    let mut mismatches = Vec::new();
    for case in &cases {
        let outcome = case.run();
        let shown = case.path.display();
        let promised = case.promised();
        // What was accepted and is refused now is never blessed: a person deletes the old output.
        if is_blessed && promised.is_none_or(|path| path == outcome.path) {
            fs::write(&outcome.path, &outcome.text).unwrap();
        }
        let wanted = case.promised().map(|path| (fs::read_to_string(&path).unwrap(), path));
        match wanted {
            Some((text, path)) if path == outcome.path && text == outcome.text => {}
            Some((text, _)) => {
                mismatches.push(format!("{shown}\n  wanted {text}  got    {}", outcome.text));
            }
            None => mismatches.push(format!("{shown} has no output")),
        }
        if outcome.format.is_some_and(|format| format != case.format) {
            mismatches.push(format!("{shown} was read as {:?}", outcome.format));
        }
    }
    assert!(
        mismatches.is_empty(),
        "{} of {} differ:\n{}",
        mismatches.len(),
        cases.len(),
        mismatches.join("\n")
    );
}

#[test]
fn the_golden_inputs_cover_every_kind_in_every_format() {
    let cases = Case::all();
    assert!(cases.len() >= LEAST_PAIRS, "only {} pairs", cases.len());
    for kind in Kind::ALL {
        for format in Format::ALL {
            let is_it = |case: &&Case| case.rules.kind == kind && case.format == format;
            assert!(
                cases.iter().filter(is_it).any(|case| !case.is_refused()),
                "no {kind} in {format}"
            );
        }
    }
}

#[test]
fn every_rule_is_written_down_and_has_a_pair() {
    let readme = fs::read_to_string(case::root().join("README.md")).unwrap();
    let written: BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("* `")?.split_once("`: "))
        .map(|(rule, sentence)| {
            assert!(sentence.ends_with('.'), "{rule}: a sentence in one line");
            rule.to_owned()
        })
        .collect();
    assert_eq!(written, case::rules());
    let shown: BTreeSet<String> = Case::all()
        .iter()
        .map(|case| case.path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(shown, written);
}

/// An output without input is a test that never runs, and one beside another is a contradiction.
#[test]
fn every_golden_output_has_an_input() {
    let wanted: BTreeSet<PathBuf> = Case::all().iter().filter_map(Case::promised).collect();
    let found = case::files().into_iter().filter(|path| !case::ends(path, "in"));
    for path in found {
        assert!(
            wanted.contains(&path),
            "{} has no input, or its input two outputs",
            path.display()
        );
    }
}

#[test]
fn every_golden_output_converts_to_itself() {
    for case in Case::all().iter().filter(|case| !case.is_refused()) {
        let body = fs::read(case.accepted()).unwrap();
        let again = Input { body: &body, ..Input::default() };
        // No template makes a canonical body.
        let rules =
            Rules { format: None, limits: Limits::USUAL, template: None, ..case.rules.clone() };
        let event = convert(&again, &rules).unwrap();
        assert_eq!(
            String::from_utf8(event.to_canonical()).unwrap().trim_end(),
            String::from_utf8(body).unwrap().trim_end(),
            "{}",
            case.path.display()
        );
    }
}

/// What fuzzing has found once: the seeds that are bodies or queries as they come.
#[test]
fn every_seed_of_a_format_converts_to_itself() {
    for format in Format::ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(format.as_str());
        for seed in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let bytes = fs::read(&seed).unwrap();
            let input = match format {
                Format::Query => Input { query: Some(&bytes), ..Input::default() },
                _ => Input { body: &bytes, ..Input::default() },
            };
            for kind in Kind::ALL {
                let rules = Rules { format: Some(format), ..Rules::of(kind) };
                let Ok(event) = convert(&input, &rules) else { continue };
                let body = event.to_canonical();
                let again = Input { body: &body, ..Input::default() };
                let limits = Limits { fields: usize::MAX, ..Limits::USUAL };
                let again = convert(&again, &Rules { limits, ..Rules::of(kind) }).unwrap();
                let shown = seed.display();
                assert_eq!(text(&again.to_canonical()), text(&body), "{shown} as {kind}");
            }
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}
