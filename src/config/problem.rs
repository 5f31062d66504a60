//! What is wrong with a configuration, where, and how to mend it.

use std::fmt;

use serde::Serialize;

/// One mistake. Never shows the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, or `environment variable NAME`.
    pub file: String,
    /// Line in the file, from 1; `None` when the file does not have the key.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The key with its way down, such as `routes[0].path`; empty when no key is concerned.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Every mistake of a configuration, in the order of the file. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorts the mistakes by their place: those of a file first, in its order.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        sort(&mut problems);
        Self(problems)
    }

    /// The mistakes, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    /// A numbered list with the way to mend each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "{count} {noun} in the configuration")?;
        for (number, problem) in (1..).zip(&self.0) {
            write!(f, "\n{number:>3}. {problem}\n     {}", problem.mend)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// By place; what has no line comes last, by key.
pub(super) fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        let rank = |problem: &Problem| (problem.line.is_none(), problem.line, problem.column);
        (&a.file, rank(a), &a.key).cmp(&(&b.file, rank(b), &b.key))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: Option<usize>, key: &str) -> Problem {
        Problem {
            file: "config.toml".to_owned(),
            line,
            column: line,
            key: key.to_owned(),
            what: "is wrong".to_owned(),
            mend: "mend it".to_owned(),
        }
    }

    #[test]
    fn lists_in_the_order_of_the_file() {
        let problems =
            Problems::new(vec![problem(None, "z"), problem(Some(9), "b"), problem(Some(2), "c")]);
        assert_eq!(
            problems.to_string(),
            "3 problems in the configuration\n\
             \x20 1. config.toml:2:2: c: is wrong\n     mend it\n\
             \x20 2. config.toml:9:9: b: is wrong\n     mend it\n\
             \x20 3. config.toml: z: is wrong\n     mend it"
        );
    }
}
