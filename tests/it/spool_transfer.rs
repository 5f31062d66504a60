//! From one spool to another: moving events by hand, and mending a damaged file as `verify` says.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::process::Command;

use crate::spool_command::{field, folder, spool};
use crate::support::client::{Client, id_in};
use crate::support::config::{Folder, ROUTE};
use crate::support::process::{Process, output};
use crate::support::upstream::Upstream;

/// Has a gateway accept this many events that nobody takes; answers with their ids.
async fn accepted(folder: &Folder, events: usize) -> Vec<String> {
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    let mut ids = Vec::new();
    for number in 0..events {
        // DEL is a letter to JSON and to us, and nothing to a terminal.
        let note = "n\u{7f}".repeat(250);
        let body = format!(r#"{{"ActionId":"{number}","Note":"{note}"}}"#);
        ids.push(id_in(&client.post_json(body).await));
    }
    assert_eq!(client.post_json("{broken").await.status(), 422);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    ids
}

#[tokio::test]
async fn what_is_exported_is_imported_as_it_was() {
    let upstream = Upstream::away().await;
    let (from, to) = (folder(&upstream, ROUTE), folder(&upstream, ROUTE));
    let ids = accepted(&from, 5).await;
    let (exported, _) = spool(&from, &["export"]);
    assert_eq!(exported.lines().count(), 6);
    assert_eq!(exported.matches("n\u{7f}").count(), 2 * 5 * 250, "in the body and as received");
    let file = to.path("export.ndjson");
    let file = file.to_str().unwrap();
    std::fs::write(file, &exported).unwrap();

    // Without a gateway, into a spool that is not there yet.
    let told = spool(&to, &["import", file]);
    assert_eq!(told, ("6 imported, 0 were there already, 0 unreadable\n".to_owned(), true));
    assert_eq!(spool(&to, &["export"]).0, exported);

    // With a gateway, some of it once more, and a line that was cut off.
    let gateway = Process::run(&to.config());
    let (kept, cut) = (exported.lines().next().unwrap(), r#"{"id":"018b"#);
    std::fs::write(file, format!("{kept}\n\n{cut}\n")).unwrap();
    let (told, good) = spool(&to, &["import", file]);
    let why = "line 3: EOF while parsing a string, in column 11\n";
    assert!(!good && told.starts_with(why), "{told}");
    assert!(told.ends_with("0 imported, 1 were there already, 1 unreadable\n"), "{told}");
    let listed = spool(&to, &["list", "--json"]).0;
    assert!(ids.iter().all(|id| listed.contains(id)) && listed.lines().count() == 6);
    assert_eq!(spool(&to, &["drop", "--dead"]), ("0 of 0 dropped\n".to_owned(), true));
    let (compacted, good) = spool(&to, &["compact"]);
    assert!(good && compacted.contains("spool.db: "), "{compacted}");
    let (compacted, good) = spool(&to, &["compact", "--json"]);
    let facts: serde_json::Value = serde_json::from_str(&compacted).unwrap();
    assert!(good && facts["bytes"].as_u64() > Some(0) && facts["bytes_before"] == facts["bytes"]);
    drop(gateway);
}

#[tokio::test]
async fn what_nobody_will_deliver_is_told_where_it_comes_in() {
    let upstream = Upstream::away().await;
    let elsewhere = ROUTE.replace("\"actions\"", "\"sales\"");
    let (from, to) = (folder(&upstream, &elsewhere), folder(&upstream, ROUTE));
    accepted(&from, 2).await;
    let config = to.config();
    let tell = |arguments: &[&str], events: &str| {
        let all = [&["spool", "--config", config.to_str().unwrap()], arguments].concat();
        let done = output(&all, events.as_bytes());
        assert_eq!(done.status.code(), Some(0));
        String::from_utf8(done.stderr).unwrap()
    };
    let (exported, _) = spool(&from, &["export", "--pending"]);
    let (one, other) = exported.split_once('\n').unwrap();
    let warned = |events| {
        format!(
            "warning: {events} undelivered of route sales, which is not configured: they are kept \
             until it is\n"
        )
    };
    assert_eq!(tell(&["import"], one), warned(1));
    let gateway = Process::run(&config);
    assert_eq!(tell(&["import"], other), warned(2));
    let logged = gateway.logged("undelivered events of a route");
    assert_eq!((&logged["route"], &logged["events"]), (&"sales".into(), &2.into()));
    let of_ours = exported.replace("\"route\":\"sales\"", "\"route\":\"actions\"");
    assert_eq!(tell(&["import"], &of_ours), warned(2), "they are known, and the others still wait");
    drop(gateway);
    assert_eq!(tell(&["replay", "--dead"], ""), warned(2));
}

/// Overwrites a page that holds some rows of this table.
fn damage(folder: &Folder, table: &str) {
    let path = folder.path("spool.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    let sql = "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' LIMIT 1";
    let page: u32 = connection.query_row(sql, [table], |row| row.get(0)).unwrap();
    let page_bytes: u64 = connection
        .pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))
        .unwrap()
        .into();
    drop(connection);
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(u64::from(page - 1) * page_bytes)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(page_bytes).unwrap()]).unwrap();
}

/// Pastes the steps that were printed into a shell, one by one.
fn paste(told: &str) {
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_postgate")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let steps: Vec<_> = (1..=9)
        .filter_map(|number| {
            let number = format!("{number}. ");
            told.lines().find_map(|line| line.trim_start().strip_prefix(&*number))
        })
        .collect();
    assert_eq!(steps.len(), 4);
    for step in steps {
        let mut shell = Command::new("sh");
        shell.args(["-c", step]).current_dir("/").env("PATH", &path);
        let output = shell.output().unwrap();
        println!("{step}\n{}", String::from_utf8_lossy(&output.stderr));
        // Salvage ends with 1, because something was lost.
        assert_eq!(output.status.success(), !step.contains("salvage"), "{step}");
    }
}

#[tokio::test]
async fn an_export_leaves_out_what_stands_on_a_damaged_page_and_names_it() {
    let upstream = Upstream::away().await;
    let folder = folder(&upstream, ROUTE);
    let ids = accepted(&folder, 60).await;
    damage(&folder, "bodies");
    let config = folder.config();
    let export = ["spool", "--config", config.to_str().unwrap(), "export"];
    let told = || {
        let output = output(&export, b"");
        assert_eq!(output.status.code(), Some(1));
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let [exported, missing] = told();
    let left_out = ids.iter().filter(|id| missing.contains(*id)).count();
    assert!((1..40).contains(&left_out), "{missing}");
    assert_eq!(exported.lines().count(), 61 - left_out, "with the one in quarantine");
    assert!(ids.iter().all(|id| missing.contains(id) != exported.contains(id)));
    assert!(missing.contains("`postgate spool verify` says how"), "{missing}");
    let _gateway = Process::run(&config);
    let [by_gateway, the_same] = told();
    assert_eq!(the_same, missing, "a gateway tells the same");
    // It has tried some by now.
    let id = |line: &str| field(line, "id");
    assert!(by_gateway.lines().map(id).eq(exported.lines().map(id)));
}

#[tokio::test]
async fn the_mend_that_verify_prints_mends() {
    let mut upstream = Upstream::away().await;
    let folder = folder(&upstream, ROUTE);
    let ids = accepted(&folder, 60).await;
    damage(&folder, "bodies");
    let (told, good) = spool(&folder, &["verify"]);
    assert!(!good && told.contains("is damaged. To mend it"), "{told}");
    paste(&told);
    let (told, good) = spool(&folder, &["verify", "--json"]);
    assert!(good && told.contains(r#""quarantined":1"#), "{told}");
    let _gateway = Process::run(&folder.config());
    upstream.up();
    let saved = upstream.received(40).await;
    assert!(saved.iter().all(|event| ids.contains(&event.header("webhook-id").to_owned())));
    assert!(
        saved
            .iter()
            .all(|event| event.body.windows(2).filter(|two| two == b"n\x7f").count() == 250)
    );
}

/// The first version wrote it, and what it takes to bring it up to date cannot be read.
#[tokio::test]
async fn a_file_that_cannot_be_opened_for_its_damage_is_told_with_the_same_mend() {
    let upstream = Upstream::start().await;
    let folder = folder(&upstream, ROUTE);
    let connection = rusqlite::Connection::open(folder.path("spool.db")).unwrap();
    connection.execute_batch(include_str!("../../src/spool/tests/format-1.sql")).unwrap();
    let more = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 999)
        INSERT INTO events (id, route, key, ordered, fingerprint, accepted, state, settled)
        SELECT randomblob(16), 1, n, 1, randomblob(16), 0, 1, 1 FROM n;
        INSERT INTO bodies SELECT seq, x'7b7d' FROM events WHERE seq NOT IN (SELECT seq FROM bodies)";
    connection.execute_batch(more).unwrap();
    drop(connection);
    damage(&folder, "events");
    let config = folder.config();
    let config = config.to_str().unwrap();
    let refused = output(&["run", "--config", config], b"");
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("the file is damaged"), "{told}");
    let at = told.find("spool.db' is damaged. To mend it").unwrap();
    let (_, steps) = told.split_at(at);
    assert!(spool(&folder, &["verify"]).0.ends_with(steps));
    let listed = output(&["spool", "list", "--config", config], b"");
    assert!(String::from_utf8(listed.stderr).unwrap().ends_with(steps));
    paste(&told);
    let _gateway = Process::run(&folder.config());
    assert!(spool(&folder, &["verify"]).1);
}

#[test]
fn what_is_no_file_is_not_salvaged() {
    let folder = tempfile::tempdir().unwrap();
    for (path, why) in
        [(folder.path().to_owned(), "is a folder"), (folder.path().join("a"), "cannot read")]
    {
        let refused = output(&["spool", "salvage", path.to_str().unwrap()], b"");
        assert_eq!(refused.status.code(), Some(1));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.starts_with("postgate: ") && told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_not_imported() {
    let upstream = Upstream::away().await;
    let folder = folder(&upstream, ROUTE);
    let config = folder.config();
    for (path, why) in [(folder.path("."), "is a folder"), (folder.path("a"), "cannot read")] {
        let import = ["spool", "import", "--config", config.to_str().unwrap()];
        let refused = output(&[&import[..], &[path.to_str().unwrap()]].concat(), b"");
        assert_eq!(refused.status.code(), Some(1));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.starts_with("postgate: ") && told.contains(why), "{told}");
    }
}
