//! The files that a configuration names, and itself. A pipe that nobody writes to would hold up a reload
//! for ever, and a device may have no end: nothing but a regular file is read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Why a file is not read. Its name belongs before the text.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// There is none.
    #[error("does not exist")]
    Missing,
    /// There is one.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// A folder, a pipe, a socket or a device.
    #[error("is no regular file")]
    Irregular,
    /// Of another kind altogether.
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    /// No text.
    #[error("is not UTF-8")]
    NotUtf8,
}

/// What is in a file of `most` bytes or fewer.
pub(super) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    #[cfg(test)]
    meanwhile::happens(path);
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= most => Ok(bytes),
        _ => Err(FileError::TooLarge(most)),
    }
}

/// The same as text.
pub(super) fn text(path: &Path, most: u64) -> Result<String, FileError> {
    String::from_utf8(bytes(path, most)?).map_err(|_| FileError::NotUtf8)
}

/// Without `O_NONBLOCK` the opening of a pipe waits for somebody to write to it.
fn open(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from);
    let file = File::from(opened?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(FileError::Irregular) }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Unreadable(error),
        }
    }
}

/// What tests do to files behind our back.
#[cfg(test)]
pub(super) mod meanwhile {
    use std::cell::RefCell;
    use std::path::Path;

    type Done = Box<dyn Fn(&Path)>;

    thread_local! {
        static DONE: RefCell<Option<Done>> = RefCell::new(None);
    }

    /// Has this done on this thread whenever a file was read.
    pub(in super::super) fn let_happen(done: impl Fn(&Path) + 'static) {
        DONE.set(Some(Box::new(done)));
    }

    pub(super) fn happens(path: &Path) {
        DONE.with_borrow(|done| done.iter().for_each(|done| done(path)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_regular_file_of_the_right_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("text"), "12345678").unwrap();
        std::fs::write(path("long"), "123456789").unwrap();
        std::fs::write(path("bytes"), b"\xff").unwrap();
        std::os::unix::fs::symlink("text", path("link")).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, mode, 0)
            .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for (name, read) in [
            ("text", Ok("12345678")),
            ("link", Ok("12345678")),
            ("long", Err("is larger than 8 bytes")),
            ("bytes", Err("is not UTF-8")),
            ("pipe", Err("is no regular file")),
            (".", Err("is no regular file")),
            ("/dev/zero", Err("is no regular file")),
            ("gone", Err("does not exist")),
            ("socket", Err("cannot be read: No such device or address (os error 6)")),
        ] {
            let found = text(&path(name), 8).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), read, "{name}");
        }
    }
}
