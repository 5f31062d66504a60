//! `postgate convert`: a body or a query string in, canonical JSON out, or where each value of it
//! comes from.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use comfy_table::{Table, TableStyle};

use crate::config;
use crate::event::{self, By, Format, Input, Kind, Malformed, Origin, Rules};

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
    /// Show which input gave each value, and why, instead of the body.
    #[arg(long)]
    explain: bool,
    /// With --explain: one JSON object a line instead of a table.
    #[arg(long, requires = "explain")]
    json: bool,
    /// A file, or the query or the address itself; `-` or nothing reads stdin.
    #[arg(value_name = "FILE")]
    input: Option<String>,
}

/// Prints the canonical body on stdout and its warnings on stderr. An input that is not understood
/// is explained on stderr, and the exit code is 1.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut rules = rules(config, arguments)?;
    if arguments.format.is_some() {
        rules.format = arguments.format;
    }
    if arguments.input.as_deref().is_some_and(is_document) {
        anyhow::bail!(
            "JSON and XML are read from a file or from stdin, not out of the command line"
        );
    }
    let typed = arguments.input.as_deref().and_then(|input| typed(input, rules.format));
    let read = match typed {
        Some(_) => Vec::new(),
        None => read(arguments.input.as_deref().map(Path::new))?,
    };
    let input = match (typed, rules.format) {
        (Some(query), _) => Input { query: Some(query.as_bytes()), ..Input::default() },
        (None, Some(Format::Query)) => {
            Input { query: Some(trim_line_end(&read)), ..Input::default() }
        }
        (None, _) => Input { body: trim_line_end(&read), ..Input::default() },
    };
    let (event, origins) = match event::explain(&input, &rules) {
        Ok(explained) => explained,
        Err(malformed) => return Ok(refuse(&malformed)),
    };
    for warning in event.warnings() {
        anstream::eprintln!("warning: {warning}");
    }
    // Not by a stream that takes colours out: a value may look like one.
    let mut out = io::stdout().lock();
    match (arguments.explain, arguments.json) {
        (false, _) => out.write_all(&event.to_canonical()).and_then(|()| out.write_all(b"\n"))?,
        (true, false) => writeln!(out, "{}", table(&origins))?,
        (true, true) => lines(&mut out, &origins)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// An argument is JSON or XML itself.
fn is_document(input: &str) -> bool {
    input.trim_start().starts_with(['{', '[', '<']) && !Path::new(input).exists()
}

/// The query that an argument is, rather than a file: what nobody calls a file, and has a `=`. Of an
/// address, what stands behind the `?`.
fn typed(input: &str, format: Option<Format>) -> Option<&str> {
    let may_be_query = format.is_none_or(|format| format == Format::Query);
    if !may_be_query || is_document(input) || !input.contains('=') || Path::new(input).exists() {
        return None;
    }
    match input.split_once('?') {
        // No fragment is ever sent.
        Some((address, query)) if !address.contains('=') => query.split('#').next(),
        _ => Some(input),
    }
}

fn table(origins: &[Origin]) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(["FIELD", "VALUE", "INPUT", "BECAUSE"]);
    for Origin { field, value, input, by } in origins {
        let value = value.as_deref().map_or_else(|| "-".to_owned(), cell);
        table.add_row([cell(field), value, cell(input), because(*by).to_owned()]);
    }
    table.trim_fmt()
}

/// One line without control characters, of the length that fits a terminal.
fn cell(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

fn because(by: By) -> &'static str {
    match by {
        By::Template => "the template has the macro there",
        By::Fields => "`fields` of the route",
        By::Dictionary => "a known name",
        By::Path => "the end of its path is a known name",
        By::List => "an entry of a list",
        By::Number => "a numbered item",
        By::Nothing => "not known",
    }
}

fn lines(out: &mut impl io::Write, origins: &[Origin]) -> io::Result<()> {
    for Origin { field, value, input, by } in origins {
        let line =
            serde_json::json!({"field": field, "value": value, "input": input, "by": by.as_str()});
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn refuse(malformed: &Malformed) -> ExitCode {
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

/// Text out of an editor or `echo` ends with a line break that was never sent: in a query or a form
/// it would be part of the last value, in JSON and XML it means nothing.
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
