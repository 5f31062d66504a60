//! `postgate spool export`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::desk::Asked;
use super::filter::Filter;
use super::{Output, progress};
use crate::admin::MOST_RECORDS;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    filter: Filter,
}

/// Prints all of each event that is meant, in the order of the list, one JSON object a line. What
/// stands on a damaged page is left out and named; then the exit code is 1.
pub(super) async fn run(desk: &Asked, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut out = Output;
    let bar = progress::count("events");
    let (mut after, mut exported, mut damaged) = (None, 0_usize, None);
    loop {
        let path = arguments.filter.path("export", after.as_deref(), MOST_RECORDS);
        let page = desk.get(&path).await?;
        out.write_all(&page.body)?;
        let events = page.lines()?.count();
        exported += events;
        bar.inc(u64::try_from(events).unwrap_or_default());
        if let Some(ids) = page.damaged {
            let left_out: &mut Vec<_> = damaged.get_or_insert_default();
            left_out.extend(ids.split_whitespace().map(str::to_owned));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    bar.finish_and_clear();
    out.flush()?;
    let Some(left_out) = damaged else { return Ok(ExitCode::SUCCESS) };
    let mut told = io::stderr();
    for id in &left_out {
        writeln!(told, "{id}: left out: a page is damaged that it stands on")?;
    }
    writeln!(
        told,
        "{exported} exported. The spool is damaged, and what stood on its damaged pages is missing: \
         {} known by id. `postgate spool verify` says how to mend it",
        left_out.len()
    )?;
    Ok(ExitCode::FAILURE)
}
