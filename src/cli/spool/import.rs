//! `postgate spool import`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

use super::desk::Asked;
use super::list::cell;
use super::{Output, field, orphans, progress};
use crate::admin::MOST_LINES;

/// What is sent at once, unless one line alone is longer.
const CHUNK_BYTES: usize = 4 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What `export` or `salvage` wrote; `-` or nothing reads stdin.
    file: Option<PathBuf>,
    /// One JSON object a line for each event that was not imported.
    #[arg(long)]
    json: bool,
}

/// Keeps each event as it was, behind what is there. The exit code is 1 when a line could not be
/// read.
pub(super) async fn run(desk: &Asked, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut lines = Lines::open(arguments.file.as_deref())?;
    let shown = if arguments.json { Shown::Json } else { Shown::Text };
    let mut counts = Counts::default();
    let bar = progress::count("lines");
    while let Some(chunk) = lines.next_chunk()? {
        let numbers = chunk.numbers;
        let answer = desk.post("/spool/import", chunk.text).await;
        let answer = answer.with_context(|| format!("{counts}, then"))?;
        let mut told = String::new();
        for (number, line) in numbers.iter().zip(answer.lines()?) {
            counts.add(*number, line, shown, &mut told)?;
        }
        counts.tell(&told)?;
        bar.inc(u64::try_from(numbers.len()).unwrap_or_default());
    }
    bar.finish_and_clear();
    if shown == Shown::Text {
        counts.tell(&format!("{counts}\n"))?;
    }
    orphans::tell(desk).await?;
    Ok(if counts.unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Text,
    Json,
}

#[derive(Default)]
struct Counts {
    imported: u64,
    known: u64,
    unreadable: u64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { imported, known, unreadable } = self;
        write!(f, "{imported} imported, {known} were there already, {unreadable} unreadable")
    }
}

impl Counts {
    /// Whoever closes stdout early has to know what was done by then.
    fn tell(&self, text: &str) -> anyhow::Result<()> {
        let told = Output.write_all(text.as_bytes());
        told.map_err(|error| anyhow!("{self}, then: {error}"))
    }

    /// Counts an outcome, and tells a bad one with the number of its line.
    fn add(
        &mut self,
        number: u64,
        line: &str,
        shown: Shown,
        told: &mut String,
    ) -> anyhow::Result<()> {
        let outcome: Value = serde_json::from_str(line)?;
        match field(&outcome, "outcome").as_str() {
            Some("imported") => self.imported += 1,
            Some("known") => self.known += 1,
            _ => {
                self.unreadable += 1;
                let reason = cell(field(&outcome, "reason"));
                if shown == Shown::Json {
                    let object = serde_json::json!({"line": number, "reason": reason});
                    writeln!(told, "{object}")?;
                } else {
                    writeln!(told, "line {number}: {reason}")?;
                }
            }
        }
        Ok(())
    }
}

/// Some lines, and their numbers from 1.
struct Chunk {
    text: String,
    numbers: Vec<u64>,
}

struct Lines {
    input: Box<dyn BufRead>,
    number: u64,
}

impl Lines {
    fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let input: Box<dyn BufRead> = match file {
            Some(path) if path.is_dir() => bail!("{} is a folder", path.display()),
            Some(path) if path != Path::new("-") => {
                let file = File::open(path);
                let file = file.with_context(|| format!("cannot read {}", path.display()))?;
                Box::new(BufReader::new(file))
            }
            _ => Box::new(io::stdin().lock()),
        };
        Ok(Self { input, number: 0 })
    }

    /// The next lines that are not empty; `None`: that was all.
    fn next_chunk(&mut self) -> anyhow::Result<Option<Chunk>> {
        let mut chunk = Chunk { text: String::new(), numbers: Vec::new() };
        let mut line = Vec::new();
        while chunk.text.len() < CHUNK_BYTES && chunk.numbers.len() < MOST_LINES {
            line.clear();
            if self.input.read_until(b'\n', &mut line).context("cannot read the input")? == 0 {
                break;
            }
            self.number += 1;
            // Bytes that are no text make a line that cannot be read, and is told.
            let text = String::from_utf8_lossy(&line);
            if !text.trim().is_empty() {
                chunk.text.push_str(text.trim());
                chunk.text.push('\n');
                chunk.numbers.push(self.number);
            }
        }
        Ok((!chunk.numbers.is_empty()).then_some(chunk))
    }
}
