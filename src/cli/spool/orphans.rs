//! Says what nobody will deliver, after something was made pending.

use std::io::{self, Write as _};

use serde_json::Value;

use super::desk::Asked;
use super::field;
use super::list::cell;

/// On stderr, beside what was done.
pub(super) async fn tell(desk: &Asked) -> anyhow::Result<()> {
    for line in desk.get("/spool/orphans").await?.lines()? {
        let orphans: Value = serde_json::from_str(line)?;
        let [route, events] = ["route", "events"].map(|name| cell(field(&orphans, name)));
        writeln!(
            io::stderr(),
            "warning: {events} undelivered of route {route}, which is not configured: they are kept \
             until it is"
        )?;
    }
    Ok(())
}
