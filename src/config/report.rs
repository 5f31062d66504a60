//! The desk at which one configuration is read: what it may look at, and the mistakes found so far.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::value::Dict;

use super::allowlist::ListedRange;
use super::document::{Document, Place};
use super::kept::{InForce, TlsFiles};
use super::key::Key;
use super::marks::Marks;
use super::problem::Problem;
use crate::clock::Timestamp;
use crate::ingress::Ranges;

/// Everything a check may look at, and the list it writes to. While the list has a problem, no
/// settings leave this stage; so what stands in for a refused value need only be harmless.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Files whose change is a reason to load the configuration again.
    pub(super) watched: Marks,
    /// The ranges of the allowlist, and where they stand.
    pub(super) listed: Vec<ListedRange>,
    /// Whom the list for all lets in; `None`: everybody, or it was not read.
    pub(super) let_in: Option<Ranges>,
    pub(super) now: Timestamp,
    /// How many files this process may open, where that is known.
    pub(super) descriptors: Option<usize>,
    /// The spool's file is not touched: it is open in this process, or another may have it.
    pub(super) spool_is_left_alone: bool,
    /// What stays where files cannot be used.
    pub(super) in_force: InForce,
    /// Why it stays.
    pub(super) kept: Vec<Problem>,
    /// What is in force next time.
    pub(super) tls_files: TlsFiles,
    file: String,
    folder: PathBuf,
    document: Document,
    variables: BTreeMap<String, String>,
    /// Keys that an environment variable has set, with its name.
    overridden: BTreeMap<Key, String>,
    /// Keys whose value is not of their type: one mistake each is enough.
    broken: Vec<Key>,
}

impl Report {
    pub(super) fn new(
        path: &Path,
        document: Document,
        variables: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        let mut watched = Marks::default();
        watched.add(path);
        Self {
            problems: Vec::new(),
            warnings: Vec::new(),
            watched,
            listed: Vec::new(),
            let_in: None,
            now,
            descriptors: None,
            spool_is_left_alone: false,
            in_force: InForce::default(),
            kept: Vec::new(),
            tls_files: TlsFiles::default(),
            file: path.display().to_string(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            document,
            variables,
            overridden: BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    /// What the file says, before anything is laid over it.
    pub(super) fn values(&self) -> &Dict {
        &self.document.values
    }

    /// Whether no slip of the pen has changed what the file says in these sections.
    pub(super) fn is_sure_of(&self, sections: &[&str]) -> bool {
        self.document.is_sure_of(sections)
    }

    /// Adds a mistake, unless the key's value was already found to be of the wrong type.
    pub(super) fn problem(&mut self, key: &Key, what: impl Into<String>, mend: impl Into<String>) {
        if self.broken.iter().any(|broken| broken.covers(key)) {
            return;
        }
        let problem = self.place(key, what.into(), mend.into());
        self.problems.push(problem);
    }

    /// Adds a mistake about the type of a value, and keeps silent about that key from now on.
    pub(super) fn broken(&mut self, key: &Key, what: impl Into<String>, mend: impl Into<String>) {
        self.problem(key, what, mend);
        self.broken.push(key.clone());
    }

    /// Adds something that works and that the operator should know.
    pub(super) fn warn(&mut self, key: &Key, what: impl Into<String>, mend: impl Into<String>) {
        let warning = self.place(key, what.into(), mend.into());
        self.warnings.push(warning);
    }

    /// Adds something of that kind about a file that `key` names: at a line and column of it, or
    /// about the whole.
    pub(super) fn warn_in(
        &mut self,
        file: &Path,
        at: Option<(usize, usize)>,
        key: &Key,
        what: String,
        mend: String,
    ) {
        self.warnings.push(Problem {
            file: file.display().to_string(),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            key: key.to_string(),
            what,
            mend,
        });
    }

    /// Adds a mistake in a file that `key` names.
    pub(super) fn problem_in(&mut self, file: &Path, line: usize, key: &Key, what: String) {
        self.problems.push(Problem {
            file: file.display().to_string(),
            line: Some(line),
            column: None,
            key: key.to_string(),
            what,
            mend: "correct the line, or put # in front of it".to_owned(),
        });
    }

    /// Adds the faults of the text itself, and forgets mistakes that may only be echoes of them:
    /// those without a place in the text, and those of the same line.
    pub(super) fn faults(&mut self) {
        let faults = std::mem::take(&mut self.document.faults);
        if faults.is_empty() {
            return;
        }
        let file = &self.file;
        let echoes =
            |line: Option<usize>| line.is_none() || faults.iter().any(|fault| fault.line() == line);
        self.problems.retain(|problem| problem.file != *file || !echoes(problem.line));
        self.problems.extend(faults.into_iter().map(|fault| Problem {
            file: file.clone(),
            line: fault.line(),
            column: fault.place.map(|place| place.column),
            key: String::new(),
            what: fault.message,
            mend: "correct the line; the syntax is TOML, texts stand in quotes".to_owned(),
        }));
    }

    /// Has this file watched. Called before it is read, so that no change of it is missed.
    pub(super) fn watch(&mut self, file: &Path) {
        self.watched.add(file);
    }

    /// The path meant by `text`: relative ones count from the folder of the configuration file.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    /// The environment variable `name`.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Every environment variable.
    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Remembers that the variable `name` has set `key`.
    pub(super) fn overridden(&mut self, key: Key, name: String) {
        self.overridden.insert(key, name);
    }

    /// True when the file or the environment sets this key, rather than the defaults.
    pub(super) fn is_set(&self, key: &Key) -> bool {
        self.document.has(key) || self.overridden.keys().any(|set| set.covers(key))
    }

    fn place(&self, key: &Key, what: String, mend: String) -> Problem {
        let variable = self.overridden.iter().find(|(set, _)| set.covers(key));
        let (file, place) = match variable {
            Some((_, name)) => (format!("environment variable {name}"), None),
            None => (self.file.clone(), self.document.place(key)),
        };
        Problem {
            file,
            line: place.map(|Place { line, .. }| line),
            column: place.map(|Place { column, .. }| column),
            key: key.to_string(),
            what,
            mend,
        }
    }
}
