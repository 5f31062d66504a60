//! What an engine cannot do, and what a person can do about it.

/// What an engine cannot do; the cause is the engine's own.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A batch was rolled back.
    #[error("the spool cannot write")]
    Write(#[source] Cause),
    /// A record or a number could not be read.
    #[error("the spool cannot read")]
    Read(#[source] Cause),
    /// The file could not be brought to rest.
    #[error("the spool cannot close its file cleanly")]
    Close(#[source] Cause),
}

impl StoreError {
    /// What kind of trouble it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        crate::spool::sqlite::fault_of(self)
    }
}

/// What is wrong, as far as it tells a person what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no space left.
    DiskFull,
    /// The file, or the file system, does not let itself be written.
    ReadOnly,
    /// The file's content makes no sense.
    Damaged,
    /// The disk answers with errors.
    Disk,
    /// Another program holds the file.
    Busy,
    /// Anything else.
    Other,
}

impl Fault {
    /// How it is mended, in words.
    #[must_use]
    pub const fn mend(self) -> &'static str {
        match self {
            Self::DiskFull => "make room on the disk",
            Self::ReadOnly => "make the file and its folder writable for this user",
            Self::Damaged => "the file is damaged: `postgate spool verify` says how to mend it",
            Self::Disk => "the disk fails: look at the system's log, and replace it",
            Self::Busy => "another program has locked the file: end that one",
            Self::Other => "check the disk's space, health and permissions",
        }
    }
}

/// An engine's own error.
pub(in crate::spool) type Cause = Box<dyn std::error::Error + Send + Sync>;
