//! Why the spool cannot be opened, and why it accepted nothing.

use std::io;
use std::path::PathBuf;

use super::store::StoreError;

/// Why nothing was accepted. The sender is answered 503 in every case, and sends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Nothing fits under `spool.max_bytes`, even without the delivered events.
    #[error("the spool has reached spool.max_bytes")]
    Full,
    /// It was not understood, and quarantine has its share of `spool.max_bytes`.
    #[error("quarantine has reached its share of the spool")]
    QuarantineFull,
    /// More is waiting for the disk than is kept in memory. Short: a commit takes milliseconds.
    #[error("the spool's queue is full")]
    Busy,
    /// The commit failed. It may work again the next moment.
    #[error("the spool cannot write")]
    Failed,
    /// After [`close`](super::Spool::close), or after a bug ended the writer.
    #[error("the spool is closed")]
    Closed,
}

/// Why the spool cannot be opened. What was found was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder of `spool.path` is missing, and it or one that it lies in cannot be made.
    #[error("cannot make the folder {path}: make it, writable for this user")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file or its lock file cannot be opened for writing.
    #[error("cannot write {path}: it must be a file that this user may write")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process has the file.
    #[error("{path} is in use by another postgate: stop that one or set another spool.path")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error(
        "{path} is not a spool of postgate, or its first page is destroyed: set another spool.path"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version.
    #[error(
        "{path} has format {found}, and this postgate knows up to {known}: use the later postgate"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The latest format this version can read.
        known: i64,
    },
    /// The engine cannot read or prepare the file.
    #[error("cannot open {path}; {}", source.fault().mend())]
    Engine {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        #[source]
        source: StoreError,
    },
    /// The writer thread cannot be started.
    #[error("cannot start the spool's thread")]
    Thread(#[source] io::Error),
}

/// Why nothing can be saved out of a damaged file.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// Not even its list of tables can be read.
    #[error("nothing can be read of {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        #[source]
        source: StoreError,
    },
    /// The file is something else.
    #[error("{path} is not a spool of postgate, or lacks its tables")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// What was read cannot be passed on.
    #[error("cannot write what was read")]
    Output(#[source] io::Error),
}
