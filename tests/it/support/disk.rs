//! A disk that can lose its power: an XFS image on a loop device. Needs root, `mkfs.xfs` and
//! `xfs_io`.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The smallest image that `mkfs.xfs` takes is 300 MB; it is sparse.
const IMAGE_BYTES: u64 = 512 << 20;

/// A mounted file system of its own, gone when dropped.
pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Makes and mounts it.
    ///
    /// # Panics
    /// When this machine does not let us.
    pub(crate) fn make() -> Self {
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::File::create(disk.image()).unwrap().set_len(IMAGE_BYTES).unwrap();
        std::fs::create_dir(disk.path()).unwrap();
        run(Command::new("mkfs.xfs").arg("-q").arg(disk.image()));
        disk.mount();
        disk
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    /// The power goes: whatever was written and not synced is gone, the log of the file system
    /// included. Every call that touches the disk fails from now on.
    pub(crate) fn lose_power(&self) {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.path()));
    }

    /// The power is back. Nobody may have a file open on it.
    pub(crate) fn come_back(&self) {
        unmount(&self.path());
        self.mount();
    }

    fn mount(&self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()));
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.path());
    }
}

fn unmount(path: &Path) {
    run(Command::new("umount").arg(path));
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
