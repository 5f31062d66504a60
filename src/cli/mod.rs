//! The command line. In: arguments. Out: an exit code, text for people on stdout, problems on
//! stderr. Never: logic of its own; each command is one file, or a folder, that calls the stages.

mod allowlist;
mod check;
mod convert;
mod demo;
mod hardening;
mod healthcheck;
mod run;
mod sample;
mod send;
mod sender;
mod spool;
mod template;

#[cfg(fuzzing)]
pub use allowlist::fuzzing;

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::Problems;
use crate::net;

/// "No", or something went wrong.
const EXIT_FAILED: u8 = 1;
/// The arguments contradict each other; clap's own code for wrong usage.
const EXIT_USAGE: u8 = 2;
/// The configuration is bad: `EX_CONFIG` of sysexits.
const EXIT_CONFIG: u8 = 78;

/// Receives impact.com postbacks and never loses one: TLS, allowlist, one canonical JSON body,
/// durable before the answer, delivered with retries.
#[derive(Debug, Parser)]
#[command(name = "postgate", version, max_term_width = 100)]
struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default).
    Run,
    /// Show the whole thing on loopback: nothing to set up, nothing left behind.
    Demo(demo::Arguments),
    /// List everything that is wrong with the configuration, or sum it up.
    Check(check::Arguments),
    /// Turn a body or a query string into canonical JSON.
    Convert(convert::Arguments),
    /// Write the text to paste into impact.com, or say what is wrong with the text that was pasted.
    Template(template::Arguments),
    /// Send test postbacks to a gateway, and say what came of them.
    Send(Box<send::Arguments>),
    /// Ask who would be let in, or make a list out of pasted text.
    Allowlist(allowlist::Arguments),
    /// See and mend what is in the spool, whether the gateway runs or not.
    Spool(spool::Arguments),
    /// Ask the running gateway whether it is well; for containers.
    Healthcheck(healthcheck::Arguments),
}

/// Runs what the command line asks for. Wrong usage ends with code 2 and help, by clap.
#[must_use]
pub fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    net::raise_descriptors();
    let done = match command.unwrap_or(Command::Run) {
        Command::Run => run::run(&config),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&config, arguments),
        Command::Convert(arguments) => convert::run(&config, &arguments),
        Command::Template(arguments) => template::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Allowlist(arguments) => allowlist::run(&config, &arguments),
        Command::Spool(arguments) => spool::run(&config, arguments),
        Command::Healthcheck(arguments) => healthcheck::run(&config, arguments),
    };
    done.unwrap_or_else(|error| report(&error, &config))
}

/// Says that the arguments contradict each other, with the usage of the command that these words
/// name, as clap does where it sees so itself.
fn wrong_usage(words: &[&str], what: &str) -> anyhow::Result<ExitCode> {
    let mut command = &mut Arguments::command();
    // Only then does each command know the words before its own name.
    command.build();
    for word in words {
        command = command.find_subcommand_mut(word).context("there is no such command")?;
    }
    command.error(ErrorKind::ArgumentConflict, what).print()?;
    Ok(ExitCode::from(EXIT_USAGE))
}

/// Says on stderr what went wrong, and answers with the exit code for it.
fn report(error: &anyhow::Error, config: &Path) -> ExitCode {
    if error.is::<Problems>() {
        anstream::eprintln!("{error:#}");
        return ExitCode::from(EXIT_CONFIG);
    }
    if !reader_is_gone(error) {
        anstream::eprintln!("postgate: {error:#}");
    }
    if let Some(path) = spool::mend::damaged(error) {
        anstream::eprintln!("{}", spool::mend::steps(path, config));
    }
    ExitCode::from(EXIT_FAILED)
}

/// Whether stdout was closed by who read it, as `head` does when it has enough: no news to anybody.
fn reader_is_gone(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn Error + 'static)| {
        let kind = cause.downcast_ref().map(io::Error::kind);
        kind.or_else(|| cause.downcast_ref::<serde_json::Error>()?.io_error_kind())
    };
    // A gateway that hangs up on `spool` is another matter.
    let is_of_http = error.chain().any(<dyn Error>::is::<hyper::Error>);
    !is_of_http && error.chain().any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
}
