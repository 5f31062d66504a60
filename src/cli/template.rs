//! `postgate template`: text to paste into impact.com, or what is wrong with the text that was
//! pasted.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::convert;
use crate::event::{self, Finding, Format, Kind, Rules, Template, Weight};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Print a template that is right, ready to paste.
    New(New),
    /// Say what is wrong with a template. Exit code 1: something will break.
    Lint(Lint),
}

#[derive(Debug, clap::Args)]
struct New {
    /// action, clearing, inquiry, catalog, tracking or job.
    #[arg(value_parser = convert::kind)]
    kind: Kind,
    /// json, xml, form or url.
    #[arg(long, value_parser = format)]
    format: Format,
    /// These macros or canonical fields alone, e.g. ActionId,Payout; without it, all.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Room for so many line items, where the brand sends them; 0 to 100.
    #[arg(long, default_value_t = 0, value_name = "COUNT", value_parser = items)]
    items: usize,
}

#[derive(Debug, clap::Args)]
struct Lint {
    /// The text that was pasted; `-` or nothing reads stdin.
    file: Option<PathBuf>,
    /// What it is about.
    #[arg(long, default_value = "action", value_parser = convert::kind)]
    kind: Kind,
    /// json, xml, form or url; without it, what the text looks like.
    #[arg(long, value_parser = format)]
    format: Option<Format>,
    /// The canonical field that keeps events in order; without it, that of the kind.
    #[arg(long, value_name = "FIELD")]
    key: Option<String>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// No order needs more slots, and each is three macros.
const MOST_ITEMS: usize = 100;

/// Prints a template, or what is wrong with one, on stdout.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.task {
        Task::New(new) => {
            let text = event::compose(new.kind, new.format, &new.only, new.items)?;
            writeln!(anstream::stdout(), "{text}")?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Lint(arguments) => lint(arguments),
    }
}

fn lint(arguments: &Lint) -> anyhow::Result<ExitCode> {
    let unknown =
        arguments.key.as_deref().and_then(|key| event::unknown_field(arguments.kind, key));
    if let Some(what) = unknown {
        anyhow::bail!("--key: {what}");
    }
    let bytes = convert::read(arguments.file.as_deref())?;
    let name = match arguments.file.as_deref() {
        Some(path) if path.as_os_str() != "-" => path.display().to_string(),
        _ => "stdin".to_owned(),
    };
    let text = str::from_utf8(&bytes).with_context(|| format!("{name} is not text in UTF-8"))?;
    let template = Template::parse(text, arguments.kind, arguments.format)
        .with_context(|| format!("{name} is no template"))?;
    let key = arguments.key.clone();
    let findings = template.lint(&Rules { key, ..Rules::of(arguments.kind) });
    let is_broken = findings.iter().any(|finding| finding.weight == Weight::Fault);
    let mut out = anstream::stdout().lock();
    if arguments.json {
        let findings: Vec<_> = findings.iter().map(object).collect();
        writeln!(out, "{}", json!({ "file": name, "ok": !is_broken, "findings": findings }))?;
    } else {
        write(&mut out, &name, &findings)?;
    }
    Ok(if is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(out: &mut impl Write, name: &str, findings: &[Finding]) -> io::Result<()> {
    if findings.is_empty() {
        return writeln!(out, "{name}: nothing wrong");
    }
    for Finding { weight, at, what, mend } in findings {
        let place = at.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
        let advice = if *weight == Weight::Advice { "advice: " } else { "" };
        writeln!(out, "{name}{place}: {advice}{what}\n    {mend}")?;
    }
    Ok(())
}

fn object(Finding { weight, at, what, mend }: &Finding) -> serde_json::Value {
    let weight = match weight {
        Weight::Fault => "fault",
        Weight::Advice => "advice",
    };
    let [line, column] = [at.map(|at| at.line), at.map(|at| at.column)];
    json!({ "weight": weight, "line": line, "column": column, "what": what, "mend": mend })
}

fn format(word: &str) -> Result<Format, String> {
    // A template of the query is pasted as a whole URL.
    let word = if word == "url" { Format::Query.as_str() } else { word };
    convert::format(word).map_err(|_| "expected json, xml, form or url".to_owned())
}

fn items(word: &str) -> Result<usize, String> {
    let number = word.parse().ok().filter(|number| *number <= MOST_ITEMS);
    number.ok_or_else(|| format!("expected a number from 0 to {MOST_ITEMS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let template = Template::parse(text, Kind::Job, None).expect("a template");
        let mut out = Vec::new();
        write(&mut out, "t.json", &template.lint(&Rules::of(Kind::Job))).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn findings_are_shown_with_their_place() {
        assert_eq!(
            shown("{\"a\":\"{jobid}\"}"),
            "t.json:1:7: `{jobid}` is no macro of kind `job`\n    \
             write {JobId}; impact.com sends a wrong name as it is\n\
             t.json: advice: recommended macros are missing: {Status}\n    \
             add them, each under a key of its own\n"
        );
        assert_eq!(shown("a={JobId}&b={Status}"), "t.json: nothing wrong\n");
    }

    #[test]
    fn a_url_is_a_format() {
        assert_eq!(format("url"), Ok(Format::Query));
        assert_eq!(format("yaml"), Err("expected json, xml, form or url".to_owned()));
    }

    #[test]
    fn items_are_bounded() {
        assert_eq!(items("100"), Ok(100));
        assert!(items("101").is_err() && items("-1").is_err());
    }
}
