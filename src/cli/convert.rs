//! `postgate convert`: a body or a query string in, canonical JSON out.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::config;
use crate::event::{self, Format, Input, Kind, Malformed, Rules};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Convert as this route of the configuration does; without it, no configuration is read.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// What the input is about; a route brings its own.
    #[arg(long, default_value = "action", conflicts_with = "route", value_parser = kind)]
    kind: Kind,
    /// json, xml, form or query; without it, what the input looks like.
    #[arg(long, value_parser = format)]
    format: Option<Format>,
    /// The input; `-` or nothing reads stdin.
    file: Option<PathBuf>,
}

/// Prints the canonical body on stdout and its warnings on stderr. An input that is not understood
/// is explained on stderr, and the exit code is 1.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut rules = rules(config, arguments)?;
    if arguments.format.is_some() {
        rules.format = arguments.format;
    }
    let bytes = read(arguments.file.as_deref())?;
    let input = match rules.format {
        Some(Format::Query) => Input { query: Some(trim_line_end(&bytes)), ..Input::default() },
        _ => Input { body: &bytes, ..Input::default() },
    };
    let event = match event::convert(&input, &rules) {
        Ok(event) => event,
        Err(malformed) => return Ok(explain(&malformed)),
    };
    for warning in event.warnings() {
        anstream::eprintln!("warning: {warning}");
    }
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&event.to_canonical()).and_then(|()| stdout.write_all(b"\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn explain(malformed: &Malformed) -> ExitCode {
    let format = malformed.format.map_or_else(String::new, |format| format!(" as {format}"));
    anstream::eprintln!("not understood{format}: {malformed}");
    ExitCode::FAILURE
}

fn rules(config: &Path, arguments: &Arguments) -> anyhow::Result<Rules> {
    let Some(name) = &arguments.route else {
        return Ok(Rules::of(arguments.kind));
    };
    let settings = config::load(config)?;
    let known: Vec<&str> = settings.routes.iter().map(|route| &*route.ingress.name).collect();
    let route = settings.routes.iter().find(|route| *route.ingress.name == **name);
    let route = route.with_context(|| {
        format!("no route is named {name:?}; {} has: {}", config.display(), known.join(", "))
    })?;
    Ok(route.ingress.rules.clone())
}

pub(super) fn read(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    match file {
        Some(path) if path != Path::new("-") => {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        }
        _ => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read stdin")?;
            Ok(bytes)
        }
    }
}

/// A query string out of a file or `echo` ends with a line break that was never sent.
fn trim_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

pub(super) fn kind(word: &str) -> Result<Kind, String> {
    one_of(&Kind::ALL, word, Kind::as_str)
}

pub(super) fn format(word: &str) -> Result<Format, String> {
    one_of(&Format::ALL, word, Format::as_str)
}

fn one_of<T: Copy>(all: &[T], word: &str, name: fn(T) -> &'static str) -> Result<T, String> {
    let names = || all.iter().map(|&one| name(one)).collect::<Vec<_>>().join(", ");
    let found = all.iter().copied().find(|&one| name(one) == word);
    found.ok_or_else(|| format!("expected one of: {}", names()))
}
