//! `postgate spool verify`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use bytesize::ByteSize;
use serde_json::Value;

use super::desk::Asked;
use super::field;
use super::list::cell;

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
        let path = path.display();
        if whole {
            writeln!(out, "{path} is whole")?;
        } else {
            writeln!(
                out,
                "{path} is damaged. To mend it:\n\
                 1. stop the gateway, and keep a copy of the file and its -wal\n\
                 2. sqlite3 {path} .recover | sqlite3 {path}.new\n   \
                    (a sqlite3 that was built with recovery)\n\
                 3. put {path}.new in place of both, and verify again\n\
                 4. start the gateway; what is lost must be asked of impact.com again"
            )?;
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
