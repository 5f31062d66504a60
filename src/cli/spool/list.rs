//! `postgate spool list`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use comfy_table::{Table, TableStyle};
use serde_json::Value;

use super::desk::{Answer, Asked};
use super::filter::Filter;
use super::{Output, field};
use crate::admin::MOST_RECORDS;

/// What a person looks at, when no number is given.
const SHOWN: u64 = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    filter: Filter,
    /// No more than this many. Without it, 100 in a table and all with --json.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
}

/// Prints what is meant, in the order of acceptance, then the quarantine.
pub(super) async fn run(desk: &Asked, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let shown = if arguments.json { u64::MAX } else { SHOWN };
    let limit = arguments.limit.unwrap_or(shown);
    let mut out = Output;
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(["ID", "STATE", "ROUTE", "ACCEPTED", "ATTEMPTS", "STATUS", "BYTES", "REASON"]);
    let (mut after, mut listed) = (None, 0);
    while listed < limit {
        let wanted = u32::try_from(limit - listed).unwrap_or(MOST_RECORDS).min(MOST_RECORDS);
        let page = desk.get(&arguments.filter.path("events", after.as_deref(), wanted)).await?;
        listed += if arguments.json { print(&mut out, &page)? } else { add(&mut table, &page)? };
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if !arguments.json {
        if listed > 0 {
            writeln!(out, "{}", table.trim_fmt())?;
        }
        let more = if after.is_some() { "; there are more: see --limit" } else { "" };
        writeln!(out, "{listed} listed{more}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl io::Write, page: &Answer) -> anyhow::Result<u64> {
    let mut lines = 0;
    for line in page.lines()? {
        writeln!(out, "{line}")?;
        lines += 1;
    }
    Ok(lines)
}

fn add(table: &mut Table, page: &Answer) -> anyhow::Result<u64> {
    let mut lines = 0;
    for line in page.lines()? {
        let record: Value = serde_json::from_str(line)?;
        let columns = ["id", "state", "route", "accepted", "attempts", "status", "bytes", "reason"];
        table.add_row(columns.map(|name| cell(field(&record, name))));
        lines += 1;
    }
    Ok(lines)
}

/// One line without control characters: reasons may carry an upstream's words to a terminal.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        other => other.to_string(),
    }
}
