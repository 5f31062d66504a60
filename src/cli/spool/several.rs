//! `postgate spool replay` and `drop`: the same for one event, for some, and for all of a filter.

use std::collections::HashSet;
use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Error, anyhow, bail};
use serde_json::Value;

use super::desk::Asked;
use super::filter::Filter;
use super::list::cell;
use super::{Output, field, orphans, progress};
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
        distinct(&arguments.ids)
    };
    if arguments.dry_run {
        for id in &ids {
            if arguments.json {
                writeln!(Output, "{}", serde_json::json!({ "id": id }))?;
            } else {
                writeln!(Output, "{id}")?;
            }
        }
        let told = format!("{} meant, none {done}", ids.len());
        writeln!(io::stderr(), "{told}")?;
        return Ok(ExitCode::SUCCESS);
    }
    if what == "replay" {
        convertible(desk, &ids).await?;
    }
    if what == "drop" && !ids.is_empty() && !arguments.yes && !confirmed(ids.len())? {
        bail!("nothing was dropped; --yes drops without asking");
    }
    let (mut good, all) = (0, ids.len());
    // Whoever closes stdout early has to know what was done by then.
    let tell = |text: &str, good: usize| {
        let told = Output.write_all(text.as_bytes());
        told.map_err(|error| anyhow!("{good} of {all} {done}, then: {error}"))
    };
    let bar = progress::bar(all);
    for some in ids.chunks(MOST_IDS) {
        let answer = desk.post(&format!("/spool/{what}"), some.join("\n")).await;
        let answer = answer.with_context(|| format!("{good} of {all} {done}, then"))?;
        let mut told = String::new();
        for line in answer.lines()? {
            let outcome: Value = serde_json::from_str(line)?;
            let is_good = field(&outcome, "outcome") == done;
            good += usize::from(is_good);
            if arguments.json {
                told.extend([line, "\n"]);
            } else if !is_good {
                let columns = ["id", "outcome", "reason"].map(|name| cell(field(&outcome, name)));
                told.extend([&*columns.join(": "), "\n"]);
            }
        }
        tell(&told, good)?;
        bar.inc(u64::try_from(some.len()).unwrap_or_default());
    }
    bar.finish_and_clear();
    if !arguments.json {
        tell(&format!("{good} of {all} {done}\n"), good)?;
    }
    if what == "replay" {
        orphans::tell(desk).await?;
    }
    Ok(if good == all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Each of them once: a pasted list may have one twice.
fn distinct(ids: &[EventId]) -> Vec<String> {
    let mut seen = HashSet::new();
    ids.iter().filter(|id| seen.insert(**id)).map(ToString::to_string).collect()
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

/// Asks; whoever says nothing does not say yes.
fn confirmed(events: usize) -> io::Result<bool> {
    let noun = if events == 1 { "event" } else { "events" };
    let mut answer = String::new();
    write!(io::stderr(), "Drop {events} {noun} for good? [y/N] ")?;
    io::stdin().lock().read_line(&mut answer)?;
    if !answer.ends_with('\n') {
        writeln!(io::stderr())?;
    }
    Ok(matches!(&*answer.trim().to_ascii_lowercase(), "y" | "yes"))
}
