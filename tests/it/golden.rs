//! Golden pairs: every input under `tests/golden` and what must come of it. The README there says
//! how they are written. `POSTGATE_BLESS=1` rewrites the outputs; read the difference afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postgate::event::{Event, Format, Input, Kind, Limits, Malformed, Rules, Template, convert};

#[test]
fn every_golden_input_gives_its_output() {
    let inputs = inputs();
    if std::env::var_os("POSTGATE_BLESS").is_some() {
        for input in &inputs {
            fs::write(input.output(), input.run().text).unwrap();
        }
    }
    let mut mismatches = Vec::new();
    for input in &inputs {
        let ran = input.run();
        let wanted = fs::read_to_string(input.output()).unwrap_or_default();
        if ran.text != wanted {
            let shown = input.path.display();
            mismatches.push(format!("{shown}\n  wanted {wanted}  got    {}", ran.text));
        }
        if ran.format.is_some_and(|format| format != input.format) {
            mismatches.push(format!("{} was read as {:?}", input.path.display(), ran.format));
        }
    }
    assert!(
        mismatches.is_empty(),
        "{} of {} differ:\n{}",
        mismatches.len(),
        inputs.len(),
        mismatches.join("\n")
    );
}

#[test]
fn the_golden_inputs_cover_every_kind_in_every_format() {
    let (refused, accepted): (Vec<_>, Vec<_>) =
        inputs().into_iter().partition(|input| input.is_refused);
    assert!(accepted.len() >= 40, "only {} are accepted", accepted.len());
    assert!(refused.len() >= 20, "only {} are refused", refused.len());
    for kind in Kind::ALL {
        for format in Format::ALL {
            assert!(
                accepted.iter().any(|input| input.rules.kind == kind && input.format == format),
                "no {kind} in {format}"
            );
        }
    }
}

/// An output without input is a test that never runs.
#[test]
fn every_golden_output_has_an_input() {
    let wanted: BTreeSet<PathBuf> = inputs().iter().map(GoldenInput::output).collect();
    let found = files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "json" || end == "refused"));
    for path in found {
        assert!(wanted.contains(&path), "{} has no input", path.display());
    }
}

#[test]
fn every_golden_output_converts_to_itself() {
    for input in inputs().iter().filter(|input| !input.is_refused) {
        let body = fs::read(input.output()).unwrap();
        let again = Input { body: &body, ..Input::default() };
        // No template makes a canonical body.
        let rules =
            Rules { format: None, limits: Limits::USUAL, template: None, ..input.rules.clone() };
        let event = convert(&again, &rules).unwrap();
        assert_eq!(
            String::from_utf8(event.to_canonical()).unwrap().trim_end(),
            String::from_utf8(body).unwrap().trim_end(),
            "{}",
            input.path.display()
        );
    }
}

/// One `.in` file.
struct GoldenInput {
    path: PathBuf,
    /// The format in the file's name.
    format: Format,
    is_refused: bool,
    rules: Rules,
    content_type: Option<String>,
    query: Option<String>,
    /// The name of a file under `template`.
    template: Option<String>,
    body: Vec<u8>,
}

struct Ran {
    text: String,
    format: Option<Format>,
}

impl GoldenInput {
    fn run(&self) -> Ran {
        let input = Input {
            content_type: self.content_type.as_deref().map(str::as_bytes),
            query: self.query.as_deref().map(str::as_bytes),
            body: &self.body,
        };
        match (convert(&input, &self.rules), self.is_refused) {
            (Ok(event), false) => Ran { text: canonical(&event), format: Some(event.format()) },
            (Ok(event), true) => Ran {
                text: format!("accepted: {}", canonical(&event)),
                format: Some(event.format()),
            },
            (Err(malformed), true) => Ran { text: reason(&malformed), format: malformed.format },
            (Err(malformed), false) => {
                Ran { text: format!("refused: {}", reason(&malformed)), format: malformed.format }
            }
        }
    }

    /// `reversed.xml.in` → `reversed.json`, so that the formats of one event share their output;
    /// `refused/cut-off.json.in` → `refused/cut-off.json.refused`.
    fn output(&self) -> PathBuf {
        if self.is_refused {
            return self.path.with_extension("refused");
        }
        let name = self.path.file_name().unwrap().to_str().unwrap();
        let name = name.split('.').next().unwrap();
        self.path.with_file_name(format!("{name}.json"))
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read(&path).unwrap();
        let blank = text.windows(2).position(|two| two == b"\n\n").unwrap();
        let body = &text[blank + 2..];
        let name = path.file_name().unwrap().to_str().unwrap();
        let word = name.rsplit('.').nth(1).unwrap();
        let format = Format::ALL.into_iter().find(|format| format.as_str() == word);
        let mut input = Self {
            format: format.unwrap_or_else(|| panic!("{name}: no format in the name")),
            is_refused: path.parent().unwrap().ends_with("refused"),
            rules: Rules::of(Kind::Action),
            content_type: None,
            query: None,
            template: None,
            body: body.strip_suffix(b"\n").unwrap_or(body).to_vec(),
            path,
        };
        for line in str::from_utf8(&text[..blank]).unwrap().lines() {
            let (name, value) = line.split_once(": ").unwrap();
            input.header(name, value);
        }
        input.rules.template = input.template.as_deref().map(|name| input.template(name));
        input
    }

    fn template(&self, name: &str) -> Arc<Template> {
        let text = fs::read_to_string(root().join("template").join(name)).unwrap();
        let template = Template::parse(&text, self.rules.kind, self.rules.format).unwrap();
        Arc::new(match &self.rules.secret_parameter {
            Some(secret) => template.without_parameter(secret).unwrap(),
            None => template,
        })
    }

    fn header(&mut self, name: &str, value: &str) {
        match name {
            "about" => {}
            "kind" => {
                let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == value);
                self.rules.kind = kind.unwrap();
            }
            "format" => {
                let format = Format::ALL.into_iter().find(|known| known.as_str() == value);
                self.rules.format = Some(format.unwrap());
            }
            "content-type" => self.content_type = Some(value.to_owned()),
            "query" => self.query = Some(value.to_owned()),
            "field" => {
                let (key, canonical) = value.split_once(" = ").unwrap();
                let fields = &mut self.rules.fields;
                fields.insert(key.to_owned(), canonical.to_owned());
            }
            "template" => self.template = Some(value.to_owned()),
            "secret" => self.rules.secret_parameter = Some(value.to_owned()),
            "depth" => self.rules.limits.depth = value.parse().unwrap(),
            "fields" => self.rules.limits.fields = value.parse().unwrap(),
            other => panic!("{}: unknown header {other}", self.path.display()),
        }
    }
}

fn canonical(event: &Event<'_>) -> String {
    String::from_utf8(event.to_canonical()).unwrap() + "\n"
}

fn reason(malformed: &Malformed) -> String {
    format!("{malformed}\n")
}

fn inputs() -> Vec<GoldenInput> {
    let files = files().into_iter();
    files
        .filter(|path| path.extension().is_some_and(|end| end == "in"))
        .map(GoldenInput::read)
        .collect()
}

/// Every file under `tests/golden`, sorted.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for topic in fs::read_dir(root()).unwrap() {
        let topic = topic.unwrap().path();
        if topic.is_dir() {
            let entries = fs::read_dir(topic).unwrap();
            files.extend(entries.map(|entry| entry.unwrap().path()));
        }
    }
    files.sort();
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}
