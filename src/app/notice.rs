//! What the kernel tells of files that change, so that a change is taken over at once. It is a hint
//! and no more: where it misses one, a look at the files finds it seconds later.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::watch::Watch;
use crate::config::Marks;

/// How long files must rest before a change counts: a certificate and its key, or a long list, are
/// not written at one stroke, and half of them would be refused with an ERROR that alarms somebody.
const REST: Duration = Duration::from_millis(200);
/// Symbolic links that are followed from a file: as many as the kernel follows.
const LINKS: usize = 40;

/// Notices of changes where certain files are.
#[derive(Debug)]
pub(super) struct Notices {
    /// What has changed before, nobody has told.
    is_new: bool,
    /// Not there where the kernel has no more of its kind.
    watch: Option<Watch>,
}

/// Notices that are made beside everything else: it touches the disk, and a file system that does not
/// answer must hold up nothing. Until they are there, files are found by looking.
#[derive(Debug)]
pub(super) struct Noticing {
    state: State,
    /// Made next: of all that were asked for meanwhile, the last.
    next: Option<Marks>,
}

#[derive(Debug)]
enum State {
    /// One at a time, so that no more threads than one wait for a disk.
    Making(JoinHandle<Notices>),
    Made(Notices),
}

/// Where files are. Folders are watched and not the files themselves: a file that is put in the
/// place of another is a new one, and a link that is turned is none of the two.
#[derive(Debug, Default)]
struct Places {
    names: BTreeSet<OsString>,
    folders: BTreeSet<PathBuf>,
}

impl Noticing {
    /// Notices of these files, soon.
    pub(super) fn of(files: Marks) -> Self {
        Self { state: State::of(files), next: None }
    }

    /// Notices of these instead.
    pub(super) fn renew(&mut self, files: Marks) {
        match self.state {
            State::Making(_) => self.next = Some(files),
            State::Made(_) => self.state = State::of(files),
        }
    }

    /// See [`Notices::changed`]. Cancelling it loses no more than the moment of rest.
    pub(super) async fn changed(&mut self) {
        loop {
            self.state = match &mut self.state {
                State::Made(notices) => return notices.changed().await,
                State::Making(making) => {
                    let made = making.await;
                    let made = made.unwrap_or_else(|panicked| {
                        std::panic::resume_unwind(panicked.into_panic())
                    });
                    self.next.take().map_or(State::Made(made), State::of)
                }
            };
        }
    }
}

impl State {
    fn of(files: Marks) -> Self {
        Self::Making(tokio::task::spawn_blocking(move || Notices::of(&files)))
    }
}

impl Notices {
    /// Notices of these files. Touches the disk.
    fn of(files: &Marks) -> Self {
        Self::at(Places::of(files.files()))
    }

    fn at(Places { names, folders }: Places) -> Self {
        let watch = Watch::new(&folders, names).inspect_err(warn);
        Self { is_new: true, watch: watch.ok() }
    }

    /// Resolves when something has changed, and nothing more for a moment; the first time in any case.
    async fn changed(&mut self) {
        if !std::mem::take(&mut self.is_new) {
            self.told().await;
        }
        while tokio::time::timeout(REST, self.told()).await.is_ok() {}
    }

    async fn told(&mut self) {
        if let Some(watch) = &mut self.watch {
            let Err(error) = watch.changed().await else { return };
            warn(&error);
            self.watch = None;
        }
        std::future::pending::<()>().await;
    }
}

fn warn(error: &io::Error) {
    tracing::warn!(%error, "changed files are found by looking alone");
}

impl Places {
    /// Where each of the files is, and every link on the way from it.
    fn of<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let mut places = Self::default();
        for file in files {
            let mut file = file.to_owned();
            for _ in 0..LINKS {
                let Some(place) = place(&file) else { break };
                let (folder, link) = (place.parent().map(Path::to_owned), place.read_link());
                places.names.extend(place.file_name().map(OsString::from));
                let Some(folder) = folder else { break };
                let target = link.map(|target| folder.join(target));
                places.folders.insert(folder);
                let Ok(target) = target else { break };
                file = target;
            }
        }
        places
    }
}

/// The file's own name, behind all links but itself. `None` where its folder is not there.
fn place(file: &Path) -> Option<PathBuf> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
    Some(folder.join(file.file_name()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    async fn noticing(files: &[&Path]) -> Notices {
        let mut noticing = Notices::at(Places::of(files.iter().copied()));
        noticing.changed().await;
        noticing
    }

    async fn notices(notices: &mut Notices) {
        tokio::time::timeout(LONG, notices.changed()).await.expect("the kernel tells");
    }

    #[tokio::test]
    async fn what_is_written_put_in_place_or_taken_away_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("list"), "1").unwrap();
        let mut noticing = noticing(&[&path("list"), &path("missing")]).await;
        std::fs::write(path("list"), "2").unwrap();
        notices(&mut noticing).await;
        std::fs::write(path("new"), "3").unwrap();
        std::fs::rename(path("new"), path("list")).unwrap();
        notices(&mut noticing).await;
        std::fs::write(path("list"), "4").unwrap();
        notices(&mut noticing).await;
        std::fs::write(path("missing"), "").unwrap();
        notices(&mut noticing).await;
        std::fs::remove_file(path("list")).unwrap();
        notices(&mut noticing).await;
    }

    /// As Kubernetes changes a secret.
    #[tokio::test]
    async fn the_turn_of_a_link_is_noticed_and_so_is_what_lies_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            std::fs::create_dir(path(version)).unwrap();
            std::fs::write(path(version).join("tls.crt"), version).unwrap();
        }
        symlink("..1", path("..data")).unwrap();
        symlink("..data/tls.crt", path("tls.crt")).unwrap();
        let mut noticing = noticing(&[&path("tls.crt")]).await;
        std::fs::write(path("..1/tls.crt"), "again").unwrap();
        notices(&mut noticing).await;
        symlink("..2", path("..new")).unwrap();
        std::fs::rename(path("..new"), path("..data")).unwrap();
        notices(&mut noticing).await;
    }

    /// As where a file system does not answer.
    #[tokio::test(start_paused = true)]
    async fn notices_that_are_never_made_hold_up_nothing() {
        let tasks = tokio_util::task::TaskTracker::new();
        let making = State::Making(tasks.spawn(std::future::pending()));
        let mut noticing = Noticing { state: making, next: None };
        for _ in 0..2 {
            noticing.renew(Marks::default());
            assert!(tokio::time::timeout(LONG, noticing.changed()).await.is_err());
        }
        assert_eq!(tasks.len(), 1);
        assert!(matches!(noticing.state, State::Making(_)), "no second thread waits for the disk");
    }

    #[tokio::test]
    async fn notices_are_of_the_files_that_were_asked_for_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = "[tls]\nmode = \"off\"\n[allowlist]\nranges = [\"192.0.2.0/24\"]\n\
                    [[routes]]\nname = \"a\"\npath = \"/a\"\nkind = \"action\"\n";
        std::fs::write(&path, text).unwrap();
        let marks = crate::config::load_from(&path, [], crate::clock::now()).unwrap().watched;
        let (made, of_none) = tokio::sync::oneshot::channel();
        let tasks = tokio_util::task::TaskTracker::new();
        let making = tasks.spawn(async { of_none.await.unwrap() });
        let mut noticing = Noticing { state: State::Making(making), next: None };
        noticing.renew(marks);
        assert!(made.send(Notices::of(&Marks::default())).is_ok());
        noticing.changed().await;
        std::fs::write(&path, text).unwrap();
        tokio::time::timeout(LONG, noticing.changed()).await.expect("the kernel tells");
    }

    #[test]
    fn links_in_a_ring_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("b", path("a")).unwrap();
        symlink("a", path("b")).unwrap();
        let places = Places::of([path("a").as_path()].into_iter());
        assert_eq!((places.names.len(), places.folders.len()), (2, 1));
    }
}
