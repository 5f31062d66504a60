//! `postgate spool salvage`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::{Output, progress};
use crate::admin::exported;
use crate::spool::Spool;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The damaged file, with its -wal beside it.
    file: PathBuf,
}

/// Prints what can be read, as `export` does. The exit code is 1 when something could not.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = &arguments.file;
    // The engine has a number for what the system says in words.
    drop(File::open(path).with_context(|| format!("cannot read {}", path.display()))?);
    let mut out = BufWriter::new(Output);
    let bar = progress::count("events");
    let found = Spool::salvage(path, &mut |story| {
        bar.inc(1);
        out.write_all(&exported(&story))?;
        out.write_all(b"\n")
    })?;
    out.flush()?;
    bar.finish_and_clear();
    let told = format!("{} saved; damaged places passed over: {}", found.saved, found.passed);
    writeln!(io::stderr(), "{told}")?;
    Ok(if found.passed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
