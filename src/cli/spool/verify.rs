//! `postgate spool verify`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use bytesize::ByteSize;
use serde_json::Value;

use super::desk::Asked;
use super::field;
use super::list::cell;
use crate::spool::{Fault, OpenError};

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
    let mut out = anstream::stdout();
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
            writeln!(out, "{}", mend(path, config))?;
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file so damaged that it cannot be opened is told with the same mend.
pub(super) fn unopened(
    error: anyhow::Error,
    path: &Path,
    config: &Path,
) -> anyhow::Result<ExitCode> {
    match error.downcast_ref::<OpenError>() {
        Some(OpenError::Engine { source, .. }) if source.fault() == Fault::Damaged => {
            writeln!(anstream::stdout(), "problem: {source:#}\n{}", mend(path, config))?;
            Ok(ExitCode::FAILURE)
        }
        _ => Err(error),
    }
}

/// Every step is a command that can be pasted; a test does so.
fn mend(path: &Path, config: &Path) -> String {
    let (path, config) = (path.display(), config.display());
    format!(
        "{path} is damaged. To mend it, stop the gateway, and:\n\
         1. mv {path} {path}.damaged\n\
         2. [ ! -e {path}-wal ] || mv {path}-wal {path}.damaged-wal\n\
         3. postgate spool salvage {path}.damaged > {path}.ndjson\n\
         4. postgate spool import --config {config} {path}.ndjson\n\
         Then start the gateway, and keep the damaged file until the month is settled: what is \
         lost must be asked of impact.com again."
    )
}
