//! What a start reads: the backlog and some counts, each from an index, so that bodies and history
//! are not read. Where a page of that is damaged, from the table itself, as far as it can be read.

use std::collections::HashMap;
use std::ops::ControlFlow;

use rusqlite::{Connection, Row};

use super::super::digest::KeyHash;
use super::super::event::RouteName;
use super::super::store::{Census, Pending, Seq};
use super::{damage, state, timestamp};

pub(super) const COUNT_PENDING: &str = "SELECT count(*) FROM events WHERE state = 0";
pub(super) const COUNT_DEAD: &str =
    "SELECT count(*) FROM events WHERE state = 2 AND settled IS NOT NULL";
pub(super) const COUNT_QUARANTINED: &str = "SELECT count(*) FROM quarantine";
pub(super) const QUARANTINE_BYTES: &str = "SELECT coalesce(sum(bytes), 0) FROM quarantine";
/// Answered by the index `pending` alone, already in order.
pub(super) const PENDING: &str =
    "SELECT seq, route, key, ordered, attempts, due FROM events WHERE state = 0 ORDER BY seq";

pub(super) fn census(connection: &Connection) -> rusqlite::Result<Census> {
    let count = |sql: &str| -> rusqlite::Result<u64> {
        let counted: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(u64::try_from(counted).unwrap_or_default())
    };
    let counted = || -> rusqlite::Result<Census> {
        Ok(Census {
            pending: count(COUNT_PENDING)?,
            dead: count(COUNT_DEAD)?,
            quarantined: count(COUNT_QUARANTINED)?,
            quarantine_bytes: count(QUARANTINE_BYTES)?,
        })
    };
    match counted() {
        Err(error) if damage::is_damage(&error) => recount(connection),
        census => census,
    }
}

/// By the tables alone.
fn recount(connection: &Connection) -> rusqlite::Result<Census> {
    let mut census = Census::default();
    damage::walk(connection, "events", "seq, state", 0, &mut |row| {
        match row.get(1)? {
            state::PENDING => census.pending += 1,
            state::DEAD => census.dead += 1,
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    })?;
    damage::walk(connection, "quarantine", "seq, bytes", 0, &mut |row| {
        let bytes: i64 = row.get(1)?;
        census.quarantined += 1;
        census.quarantine_bytes += u64::try_from(bytes).unwrap_or_default();
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(census)
}

/// Visits the backlog in the order of acceptance.
pub(super) fn pending(
    connection: &Connection,
    visit: &mut dyn FnMut(Pending),
) -> rusqlite::Result<()> {
    let names = route_names(connection)?;
    let mut last = 0;
    let mut listed = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(PENDING)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let pending = of_row(row, &names)?;
            last = pending.seq.0;
            visit(pending);
        }
        Ok(())
    };
    match listed() {
        Err(error) if damage::is_damage(&error) => {}
        ended => return ended,
    }
    let columns = "seq, route, key, ordered, attempts, due, state";
    damage::walk(connection, "events", columns, last, &mut |row| {
        if row.get::<_, i64>(6)? == state::PENDING {
            visit(of_row(row, &names)?);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// The columns of [`PENDING`].
pub(super) fn of_row(row: &Row<'_>, names: &HashMap<i64, RouteName>) -> rusqlite::Result<Pending> {
    let key: i64 = row.get(2)?;
    let ordered: bool = row.get(3)?;
    Ok(Pending {
        seq: Seq(row.get(0)?),
        route: named(names, row.get(1)?),
        key: ordered.then(|| KeyHash(key.to_be_bytes())),
        attempts: row.get(4)?,
        due: timestamp(row.get(5)?),
    })
}

/// The name of a route. It may be lost, and its events not: then nobody leases them, and the backlog
/// shows them.
pub(super) fn named(names: &HashMap<i64, RouteName>, route: i64) -> RouteName {
    let name = names.get(&route).map(RouteName::clone);
    name.unwrap_or_else(|| RouteName::from(format!("unknown route {route}")))
}

/// The names of all routes. They stand in the table and in its index: what one of them lacks, the
/// other has.
pub(super) fn route_names(connection: &Connection) -> rusqlite::Result<HashMap<i64, RouteName>> {
    let mut names = HashMap::new();
    for place in ["NOT INDEXED", "INDEXED BY sqlite_autoindex_routes_1"] {
        let mut read = || -> rusqlite::Result<()> {
            let mut statement =
                connection.prepare(&format!("SELECT route, name FROM routes {place}"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                names.insert(row.get(0)?, row.get(1)?);
            }
            Ok(())
        };
        match read() {
            Err(error) if damage::is_damage(&error) => {}
            ended => return ended.map(|()| names),
        }
    }
    Ok(names)
}
