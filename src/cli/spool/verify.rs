//! `postgate spool verify`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use bytesize::ByteSize;
use serde_json::Value;

use super::desk::Asked;
use super::list::cell;
use super::{Output, field, mend};

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Arguments {
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Prints what is in the file and what is wrong with it; the exit code is 1 when something is.
pub(super) async fn run(
    desk: &Asked,
    arguments: Arguments,
    path: &Path,
    config: &Path,
) -> anyhow::Result<ExitCode> {
    let answer = desk.get("/spool/verify").await?;
    let found: Value = serde_json::from_slice(&answer.body)?;
    let whole = field(&found, "ok") == true;
    let mut out = Output;
    if arguments.json {
        out.write_all(&answer.body)?;
        writeln!(out)?;
    } else {
        for name in ["pending", "delivered", "dead", "quarantined"] {
            writeln!(out, "{name:<11} {}", cell(field(&found, name)))?;
        }
        writeln!(
            out,
            "{:<11} {}",
            "size",
            ByteSize(field(&found, "bytes").as_u64().unwrap_or_default())
        )?;
        for problem in field(&found, "problems").as_array().into_iter().flatten() {
            writeln!(out, "problem: {}", cell(problem))?;
        }
        if whole {
            writeln!(out, "{} is whole", path.display())?;
        } else {
            writeln!(out, "{}", mend::steps(path, config))?;
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file so damaged that it cannot be opened is told with the same mend.
pub(super) fn unopened(
    error: anyhow::Error,
    arguments: Arguments,
    path: &Path,
    config: &Path,
) -> anyhow::Result<ExitCode> {
    if mend::damaged(&error).is_none() {
        return Err(error);
    }
    let problem = format!("{error:#}");
    if arguments.json {
        let found = serde_json::json!({"ok": false, "problems": [problem]});
        writeln!(Output, "{found}")?;
    } else {
        writeln!(Output, "problem: {problem}\n{}", mend::steps(path, config))?;
    }
    Ok(ExitCode::FAILURE)
}
