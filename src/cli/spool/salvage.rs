//! `postgate spool salvage`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Error, bail};

use super::{Output, progress};
use crate::admin::exported;
use crate::spool::{Fault, SalvageError, Spool};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The damaged file, with its -wal beside it.
    file: PathBuf,
}

/// Prints what can be read, as `export` does. The exit code is 1 when something could not.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = &arguments.file;
    // The engine has a number for what can be said in words.
    if path.is_dir() {
        bail!("{} is a folder", path.display());
    }
    drop(File::open(path).with_context(|| format!("cannot read {}", path.display()))?);
    let mut out = BufWriter::new(Output);
    let bar = progress::count("events");
    let found = Spool::salvage(path, &mut |story| {
        bar.inc(1);
        out.write_all(&exported(&story))?;
        out.write_all(b"\n")
    });
    let found = found.map_err(|error| match error {
        // To read it, the engine makes a file beside it.
        SalvageError::Unreadable { ref source, .. } if source.fault() == Fault::ReadOnly => {
            let mend = "copy it, with its -wal, to a folder in which this user may write";
            Error::new(error).context(mend)
        }
        error => error.into(),
    })?;
    out.flush()?;
    bar.finish_and_clear();
    let told = format!("{} saved; damaged places passed over: {}", found.saved, found.passed);
    writeln!(io::stderr(), "{told}")?;
    Ok(if found.passed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
