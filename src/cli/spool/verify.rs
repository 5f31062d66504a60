//! `postgate spool verify`.

use std::borrow::Cow;
use std::io::{self, Write as _};
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
    let mut out = io::stdout();
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
    arguments: Arguments,
    path: &Path,
    config: &Path,
) -> anyhow::Result<ExitCode> {
    match error.downcast_ref::<OpenError>() {
        Some(OpenError::Engine { source, .. }) if source.fault() == Fault::Damaged => {
            let problem = format!("{error:#}");
            if arguments.json {
                let found = serde_json::json!({"ok": false, "problems": [problem]});
                writeln!(io::stdout(), "{found}")?;
            } else {
                writeln!(io::stdout(), "problem: {problem}\n{}", mend(path, config))?;
            }
            Ok(ExitCode::FAILURE)
        }
        _ => Err(error),
    }
}

/// Every step is a command that can be pasted; a test does so.
fn mend(path: &Path, config: &Path) -> String {
    let beside = |end: &str| quoted(&format!("{}{end}", path.display())).into_owned();
    let (file, damaged, exported) = (beside(""), beside(".damaged"), beside(".ndjson"));
    let (log, damaged_log) = (beside("-wal"), beside(".damaged-wal"));
    let config = config.display().to_string();
    let config = quoted(&config);
    format!(
        "{file} is damaged. To mend it, stop the gateway, and:\n\
         1. mv {file} {damaged}\n\
         2. [ ! -e {log} ] || mv {log} {damaged_log}\n\
         3. postgate spool salvage {damaged} > {exported}\n\
         4. postgate spool import --config {config} {exported}\n\
         Then start the gateway, and keep the damaged file until the month is settled: what is \
         lost must be asked of impact.com again."
    )
}

/// As a shell reads it as one word. A path has no NUL, which is all that cannot be quoted.
fn quoted(path: &str) -> Cow<'_, str> {
    shlex::try_quote(path).unwrap_or(Cow::Borrowed(path))
}
