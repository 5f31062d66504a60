//! A file system of one's own: one that loses its power, or one that is soon full. Needs root.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// `mkfs.xfs` takes no less than 300 MB. The image is sparse.
const IMAGE_BYTES: u64 = 512 << 20;

/// A mounted file system, gone when dropped.
pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    /// XFS on a loop device. Needs `mkfs.xfs` and `xfs_io`.
    ///
    /// # Panics
    /// When this machine does not let us.
    pub(crate) fn xfs() -> Self {
        let disk = Self::unmounted();
        std::fs::File::create(disk.image()).unwrap().set_len(IMAGE_BYTES).unwrap();
        run(Command::new("mkfs.xfs").arg("-q").arg(disk.image()));
        disk.mount_image();
        disk
    }

    /// A file system in memory that holds so many MiB.
    ///
    /// # Panics
    /// When this machine does not let us.
    pub(crate) fn small(mebibytes: u32) -> Self {
        let disk = Self::unmounted();
        let size = format!("size={mebibytes}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.path()));
        disk
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    /// The power goes: whatever was written and not synced is gone, the file system's own log
    /// included. Every call that touches the disk fails from now on.
    pub(crate) fn lose_power(&self) {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.path()));
    }

    /// The power is back. Nobody may have a file open on it.
    pub(crate) fn come_back(&self) {
        self.unmount();
        self.mount_image();
    }

    /// Makes it hold so many MiB while it is in use.
    pub(crate) fn grow(&self, mebibytes: u32) {
        let size = format!("remount,size={mebibytes}m");
        run(Command::new("mount").args(["-o", &size]).arg(self.path()));
    }

    fn unmounted() -> Self {
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(disk.path()).unwrap();
        disk
    }

    fn mount_image(&self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()));
    }

    fn unmount(&self) {
        run(Command::new("umount").arg(self.path()));
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
