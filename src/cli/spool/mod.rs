//! `postgate spool`: the operator's hands on the spool, the same with a running gateway and
//! without one.

mod compact;
mod desk;
mod export;
mod filter;
mod import;
mod list;
mod progress;
mod salvage;
mod several;
mod show;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;

use self::desk::{Asked, Missing};
use crate::config;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List events: pending, delivered, dead, quarantined.
    List(list::Arguments),
    /// Show all of one event: its body, or the request as received, and the failed attempts.
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
    /// Write what can be read of a damaged file on stdout, as export does.
    Salvage(salvage::Arguments),
}

/// Asks the gateway that has the spool of this configuration or, when none runs, opens the file.
pub(super) fn run(config: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Command::Salvage(arguments) = arguments.command {
        // Needs no configuration: the file that it names is not the one in use.
        return salvage::run(&arguments);
    }
    let settings = config::load(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(async {
        let path = &settings.spool.path;
        let missing = match arguments.command {
            Command::Import(_) => Missing::Made,
            _ => Missing::Refused,
        };
        let desk = match (Asked::find(&settings, missing), &arguments.command) {
            (Ok(desk), _) => desk,
            (Err(error), Command::Verify(arguments)) => {
                return verify::unopened(error, *arguments, path, config);
            }
            (Err(error), _) => return Err(error),
        };
        let done = match arguments.command {
            Command::List(arguments) => list::run(&desk, arguments).await,
            Command::Show(arguments) => show::run(&desk, &arguments).await,
            Command::Replay(arguments) => several::replay(&desk, arguments).await,
            Command::Export(arguments) => export::run(&desk, &arguments).await,
            Command::Drop(arguments) => several::discard(&desk, arguments).await,
            Command::Verify(arguments) => verify::run(&desk, arguments, path, config).await,
            Command::Import(arguments) => import::run(&desk, arguments).await,
            Command::Compact(arguments) => compact::run(&desk, arguments, path).await,
            Command::Salvage(arguments) => salvage::run(&arguments),
        };
        desk.close().await;
        done
    })
}

/// A field of an answer; null where it was left out.
fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}
