//! What a person can do about what the engine says. Decided by its codes, never by its words.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::ErrorCode;

use super::super::store::{Cause, Fault, StoreError};
use super::damage;

/// A file, or a file system, that has become read-only while it was in use.
#[derive(Debug, thiserror::Error)]
#[error("what is open can no longer be written")]
struct ReadOnly(#[source] rusqlite::Error);

/// The cause of a failed write. To the engine a file that has become read-only is a disk that fails,
/// so the log is asked: nothing is lost by opening that once more, as it would be with the file,
/// whose locks end when the process closes any handle of it.
pub(super) fn cause(error: rusqlite::Error, log: &Path) -> Cause {
    let failed = error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
    let refused = failed.then(|| OpenOptions::new().write(true).open(log).err()).flatten();
    match refused.map(|refused| refused.kind()) {
        Some(ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => {
            Box::new(ReadOnly(error))
        }
        _ => Box::new(error),
    }
}

/// The kind of trouble behind an error of this engine.
pub(crate) fn of(error: &StoreError) -> Fault {
    let cause = std::error::Error::source(error);
    if cause.is_some_and(<dyn std::error::Error>::is::<ReadOnly>) {
        return Fault::ReadOnly;
    }
    let cause = cause.and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    if cause.is_some_and(damage::is_damage) {
        return Fault::Damaged;
    }
    match cause.and_then(rusqlite::Error::sqlite_error_code) {
        Some(ErrorCode::DiskFull) => Fault::DiskFull,
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Fault::ReadOnly
        }
        Some(ErrorCode::SystemIoFailure) => Fault::Disk,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::Busy,
        _ => Fault::Other,
    }
}
