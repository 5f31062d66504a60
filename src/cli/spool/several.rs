//! `postgate spool replay` and `drop`: the same for one event, for some, and for all of a filter.

use std::collections::HashSet;
use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;

use anyhow::{Error, bail};
use serde_json::Value;

use super::desk::Asked;
use super::filter::Filter;
use super::{field, progress};
use crate::admin::MOST_IDS;
use crate::spool::EventId;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The events' ids. Without any, a filter says which.
    #[arg(value_parser = super::id)]
    ids: Vec<EventId>,
    #[command(flatten)]
    filter: Filter,
    /// Only list the ids that are meant.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// One JSON object a line for each event.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Arguments that clap cannot know to be wrong.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        (self.ids.is_empty() == self.filter.is_empty())
            .then_some("name events, or say which with a filter such as --dead; not both")
    }
}

/// Makes events pending again.
pub(super) async fn replay(desk: &Asked, arguments: Arguments) -> anyhow::Result<ExitCode> {
    work(desk, arguments, "replay", "replayed").await
}

/// Deletes events, after asking.
pub(super) async fn discard(desk: &Asked, arguments: Arguments) -> anyhow::Result<ExitCode> {
    work(desk, arguments, "drop", "dropped").await
}

/// The exit code is 1 when one of them was not `done`.
async fn work(
    desk: &Asked,
    arguments: Arguments,
    what: &str,
    done: &str,
) -> anyhow::Result<ExitCode> {
    let ids = if arguments.ids.is_empty() {
        arguments.filter.ids(desk).await?
    } else {
        arguments.ids.iter().map(ToString::to_string).collect()
    };
    let mut out = io::stdout();
    if arguments.dry_run {
        for id in &ids {
            writeln!(out, "{id}")?;
        }
        let told = format!("{} would be {done}", ids.len());
        writeln!(io::stderr(), "{told}")?;
        return Ok(ExitCode::SUCCESS);
    }
    if what == "replay" {
        convertible(desk, &ids).await?;
    }
    if what == "drop" && !ids.is_empty() && !arguments.yes && !confirmed(ids.len())? {
        bail!("nothing was dropped; --yes drops without asking");
    }
    let mut good = 0;
    let bar = progress::bar(ids.len());
    for some in ids.chunks(MOST_IDS) {
        let answer = desk.post(&format!("/spool/{what}"), some.join("\n")).await?;
        for line in answer.lines()? {
            let outcome: Value = serde_json::from_str(line)?;
            let is_good = field(&outcome, "outcome") == done;
            good += usize::from(is_good);
            if arguments.json {
                writeln!(out, "{line}")?;
            } else if !is_good {
                let [id, outcome, reason] = ["id", "outcome", "reason"]
                    .map(|name| super::list::cell(field(&outcome, name)));
                writeln!(out, "{id}: {outcome}: {reason}")?;
            }
        }
        bar.inc(u64::try_from(some.len()).unwrap_or_default());
    }
    bar.finish_and_clear();
    if !arguments.json {
        writeln!(out, "{good} of {} {done}", ids.len())?;
    }
    Ok(if good == ids.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is in quarantine needs the rules of its route. Where they cannot be had, nothing is touched.
async fn convertible(desk: &Asked, ids: &[String]) -> anyhow::Result<()> {
    let Some(problems) = desk.unconverted() else { return Ok(()) };
    let quarantined: HashSet<_> = Filter::quarantine().ids(desk).await?.into_iter().collect();
    if ids.iter().any(|id| quarantined.contains(id)) {
        let why = "nothing was replayed: to convert what is in quarantine takes all of it";
        return Err(Error::new(problems.clone()).context(why));
    }
    Ok(())
}

fn confirmed(events: usize) -> io::Result<bool> {
    let mut answer = String::new();
    write!(io::stderr(), "Drop {events} events for good? [y/N] ")?;
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
