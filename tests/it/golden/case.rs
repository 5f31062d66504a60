//! A case: an input under `tests/golden` and what conversion must make of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postgate::event::{Event, Format, Input, Kind, Malformed, Rules, Template, convert};

/// The folder that holds no rule, but the templates that cases name.
pub(super) const TEMPLATES: &str = "templates";

/// One `.in` file.
pub(super) struct Case {
    pub(super) path: PathBuf,
    /// The format in the file's name.
    pub(super) format: Format,
    pub(super) rules: Rules,
    content_type: Option<String>,
    query: Option<String>,
    body: Vec<u8>,
}

/// What came of a case.
pub(super) struct Outcome {
    /// Where it belongs.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// As what the input was read, where that was found out.
    pub(super) format: Option<Format>,
}

impl Case {
    pub(super) fn all() -> Vec<Self> {
        let inputs = files().into_iter().filter(|path| ends(path, "in"));
        inputs.map(Self::read).collect()
    }

    pub(super) fn run(&self) -> Outcome {
        let input = Input {
            content_type: self.content_type.as_deref().map(str::as_bytes),
            query: self.query.as_deref().map(str::as_bytes),
            body: &self.body,
        };
        match convert(&input, &self.rules) {
            Ok(event) => Outcome {
                path: self.accepted(),
                text: canonical(&event),
                format: Some(event.format()),
            },
            Err(malformed) => {
                Outcome { path: self.refused(), text: reason(&malformed), format: malformed.format }
            }
        }
    }

    /// The file that says what must come of it. `None`: nothing is said yet.
    pub(super) fn promised(&self) -> Option<PathBuf> {
        let promises = [self.refused(), self.accepted()];
        promises.into_iter().find(|path| path.exists())
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused().exists()
    }

    /// `reversed.xml.in` → `reversed.json`: the formats of one event share their output.
    pub(super) fn accepted(&self) -> PathBuf {
        let name = self.path.file_name().unwrap().to_str().unwrap();
        let name = name.split('.').next().unwrap();
        self.path.with_file_name(format!("{name}.json"))
    }

    /// `cut-off.json.in` → `cut-off.json.refused`.
    pub(super) fn refused(&self) -> PathBuf {
        self.path.with_extension("refused")
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read(&path).unwrap();
        let blank = text.windows(2).position(|two| two == b"\n\n");
        let blank = blank.unwrap_or_else(|| panic!("{}: no blank line", path.display()));
        let body = &text[blank + 2..];
        let name = path.file_name().unwrap().to_str().unwrap();
        let word = name.rsplit('.').nth(1).unwrap();
        let format = Format::ALL.into_iter().find(|format| format.as_str() == word);
        let mut case = Self {
            format: format.unwrap_or_else(|| panic!("{name}: no format in the name")),
            rules: Rules::of(Kind::Action),
            content_type: None,
            query: None,
            body: body.strip_suffix(b"\n").unwrap_or(body).to_vec(),
            path,
        };
        let mut template = None;
        for line in str::from_utf8(&text[..blank]).unwrap().lines() {
            let (name, value) = line.split_once(": ").unwrap();
            match name {
                "template" => template = Some(value),
                _ => case.header(name, value),
            }
        }
        // Last, because it is read by the other lines.
        case.rules.template = template.map(|name| case.template(name));
        case
    }

    fn template(&self, name: &str) -> Arc<Template> {
        let text = fs::read_to_string(root().join(TEMPLATES).join(name)).unwrap();
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
            "secret" => self.rules.secret_parameter = Some(value.to_owned()),
            "depth" => self.rules.limits.depth = value.parse().unwrap(),
            "fields" => self.rules.limits.fields = value.parse().unwrap(),
            other => panic!("{}: unknown line {other}", self.path.display()),
        }
    }
}

fn canonical(event: &Event<'_>) -> String {
    String::from_utf8(event.to_canonical()).unwrap() + "\n"
}

fn reason(malformed: &Malformed) -> String {
    format!("{malformed}\n")
}

pub(super) fn ends(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|end| end == extension)
}

/// The folders of `tests/golden`, each a rule, sorted.
pub(super) fn rules() -> BTreeSet<String> {
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let names = folders.map(|folder| folder.file_name().into_string().unwrap());
    names.filter(|name| name != TEMPLATES).collect()
}

/// Every file of every rule, sorted.
pub(super) fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for rule in rules() {
        let entries = fs::read_dir(root().join(rule)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}
