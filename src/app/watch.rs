//! Folders that the kernel watches for us.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use futures_util::StreamExt as _;
use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchMask};

/// What comes and goes, and what has been written and closed. Not each write: the spool's file may lie
/// beside the configuration, is written many times a second, and is not closed.
const ASKED: WatchMask = WatchMask::CREATE
    .union(WatchMask::DELETE)
    .union(WatchMask::MOVE)
    .union(WatchMask::CLOSE_WRITE)
    .union(WatchMask::ATTRIB)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MOVE_SELF);
/// Of these only certain files are of interest.
const OF_FILES: EventMask = EventMask::CLOSE_WRITE.union(EventMask::ATTRIB);
/// Bytes of events that are read at once: one with the longest name takes 272.
const AT_ONCE: usize = 4096;

/// Watches folders for changes of certain files.
pub(super) struct Watch {
    events: EventStream<Vec<u8>>,
    names: BTreeSet<OsString>,
}

impl Watch {
    /// Of files with these names in these folders; what comes and goes there may be any link on the
    /// way to them. Needs a runtime, and touches the disk.
    ///
    /// # Errors
    /// When the kernel has no more of its kind, or a folder cannot be read.
    pub(super) fn new(folders: &BTreeSet<PathBuf>, names: BTreeSet<OsString>) -> io::Result<Self> {
        let kernel = Inotify::init()?;
        for folder in folders {
            kernel.watches().add(folder, ASKED)?;
        }
        Ok(Self { events: kernel.into_event_stream(vec![0; AT_ONCE])?, names })
    }

    /// Resolves when a file may have changed.
    ///
    /// # Errors
    /// When the kernel tells nothing any more.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        loop {
            let event = self.next().await?;
            if self.is_change(&event) {
                return Ok(());
            }
        }
    }

    async fn next(&mut self) -> io::Result<EventOwned> {
        self.events.next().await.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
    }

    fn is_change(&self, event: &EventOwned) -> bool {
        let is_written = OF_FILES.intersects(event.mask);
        // What tells of no file tells that something was missed, or of the folder itself.
        !is_written || event.name.as_ref().is_none_or(|name| self.names.contains(name))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("names", &self.names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn a_busy_neighbour_is_not_heard() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut neighbour = File::create(path("spool.db-wal")).unwrap();
        let folders = BTreeSet::from([folder.path().to_owned()]);
        let mut watch = Watch::new(&folders, BTreeSet::from(["list".into()])).unwrap();

        neighbour.write_all(b"1").unwrap();
        neighbour.sync_all().unwrap();
        File::open(path("spool.db-wal")).unwrap();
        drop(neighbour);
        fs::write(path("list"), "1").unwrap();
        fs::rename(path("list"), path("other")).unwrap();
        for (name, mask, is_change) in [
            // The kernel was asked for nothing that came before.
            ("spool.db-wal", EventMask::CLOSE_WRITE, false),
            ("list", EventMask::CREATE, true),
            ("list", EventMask::CLOSE_WRITE, true),
            ("list", EventMask::MOVED_FROM, true),
            ("other", EventMask::MOVED_TO, true),
        ] {
            let event = watch.next().await.unwrap();
            assert_eq!((event.name.as_deref(), event.mask), (Some(name.as_ref()), mask));
            assert_eq!(watch.is_change(&event), is_change, "{event:?}");
        }
    }

    #[tokio::test]
    async fn a_folder_that_goes_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let folders = BTreeSet::from([folder.path().to_owned()]);
        let mut watch = Watch::new(&folders, BTreeSet::new()).unwrap();
        drop(folder);
        watch.changed().await.unwrap();
    }
}
