//! What a person can do about what the engine says. Decided by its codes, never by its words.

use rusqlite::ErrorCode;

use super::super::store::{Fault, StoreError};

/// The kind of trouble behind an error of this engine.
pub(crate) fn of(error: &StoreError) -> Fault {
    let cause = std::error::Error::source(error);
    let cause = cause.and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    match cause.and_then(rusqlite::Error::sqlite_error_code) {
        Some(ErrorCode::DiskFull) => Fault::DiskFull,
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Fault::ReadOnly
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fault::Damaged,
        Some(ErrorCode::SystemIoFailure) => Fault::Disk,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::Busy,
        _ => Fault::Other,
    }
}
