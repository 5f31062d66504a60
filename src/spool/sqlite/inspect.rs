//! Looking for damage. Nothing that is found ends the look: what cannot be read is a finding.

use rusqlite::{Connection, Row};

use super::super::record::Inspection;
use super::records;

/// What must not be in the file.
const WRONG: [(&str, &str); 6] = [
    (
        "events without a body",
        "SELECT count(*) FROM events WHERE seq NOT IN (SELECT seq FROM bodies)",
    ),
    (
        "bodies without an event",
        "SELECT count(*) FROM bodies WHERE seq NOT IN (SELECT seq FROM events)",
    ),
    (
        "attempts without an event",
        "SELECT count(*) FROM attempts WHERE seq NOT IN (SELECT seq FROM events)",
    ),
    (
        "events of no route",
        "SELECT count(*) FROM events WHERE route NOT IN (SELECT route FROM routes)",
    ),
    ("events in no known state", "SELECT count(*) FROM events WHERE state NOT IN (0, 1, 2)"),
    (
        "settled events without a time",
        "SELECT count(*) FROM events WHERE (state = 0) = (settled IS NOT NULL)",
    ),
];

pub(super) fn inspect(connection: &Connection) -> Inspection {
    let mut look = Look { connection, problems: Vec::new() };
    look.integrity();
    for (what, sql) in WRONG {
        match look.number(what, sql) {
            0 => {}
            found => look.problems.push(format!("{what}: {found}")),
        }
    }
    let pages = look.number("pages", "PRAGMA page_count");
    let free = look.number("free pages", "PRAGMA freelist_count");
    let page_bytes = look.number("the size of a page", "PRAGMA page_size");
    let counts = [
        look.number("pending events", "SELECT count(*) FROM events WHERE state = 0"),
        look.number("delivered events", "SELECT count(*) FROM events WHERE state = 1"),
        look.number("dead letters", "SELECT count(*) FROM events WHERE state = 2"),
        look.number("the quarantine", "SELECT count(*) FROM quarantine"),
    ];
    look.problems.truncate(Inspection::MOST_PROBLEMS);
    let bytes = pages.saturating_sub(free).saturating_mul(page_bytes);
    Inspection { counts, bytes, problems: look.problems }
}

struct Look<'a> {
    connection: &'a Connection,
    problems: Vec<String>,
}

impl Look<'_> {
    /// SQLite's own check.
    fn integrity(&mut self) {
        let sql = format!("PRAGMA integrity_check({})", Inspection::MOST_PROBLEMS);
        let lines = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare(&sql)?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        match lines() {
            Ok(lines) => self.problems.extend(lines.into_iter().filter(|line| line != "ok")),
            Err(error) => self.problems.push(format!("cannot be checked: {error}")),
        }
    }

    fn number(&mut self, what: &str, sql: &str) -> u64 {
        let count = |row: &Row<'_>| records::count(row, 0);
        self.connection.query_row(sql, [], count).unwrap_or_else(|error| {
            self.problems.push(format!("{what}: cannot be counted: {error}"));
            0
        })
    }
}
