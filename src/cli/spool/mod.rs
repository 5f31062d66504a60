//! `postgate spool`: the operator's hands on the spool, the same with a running gateway and
//! without one.

mod compact;
mod desk;
mod export;
mod filter;
mod import;
mod list;
pub(super) mod mend;
mod orphans;
mod progress;
mod salvage;
mod several;
mod show;
mod verify;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;

use self::desk::{Asked, Missing};
use crate::config;
use crate::spool::EventId;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(flatten)]
    Desk(AtDesk),
    /// Write what can be read of a damaged file on stdout, as export does.
    Salvage(salvage::Arguments),
}

/// What is asked of whoever has the spool.
#[derive(Debug, clap::Subcommand)]
enum AtDesk {
    /// List events: pending, delivered, dead, quarantined.
    List(list::Arguments),
    /// Show all of one event: the request as received, its body, and the failed attempts.
    Show(show::Arguments),
    /// Deliver events again, under the same id; convert what is in quarantine again.
    ///
    /// Without a running gateway they are delivered after its next start.
    Replay(several::Arguments),
    /// Write all of each event on stdout, one JSON object a line.
    Export(export::Arguments),
    /// Keep what an export holds: each event as it was, but those whose id is here already.
    Import(import::Arguments),
    /// Delete events for good. Asks before. What is pending is never dropped.
    Drop(several::Arguments),
    /// Read the whole file, look for damage, count.
    Verify(verify::Arguments),
    /// Give the file's free space back to the disk; a gateway goes on working.
    Compact(compact::Arguments),
}

/// Asks the gateway that has the spool of this configuration or, when none runs, opens the file.
pub(super) fn run(config: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let command = match arguments.command {
        Command::Desk(command) => command,
        // Needs no configuration: the file that it names is not the one in use.
        Command::Salvage(arguments) => return salvage::run(&arguments),
    };
    let (word, contradiction) = match &command {
        AtDesk::Replay(arguments) => ("replay", arguments.contradiction()),
        AtDesk::Drop(arguments) => ("drop", arguments.contradiction()),
        _ => ("", None),
    };
    if let Some(what) = contradiction {
        return super::wrong_usage(&["spool", word], what);
    }
    let access = config::spool_access(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(async {
        let path = &access.spool.path.clone();
        let missing = match command {
            AtDesk::Import(_) => Missing::Made,
            _ => Missing::Refused,
        };
        let desk = match (Asked::find(config, access, missing).await, &command) {
            (Ok(desk), _) => desk,
            (Err(error), AtDesk::Verify(arguments)) => {
                return verify::unopened(error, *arguments, path, config);
            }
            (Err(error), _) => return Err(error),
        };
        let done = match command {
            AtDesk::List(arguments) => list::run(&desk, arguments).await,
            AtDesk::Show(arguments) => show::run(&desk, &arguments).await,
            AtDesk::Replay(arguments) => several::replay(&desk, arguments).await,
            AtDesk::Export(arguments) => export::run(&desk, &arguments).await,
            AtDesk::Drop(arguments) => several::discard(&desk, arguments).await,
            AtDesk::Verify(arguments) => verify::run(&desk, arguments, path, config).await,
            AtDesk::Import(arguments) => import::run(&desk, arguments).await,
            AtDesk::Compact(arguments) => compact::run(&desk, arguments, path).await,
        };
        desk.close().await;
        done
    })
}

/// An id as it is typed.
fn id(text: &str) -> Result<EventId, &'static str> {
    text.parse().map_err(|_| "an id is what `spool list` shows in its first column")
}

/// Standard output. A full disk under it is not that of the spool, so its errors tell which it is.
struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).map_err(|error| Self::named(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(|error| Self::named(&error))
    }
}

impl Output {
    fn named(error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot write to stdout: {error}"))
    }
}

/// A field of an answer; null where it was left out.
fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}
