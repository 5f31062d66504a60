//! The house rules that no lint knows. They read the sources; each tells every offender at once, as
//! `file:line: what`.

mod code;
mod imports;
mod papers;
mod shape;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// One file of the repository.
struct Source {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// For tests of the rules.
    fn planted(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Offence {
    path: String,
    line: usize,
    what: String,
}

impl Offence {
    fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

#[test]
fn stages_import_only_what_the_map_allows() {
    none(sources("src").iter().flat_map(imports::check));
}

#[test]
fn files_are_short() {
    none(sources("src").iter().filter_map(shape::length));
}

#[test]
fn every_stage_says_what_comes_in_what_goes_out_and_what_never() {
    none(sources("src").iter().filter_map(shape::face));
}

#[test]
fn files_are_named_after_what_they_hold() {
    let all = sources("src").into_iter().chain(sources("tests"));
    none(all.flat_map(|source| shape::name(&source)));
}

#[test]
fn ignored_tests_say_why() {
    let all = sources("src").into_iter().chain(sources("tests"));
    none(all.flat_map(|source| shape::ignored(&source)));
}

#[test]
fn every_dependency_has_its_reason_on_the_map() {
    none(papers::dependencies(&file("Cargo.toml"), &file("ARCHITECTURE.md")).into_iter());
}

#[test]
fn every_paper_that_is_named_is_there() {
    let mut papers = Vec::new();
    for folder in ["", "bench", "docs", "src/spool", "tests/golden"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                papers.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let all = ["src", "benches", "fuzz/src", "fuzz/targets"].into_iter().flat_map(sources);
    none(all.flat_map(|source| papers::missing(&source, &papers)));
}

#[test]
fn every_key_stands_in_the_readme() {
    let defaults = file("config.toml");
    assert!(papers::keys(&defaults.text).len() > 50, "the keys are found");
    none(papers::undocumented(&defaults, &file("README.md")).into_iter());
}

/// The image is built from a part of the tree; a target whose file is not there ends the build.
#[test]
fn the_image_has_a_stand_in_for_every_target() {
    let manifest: toml::Table = file("Cargo.toml").text.parse().unwrap();
    let dockerfile = file("Dockerfile").text;
    let targets = |kind: &str| manifest[kind].as_array().unwrap().clone();
    for target in [targets("bin"), targets("bench"), targets("test")].concat() {
        let named = || format!("benches/{}.rs", target["name"].as_str().unwrap());
        let path = target.get("path").map_or_else(named, |path| path.as_str().unwrap().to_owned());
        assert!(dockerfile.contains(&path), "{path} is not in the Dockerfile");
    }
}

/// Panics with the whole list, so that one run mends all.
fn none(offences: impl Iterator<Item = Offence>) {
    let list: Vec<String> = offences.map(|offence| offence.to_string()).collect();
    assert!(list.is_empty(), "{} found:\n{}", list.len(), list.join("\n"));
}

/// Every Rust file under `folder`, in a fixed order.
fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "no Rust file under {folder}: the rules would hold for nothing");
    paths.iter().map(|path| read(path)).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A missing file counts as empty: the rules then say what it lacks.
fn file(path: &str) -> Source {
    let full = root().join(path);
    if full.exists() { read(&full) } else { Source::planted(path, "") }
}

fn read(path: &Path) -> Source {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let path = path.strip_prefix(root()).unwrap();
    Source { path: path.to_str().unwrap().replace('\\', "/"), text }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
