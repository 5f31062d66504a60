//! A file system of one's own: one that loses its power, is soon full, or read-only. Needs root.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// `mkfs.xfs` takes no less than 300 MB. The images are sparse.
const XFS_BYTES: u64 = 512 << 20;
const EXT4_BYTES: u64 = 32 << 20;

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
        Self::formatted("mkfs.xfs", XFS_BYTES)
    }

    /// ext4 on a loop device: it looks at the attribute of [`Disk::freeze`] at each write. Needs
    /// `mkfs.ext4`.
    ///
    /// # Panics
    /// When this machine does not let us.
    pub(crate) fn ext4() -> Self {
        Self::formatted("mkfs.ext4", EXT4_BYTES)
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

    /// Lets it be read only: `ro`, or written again: `rw`. Nobody may have a file open for writing.
    pub(crate) fn remount(&self, how: &str) {
        let how = format!("remount,{how}");
        run(Command::new("mount").args(["-o", &how]).arg(self.path()));
    }

    /// Lets a file be read only, by those too who have it open: `+i`, or be written again: `-i`. No
    /// permission binds root; this does.
    pub(crate) fn freeze(&self, how: &str, file: &str) {
        run(Command::new("chattr").arg(how).arg(self.path().join(file)));
    }

    /// Leaves no room for a single byte.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("filler")).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    }

    /// Makes it hold so many MiB while it is in use.
    pub(crate) fn grow(&self, mebibytes: u32) {
        let size = format!("remount,size={mebibytes}m");
        run(Command::new("mount").args(["-o", &size]).arg(self.path()));
    }

    fn formatted(program: &str, bytes: u64) -> Self {
        let disk = Self::unmounted();
        std::fs::File::create(disk.image()).unwrap().set_len(bytes).unwrap();
        run(Command::new(program).arg("-q").arg(disk.image()));
        disk.mount_image();
        disk
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
