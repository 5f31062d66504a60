//! Suites that others wrote. `tests/corpora/fetch` brings them, and `POSTGATE_CORPORA` says where
//! they are; without it these tests say so and pass. With it a corpus that is missing fails.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use postgate::event::{Format, Input, Kind, Limits, Rules, convert};
use serde_json::Value;

/// What is read as its format and is no event: rules of ours about events, each with its reason.
const NO_EVENT: [&str; 3] = [
    // An event says something.
    "there is no field in it",
    "the root element holds text and no fields",
    // Duplicate names: never "last one wins".
    "two different values",
];

/// Well-formed by the W3C's suite, and refused: their names begin with a colon or hold two, which
/// Namespaces in XML 1.0 section 3 does not allow.
const REFUSED_ON_PURPOSE: [&str; 2] = ["o-p04pass1", "o-p05pass1"];

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// An event, or no event for a rule of [`NO_EVENT`].
    Read,
    Refused(String),
}

fn outcome(format: Format, body: &[u8]) -> Outcome {
    let mut rules = Rules::of(Kind::Custom);
    rules.format = Some(format);
    rules.limits = Limits { depth: Limits::DEEPEST, fields: 100_000 };
    match convert(&Input { body, ..Input::default() }, &rules) {
        Ok(_) => Outcome::Read,
        Err(malformed) if NO_EVENT.iter().any(|reason| malformed.reason.starts_with(reason)) => {
            Outcome::Read
        }
        Err(malformed) => Outcome::Refused(malformed.reason),
    }
}

#[test]
fn the_w3c_xml_suite_is_read_as_it_says() {
    let Some(root) = corpus("xmlconf") else { return };
    let documents = Document::all(&root);
    assert!(documents.len() > 2500, "only {} documents", documents.len());

    let (typed, plain): (Vec<_>, Vec<_>) = documents.into_iter().partition(Document::has_doctype);
    assert!(typed.len() >= 1947, "only {} with a DOCTYPE", typed.len());
    let read = typed.iter().filter(|document| document.outcome() == Outcome::Read);
    let read: Vec<_> = read.map(|document| &document.id).collect();
    assert!(read.is_empty(), "a DOCTYPE was accepted: {read:?}");

    let mut wrong = Vec::new();
    let mut counts = BTreeMap::new();
    for document in plain.iter().filter(|document| document.is_of_our_edition()) {
        let is_sound = match document.attribute("TYPE") {
            "valid" | "invalid" => true,
            "not-wf" => false,
            // Optional errors: a reader may say either.
            _ => continue,
        };
        *counts.entry(is_sound).or_insert(0) += 1;
        let wanted = is_sound && !REFUSED_ON_PURPOSE.contains(&document.id.as_str());
        let outcome = document.outcome();
        if (outcome == Outcome::Read) != wanted {
            wrong.push(format!("{}: {outcome:?}", document.id));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts[&true] >= 70 + 2 && counts[&false] >= 207, "{counts:?}");
}

#[test]
fn the_json_suite_is_read_as_it_says() {
    let Some(root) = corpus("json") else { return };
    let text = fs::read_to_string(root.join("parsing.js")).unwrap();
    // A module of one list, which is JSON.
    let list = text.get(text.find('[').unwrap()..=text.rfind(']').unwrap()).unwrap();
    let cases: Vec<Value> = serde_json::from_str(list).unwrap();
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::new();
    for case in &cases {
        let (name, input) = (case["name"].as_str().unwrap(), case["input"].as_str().unwrap());
        let wrapped = format!("{{\"a\":{input}}}");
        let outcomes = [input, &wrapped].map(|body| outcome(Format::Json, body.as_bytes()));
        let kind = name.split('_').next().unwrap();
        *counts.entry(kind).or_insert(0) += 1;
        let is_right = match kind {
            "y" => outcomes[1] == Outcome::Read,
            "n" => !outcomes.contains(&Outcome::Read),
            // Up to the reader: no panic is all that is asked.
            _ => true,
        };
        if !is_right {
            wrong.push(format!("{name}: {outcomes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts["y"] >= 95 && counts["n"] >= 188, "{counts:?}");
}

#[test]
fn xml_bombs_are_refused() {
    let Some(root) = corpus("bombs") else { return };
    let mut bombs = 0;
    for path in files(&root) {
        let body = fs::read(&path).unwrap();
        let is_bomb = holds(&body, b"<!DOCTYPE");
        bombs += usize::from(is_bomb);
        let outcome = outcome(Format::Xml, &body);
        assert_eq!(outcome == Outcome::Read, !is_bomb, "{}: {outcome:?}", path.display());
    }
    assert!(bombs >= 6, "only {bombs} bombs");
}

/// One test of the W3C's suite.
struct Document {
    id: String,
    attributes: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Document {
    /// The documents of every catalog under `root`.
    fn all(root: &Path) -> Vec<Self> {
        let catalogs = files(root).into_iter().filter(|path| {
            path.extension().is_some_and(|end| end == "xml")
                && holds(&fs::read(path).unwrap(), b"<TEST ")
        });
        catalogs.flat_map(|catalog| Self::listed(&catalog)).collect()
    }

    fn listed(catalog: &Path) -> Vec<Self> {
        let text = String::from_utf8_lossy(&fs::read(catalog).unwrap()).into_owned();
        // Some tests are commented out.
        let live = text.split("<!--").map(|part| part.rsplit("-->").next().unwrap());
        let live: String = live.collect();
        live.split("<TEST ").skip(1).map(|test| Self::of(test, catalog)).collect()
    }

    /// `test` begins with the attributes of its `TEST` element.
    fn of(test: &str, catalog: &Path) -> Self {
        let mut attributes = BTreeMap::new();
        let mut rest = test.split('>').next().unwrap();
        while let Some((name, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let quote = after.chars().next().unwrap();
            let (value, after) = after.split_once(quote).unwrap().1.split_once(quote).unwrap();
            attributes.insert(name.trim().to_owned(), value.to_owned());
            rest = after;
        }
        let path = catalog.with_file_name(&attributes["URI"]);
        let body = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { id: attributes["ID"].clone(), attributes, body }
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// One that counts: not in a comment, an instruction or a section.
    fn has_doctype(&self) -> bool {
        let narrow: Vec<u8> = self.body.iter().copied().filter(|&byte| byte != 0).collect();
        let mut text = String::from_utf8_lossy(&narrow).into_owned();
        for (open, close) in [("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>")] {
            let pieces = text.split(open).enumerate().map(|(place, piece)| match place {
                0 => piece,
                _ => piece.split_once(close).map_or("", |(_, after)| after),
            });
            text = pieces.collect();
        }
        text.contains("<!DOCTYPE")
    }

    /// XML 1.0, fifth edition; XML 1.1 is not read.
    fn is_of_our_edition(&self) -> bool {
        let edition = self.attribute("EDITION");
        let is_of_1_1 = matches!(self.attribute("RECOMMENDATION"), "XML1.1" | "NS1.1");
        !is_of_1_1 && (edition.is_empty() || edition.contains('5'))
    }

    fn outcome(&self) -> Outcome {
        outcome(Format::Xml, &self.body)
    }
}

fn corpus(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("POSTGATE_CORPORA") else {
        // Not by `println!`, which is kept from view while a test passes.
        let how = "tests/corpora/fetch && POSTGATE_CORPORA=target/corpora cargo test";
        let line = format!("\nskipped {name}; to run it: {how}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root).join(name);
    assert!(root.is_dir(), "no corpus at {}: run tests/corpora/fetch", root.display());
    Some(root)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Every file under `folder`, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
