//! Whether files have changed, as far as can be told without reading them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How every watched file looked, each before it was read: what changes while it is read looks other
/// than its mark ever after.
#[derive(Clone, Debug, Default)]
pub struct Marks(BTreeMap<PathBuf, Option<Mark>>);

/// One file. The place behind all symbolic links is part of it: Kubernetes changes a secret by
/// turning one link.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    resolved: PathBuf,
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds. A copy can keep the time of modification, but not that of the
    /// change.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Marks {
    /// Looks at one more file now, unless it is known already. Touches the disk.
    pub(super) fn add(&mut self, file: &Path) {
        if !self.0.contains_key(file) {
            self.0.insert(file.to_owned(), Mark::of(file));
        }
    }

    /// The files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// Looks at the same files again. Touches the disk.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.keys().map(|file| (file.clone(), Mark::of(file))).collect())
    }

    /// The files that look other than in `before`.
    pub fn differing<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Path> {
        let differs = |(file, mark): &(&PathBuf, _)| before.0.get(*file) != Some(*mark);
        self.0.iter().filter(differs).map(|(file, _)| file.as_path())
    }
}

impl Mark {
    /// `None`: it cannot be looked at, most often because it is not there.
    fn of(file: &Path) -> Option<Self> {
        let resolved = file.canonicalize().ok()?;
        let metadata = resolved.metadata().ok()?;
        Some(Self {
            resolved,
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn marks_of(files: &[PathBuf]) -> Marks {
        let mut marks = Marks::default();
        for file in files {
            marks.add(file);
        }
        marks
    }

    fn changed(marks: &Marks) -> Vec<String> {
        let now = marks.again();
        let files = now.differing(marks).map(|file| file.file_name().unwrap());
        files.map(|name| name.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_change_is_seen_and_rest_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), "1").unwrap();
        std::fs::write(path("b"), "1").unwrap();
        let marks = marks_of(&[path("a"), path("b"), path("c")]);
        assert_eq!(changed(&marks), [""; 0]);
        std::fs::write(path("b"), "12").unwrap();
        assert_eq!(changed(&marks), ["b"]);
        std::fs::remove_file(path("a")).unwrap();
        std::fs::write(path("c"), "").unwrap();
        assert_eq!(changed(&marks), ["a", "b", "c"]);
    }

    #[test]
    fn the_turn_of_a_link_is_a_change_even_between_equal_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            std::fs::create_dir(path(version)).unwrap();
        }
        std::fs::write(path("..1/tls.crt"), "same").unwrap();
        // One inode, so that nothing but the way to it differs.
        std::fs::hard_link(path("..1/tls.crt"), path("..2/tls.crt")).unwrap();
        symlink("..1", path("..data")).unwrap();
        symlink("..data/tls.crt", path("tls.crt")).unwrap();

        let marks = marks_of(&[path("tls.crt")]);
        symlink("..2", path("..new")).unwrap();
        std::fs::rename(path("..new"), path("..data")).unwrap();
        assert_eq!(changed(&marks), ["tls.crt"]);
    }
}
