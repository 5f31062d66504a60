//! The numbers of routes. They are read once: a damaged page of theirs stops no event of a route that
//! is known.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Result};

use super::super::event::RouteName;
use super::start;

#[derive(Debug)]
pub(super) struct Routes {
    /// As committed.
    known: HashMap<RouteName, i64>,
    /// Given out in the transaction at work: rolled back, they mean nothing.
    new: HashMap<RouteName, i64>,
}

impl Routes {
    /// As far as they can be read.
    pub(super) fn read(connection: &Connection) -> Result<Self> {
        let names = start::route_names(connection)?;
        let known = names.into_iter().map(|(number, name)| (name, number)).collect();
        Ok(Self { known, new: HashMap::new() })
    }

    /// With a transaction.
    pub(super) fn begin(&mut self) {
        self.new.clear();
    }

    /// The transaction is committed.
    pub(super) fn keep(&mut self) {
        self.known.extend(self.new.drain());
    }

    /// The number of a route, which may be new.
    pub(super) fn number(&mut self, transaction: &Connection, name: &RouteName) -> Result<i64> {
        if let Some(number) = self.known.get(name).or_else(|| self.new.get(name)) {
            return Ok(*number);
        }
        let number = number(transaction, name)?;
        self.new.insert(RouteName::clone(name), number);
        Ok(number)
    }

    /// Does for a trial what every event needs as long as no route is known.
    pub(super) fn try_first(&self, trial: &Connection) -> Result<()> {
        if self.known.is_empty() { number(trial, "").map(drop) } else { Ok(()) }
    }
}

fn number(transaction: &Connection, name: &str) -> Result<i64> {
    let known = "SELECT route FROM routes WHERE name = ?1";
    let known = transaction.query_row(known, [name], |row| row.get(0)).optional()?;
    if let Some(route) = known {
        return Ok(route);
    }
    transaction.execute("INSERT INTO routes (name) VALUES (?1)", [name])?;
    Ok(transaction.last_insert_rowid())
}
