//! `postgate spool compact`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use bytesize::ByteSize;
use serde_json::{Value, json};

use super::desk::Asked;
use super::{Output, field, progress};

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Arguments {
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Gives all free space of the file back, step by step, beside a gateway's work.
pub(super) async fn run(
    desk: &Asked,
    arguments: Arguments,
    path: &Path,
) -> anyhow::Result<ExitCode> {
    let mut before = None;
    let mut bar = None;
    loop {
        let answer = desk.post("/spool/compact", String::new()).await?;
        let step: Value = serde_json::from_slice(&answer.body)?;
        let [file, left] = ["file_bytes", "left_bytes"]
            .map(|name| field(&step, name).as_u64().unwrap_or_default());
        let before = *before.get_or_insert(file);
        let bar = bar.get_or_insert_with(|| progress::bytes(left));
        bar.set_position(bar.length().unwrap_or_default().saturating_sub(left));
        if field(&step, "goes_on") != true {
            bar.finish_and_clear();
            let mut out = Output;
            let name = path.display();
            if arguments.json {
                let facts =
                    json!({ "file": name.to_string(), "bytes_before": before, "bytes": file });
                writeln!(out, "{facts}")?;
            } else {
                let [before, after] = [before, file].map(ByteSize);
                writeln!(out, "{name}: {before}, now {after}")?;
            }
            return Ok(ExitCode::SUCCESS);
        }
    }
}
