//! Keeping the file and its log small: a bounded piece of work at a time, so that no arrival waits
//! for it longer than for another commit.

use super::super::record::Compaction;
use super::super::store::Spare;
use super::{SqliteStore, schema};

/// Pages given back with one commit: 1 MiB, some milliseconds.
const STEP_PAGES: u64 = 128;
/// Free pages that are left for what comes next, beside a quarter of what is in use: 2 MiB.
const SPARE_PAGES: u64 = 256;

impl SqliteStore {
    /// Gives some free pages back. The file itself is cut when the log is copied into it.
    pub(super) fn give_back(&mut self, spare: Spare) -> rusqlite::Result<Compaction> {
        let free = self.number("PRAGMA freelist_count")?;
        let used = self.number("PRAGMA page_count")?.saturating_sub(free);
        let page_bytes = self.number("PRAGMA page_size")?;
        let keep = match spare {
            Spare::Some => SPARE_PAGES + used / 4,
            Spare::None => 0,
        };
        // Begun late and carried through, or every other event would move the end of the file.
        let begin = if self.shrinking { keep } else { keep.saturating_mul(2) };
        let wanted = free.saturating_sub(keep);
        if free <= begin {
            if std::mem::take(&mut self.shrinking) || spare == Spare::None {
                self.checkpoint("PASSIVE")?;
            }
        } else {
            self.shrinking = true;
            let pages = wanted.min(STEP_PAGES);
            let sql = format!("PRAGMA incremental_vacuum({pages})");
            let mut statement = self.connection.prepare(&sql)?;
            let mut given_back = statement.query([])?;
            // A row for each page, which is moved only when the row is asked for.
            while given_back.next()?.is_some() {}
        }
        let left = if self.shrinking { wanted.saturating_sub(STEP_PAGES) } else { 0 };
        Ok(Compaction {
            file_bytes: used.saturating_add(free).saturating_mul(page_bytes),
            left_bytes: left.saturating_mul(page_bytes),
            goes_on: self.shrinking,
        })
    }

    /// The engine copies its log into the file by itself, and tells nobody when that fails. A log
    /// that has outgrown its size asks again, for the reason. Readers that look for long are none:
    /// what they hold back is copied after them.
    pub(super) fn look_at_log(&mut self) -> rusqlite::Result<()> {
        let log_bytes = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        if log_bytes > schema::LOG_BYTES { self.checkpoint("PASSIVE") } else { Ok(()) }
    }

    /// Copies what it can of the log into the file, and syncs it.
    pub(super) fn checkpoint(&self, mode: &str) -> rusqlite::Result<()> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        self.connection.query_row(&sql, [], |_| Ok(()))
    }
}
