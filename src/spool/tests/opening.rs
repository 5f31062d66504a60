//! What may be opened, and what is refused.

use std::fs;

use super::*;

fn refused(rig: &Rig) -> OpenError {
    Spool::open(&rig.settings, Arc::default()).unwrap_err()
}

#[tokio::test]
async fn missing_folders_are_made() {
    let mut rig = Rig::new();
    rig.settings.path = rig.folder.path().join("made/too/spool.db");
    rig.open().close().await;
    assert!(rig.settings.path.is_file());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let mut rig = Rig::new();
    let file = rig.folder.path().join("file");
    fs::write(&file, "").unwrap();
    rig.settings.path = file.join("under/spool.db");
    assert!(matches!(refused(&rig), OpenError::Folder { path, .. } if path == file.join("under")));
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut rig = Rig::new();
    rig.settings.path = rig.folder.path().join("made/spool.db");
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
    let folder = rig.settings.path.parent().unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.to_owned()), 0o700);
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(path.clone()), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_second_open_is_refused_until_the_first_is_closed() {
    let rig = Rig::new();
    let spool = rig.open();
    assert!(matches!(refused(&rig), OpenError::Locked { .. }));
    spool.append(event("a", "body")).await.unwrap();
    spool.close().await;
    rig.open().close().await;
}

#[test]
fn something_else_is_refused_and_left_as_it_is() {
    let rig = Rig::new();
    let text = "this is not a database, but longer than the header of one: 100 bytes ".repeat(9);
    fs::write(&rig.settings.path, &text).unwrap();
    assert!(matches!(refused(&rig), OpenError::Foreign { .. }));
    assert_eq!(fs::read_to_string(&rig.settings.path).unwrap(), text);
}

#[test]
fn another_database_is_refused() {
    let rig = Rig::new();
    rig.tamper("CREATE TABLE theirs (id)");
    assert!(matches!(refused(&rig), OpenError::Foreign { .. }));
    assert_eq!(rig.ask("SELECT count(*) FROM sqlite_schema"), 1);
}

#[tokio::test]
async fn a_later_format_is_refused() {
    let rig = Rig::new();
    rig.open().close().await;
    let known = rig.ask("SELECT user_version FROM pragma_user_version");
    let later = known + 1;
    rig.tamper(&format!("PRAGMA user_version = {later}"));
    let refused = refused(&rig);
    let told = matches!(refused, OpenError::Newer { found, known: most, .. }
        if (found, most) == (later, known));
    assert!(told, "{refused}");
    rig.tamper(&format!("PRAGMA user_version = {known}"));
    rig.open().close().await;
}

#[tokio::test]
async fn a_file_that_was_only_begun_is_finished() {
    let rig = Rig::new();
    rig.tamper("PRAGMA journal_mode = WAL");
    assert_ne!(fs::metadata(&rig.settings.path).unwrap().len(), 0);
    let spool = rig.open();
    spool.append(event("a", "body")).await.unwrap();
}

#[test]
fn a_folder_is_no_file() {
    let rig = Rig::new();
    fs::create_dir(&rig.settings.path).unwrap();
    assert!(matches!(refused(&rig), OpenError::File { .. }));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::new();
    rig.open().close().await;
    let read_only = fs::Permissions::from_mode(0o400);
    fs::set_permissions(&rig.settings.path, read_only).unwrap();
    // The system lets its administrator write everywhere; then there is nothing to refuse.
    let may_write = fs::OpenOptions::new().append(true).open(&rig.settings.path).is_ok();
    let opened = Spool::open(&rig.settings, Arc::default());
    assert_eq!(opened.is_ok(), may_write);
    if let Err(error) = opened {
        assert!(matches!(error, OpenError::File { .. }), "{error}");
    }
}
