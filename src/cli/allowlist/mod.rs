//! `postgate allowlist`: who would be let in and why, and ranges out of pasted text.

mod check;
#[cfg(fuzzing)]
pub mod fuzzing;
mod import;
mod lone;
mod output;
mod page;
mod paste;
mod row;
mod sane;
mod words;

use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say whether an address would be let in, and by which range; exit code 1 means no.
    Check(check::Arguments),
    /// Print the ranges that a pasted page or mail names, ready for a file of allowlist.files.
    Import(import::Arguments),
}

/// Neither of the two changes anything, but for the file of `import --output`.
///
/// # Errors
/// When something cannot be read or written; `check` also when the configuration is bad.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Check(arguments) => check::run(config, arguments),
        Command::Import(arguments) => import::run(config, arguments),
    }
}
