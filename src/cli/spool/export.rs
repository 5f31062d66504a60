//! `postgate spool export`.

use std::io::Write as _;
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

/// Prints all of each event that is meant, in the order of the list, one JSON object a line.
pub(super) async fn run(desk: &Asked, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut out = Output;
    let bar = progress::count("events");
    let mut after = None;
    loop {
        let path = arguments.filter.path("export", after.as_deref(), MOST_RECORDS);
        let page = desk.get(&path).await?;
        out.write_all(&page.body)?;
        bar.inc(u64::try_from(page.lines()?.count()).unwrap_or_default());
        after = page.next;
        if after.is_none() {
            bar.finish_and_clear();
            out.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
    }
}
