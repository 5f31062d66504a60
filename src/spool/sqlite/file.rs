//! The file around the database: its folder, its permissions, and the lock that keeps a second
//! process out.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::OpenError;

/// Whether the folder had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    Found,
    Made,
}

/// Held as long as the database is open. The lock is the kernel's: it ends with the process,
/// however that ends, so the file beside the database may stay.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Makes the folder of `path`, and those it lies in, where they are missing.
pub(super) fn make_folder(path: &Path) -> Result<Folder, OpenError> {
    let folder = folder(path);
    if folder.is_dir() {
        return Ok(Folder::Found);
    }
    make_all(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
    Ok(Folder::Made)
}

/// One by one from the outside, because the name of each is durable only once its parent is.
fn make_all(missing: &Path) -> io::Result<()> {
    let parent = folder(missing);
    if !parent.is_dir() {
        make_all(parent)?;
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        // What lies here are the partner's customers.
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    }
    builder.create(missing)?;
    sync_folder(parent)
}

/// Takes the lock of the database at `path`.
pub(super) fn lock(path: &Path) -> Result<Lock, OpenError> {
    let file = create(&beside(path, ".lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::File { path: path.to_owned(), source }),
    }
}

/// The file beside the database whose name has this end.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Makes an empty file where there is none, readable for this user alone, and its name durable.
/// The engine gives the files beside it the same permissions.
pub(super) fn make(path: &Path) -> Result<(), OpenError> {
    if path.is_file() {
        return create(path).map(drop);
    }
    create(path)?;
    sync_folder(folder(path)).map_err(|source| OpenError::File { path: path.to_owned(), source })
}

fn create(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    options.open(path).map_err(|source| OpenError::File { path: path.to_owned(), source })
}

/// A new name is durable only once its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
