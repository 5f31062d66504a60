//! The file that `--output` names, replaced whole: a gateway that watches it reads the old list or the
//! new one, and nothing in between.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::{Builder, NamedTempFile};

/// As many as the kernel follows.
const MOST_LINKS: usize = 40;
/// For a new file; what the user's umask forbids is taken off.
const NEW_MODE: u32 = 0o666;

/// Puts a file with this text in the place of `file`, with its owner and permissions. A link stays one:
/// what it leads to is replaced.
///
/// # Errors
/// When that cannot be done; what was there is left as it was.
pub(super) fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let place = place(file);
    let folder = folder(&place);
    let before = before(&place).with_context(|| format!("cannot replace {}", file.display()))?;
    let new = written(folder, before.as_ref(), text);
    let new = new.with_context(|| {
        format!("cannot write beside {}, which is left as it was", place.display())
    })?;
    new.persist(&place).with_context(|| format!("cannot replace {}", place.display()))?;
    // A new name is durable only once its folder is.
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("{} is replaced, and may not outlast a crash", place.display()))
}

/// Where the links of this name lead, whether there is something or not.
fn place(file: &Path) -> PathBuf {
    let mut place = file.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&place) {
            Ok(next) => place = folder(&place).join(next),
            Err(_) => break,
        }
    }
    place
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn before(place: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(place) {
        Ok(before) if before.is_file() => Ok(Some(before)),
        Ok(_) => Err(io::Error::other("it is no regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn written(folder: &Path, before: Option<&Metadata>, text: &str) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    let mut new = builder.permissions(Permissions::from_mode(NEW_MODE)).tempfile_in(folder)?;
    if let Some(before) = before {
        // The user that the gateway runs as must be able to read it as before.
        let own = new.as_file().metadata()?;
        if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
            fchown(new.as_file(), Some(before.uid()), Some(before.gid()))?;
        }
        new.as_file().set_permissions(before.permissions())?;
    }
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn whoever_reads_meanwhile_reads_one_list_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        fs::write(&file, "192.0.2.0/24\n").unwrap();
        let mut reader = File::open(&file).unwrap();
        replace(&file, "198.51.100.0/24\n").unwrap();
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "192.0.2.0/24\n");
        assert_eq!(fs::read_to_string(&file).unwrap(), "198.51.100.0/24\n");
        assert_eq!(names(folder.path()), ["list"]);
    }

    #[test]
    fn permissions_are_kept_and_those_of_a_new_file_are_usual() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().mode() & 0o777;
        fs::write(folder.path().join("usual"), "").unwrap();
        replace(&folder.path().join("new"), "a\n").unwrap();
        assert_eq!(mode("new"), mode("usual"));
        for kept in [0o640, 0o604, 0o666] {
            let file = folder.path().join("usual");
            fs::set_permissions(&file, Permissions::from_mode(kept)).unwrap();
            replace(&file, "a\n").unwrap();
            assert_eq!(mode("usual"), kept);
        }
    }

    #[test]
    fn a_link_stays_one_even_if_it_leads_nowhere_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("data")).unwrap();
        symlink("second", path("first")).unwrap();
        symlink("data/list", path("second")).unwrap();
        for text in ["one\n", "two\n"] {
            replace(&path("first"), text).unwrap();
            assert_eq!(fs::read_to_string(path("data/list")).unwrap(), text);
            assert_eq!(fs::read_link(path("first")).unwrap(), Path::new("second"));
            assert_eq!(fs::read_link(path("second")).unwrap(), Path::new("data/list"));
        }
        assert_eq!(names(&path("data")), ["list"]);
    }

    #[test]
    fn what_cannot_be_replaced_is_told_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        symlink("turn", path("round")).unwrap();
        symlink("round", path("turn")).unwrap();
        for (name, why) in
            [("folder", "no regular file"), ("round", "links"), ("gone/list", "gone")]
        {
            let error = replace(&path(name), "a\n").unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
        assert_eq!(names(folder.path()), ["folder", "round", "turn"]);
    }
}
