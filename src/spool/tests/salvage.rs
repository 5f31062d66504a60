//! What can be saved of a damaged file.

use std::io::{Seek as _, SeekFrom, Write as _};

use super::*;

/// Accepts so many events of half a KiB, each of its own key.
pub(super) async fn fill(spool: &Spool, events: usize) {
    let mut appends = tokio::task::JoinSet::new();
    for number in 0..events {
        let event = event(&number.to_string(), &format!("{{\"n\":\"{number:0500}\"}}"));
        let spool = spool.clone();
        appends.spawn(async move { spool.append(event).await.unwrap() });
    }
    appends.join_all().await;
}

/// A file at rest with `events` events, and a request in quarantine.
async fn filled(rig: &Rig, events: usize) {
    let spool = rig.open();
    fill(&spool, events).await;
    spool.refuse(malformed("what?")).await.unwrap();
    spool.close().await;
}

/// Overwrites the page with what is no page.
pub(super) fn destroy(rig: &Rig, page: i64) {
    let mut file = std::fs::OpenOptions::new().write(true).open(&rig.settings.path).unwrap();
    file.seek(SeekFrom::Start(u64::try_from(page - 1).unwrap() * 8192)).unwrap();
    file.write_all(&[0xa5; 8192]).unwrap();
}

/// The first leaf of a table or an index.
pub(super) fn leaf(rig: &Rig, name: &str) -> i64 {
    let sql = "SELECT pageno FROM dbstat WHERE pagetype = 'leaf' AND name =";
    rig.ask(&format!("{sql} '{name}' ORDER BY path LIMIT 1"))
}

/// How many there are.
pub(super) fn leaves(rig: &Rig, name: &str) -> i64 {
    rig.ask(&format!("SELECT count(*) FROM dbstat WHERE pagetype = 'leaf' AND name = '{name}'"))
}

fn salvaged(rig: &Rig) -> (Vec<Story>, Salvage) {
    let mut stories = Vec::new();
    let found = Spool::salvage(&rig.settings.path, &mut |story| {
        stories.push(story);
        Ok(())
    });
    let found = found.unwrap();
    assert_eq!(u64::try_from(stories.len()), Ok(found.saved));
    (stories, found)
}

#[tokio::test]
async fn a_whole_file_is_read_whole() {
    let rig = Rig::new();
    filled(&rig, 300).await;
    let (stories, found) = salvaged(&rig);
    assert_eq!(found, Salvage { saved: 301, passed: 0 });
    let spool = rig.open();
    let page = spool.page(Filter::default(), Place::default(), 1000).await.unwrap();
    let all = spool.stories(page, u64::MAX).await.unwrap().stories;
    let told = |stories: &[Story]| stories.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>();
    assert_eq!(told(&stories), told(&all));
}

#[tokio::test]
async fn a_file_of_the_first_version_is_read_whole_and_stays_as_it_is() {
    let rig = Rig::new();
    rig.tamper(include_str!("format-1.sql"));
    let (stories, found) = salvaged(&rig);
    assert_eq!(found, Salvage { saved: 4, passed: 0 });
    assert_eq!(rig.ask("SELECT user_version FROM pragma_user_version"), 1);
    let spool = rig.open();
    let page = spool.page(Filter::default(), Place::default(), 1000).await.unwrap();
    let all = spool.stories(page, u64::MAX).await.unwrap().stories;
    let contents = |stories: &[Story]| -> Vec<_> {
        stories.iter().map(|story| format!("{:?}", story.contents)).collect()
    };
    assert_eq!(contents(&stories), contents(&all), "their attempts and the quarantine, too");
}

#[tokio::test]
async fn a_destroyed_page_costs_what_stood_on_it_and_no_more() {
    for (table, least) in [("events", 150), ("bodies", 270), ("latest", 301), ("attempts", 301)] {
        let rig = Rig::new();
        filled(&rig, 300).await;
        destroy(&rig, leaf(&rig, table));
        let (stories, found) = salvaged(&rig);
        assert!(found.saved >= least, "{table}: {found:?}");
        assert_eq!(found.passed > 0, least < 301, "{table}: {found:?}");
        // What was saved makes a spool.
        let other = Rig::new();
        let spool = other.open();
        let done = spool.import(stories).await.unwrap();
        assert!(done.iter().all(|done| *done == Operated::Imported));
        assert_eq!(spool.status().pending, found.saved - 1, "{table}");
        assert!(spool.verify().await.unwrap().problems.is_empty());
    }
}

/// Events on more pages than one page can point to. What is not read of them is large, so that they
/// need not be a million.
async fn deep(rig: &Rig) -> i64 {
    rig.open().close().await;
    rig.tamper(
        "INSERT INTO routes VALUES (1, 'actions');
         WITH n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 20000)
             INSERT INTO events (id, route, key, ordered, fingerprint, accepted)
             SELECT randomblob(16), 1, n, 1, zeroblob(1000), 1 FROM n;
         INSERT INTO bodies (seq, body) SELECT seq, x'7b7d' FROM events",
    );
    rig.ask("SELECT count(*) FROM events")
}

#[tokio::test]
async fn a_destroyed_page_that_points_to_others_costs_what_they_hold_and_no_more() {
    let rig = Rig::new();
    let all = deep(&rig).await;
    // The first of those below the root; the path of what it points to begins with its own.
    let inner = "FROM dbstat WHERE name = 'events' AND path LIKE '/000/%' AND pagetype =";
    let lost = rig.ask(&format!("SELECT sum(ncell) {inner} 'leaf'"));
    assert!((5000..all - 1000).contains(&lost), "strides go past the end: {lost} of {all}");
    destroy(&rig, rig.ask(&format!("SELECT pageno {inner} 'internal'")));
    let (stories, found) = salvaged(&rig);
    let saved = u64::try_from(all - lost).unwrap();
    assert_eq!(found, Salvage { saved, passed: 1 });
    assert_eq!(stories[0].record.place, Place::Event(lost + 1), "the first behind it");
    // Without its index a start reads the same.
    destroy(&rig, leaf(&rig, "pending"));
    assert_eq!(rig.open().status().pending, saved);
}

#[tokio::test]
async fn one_damaged_body_stops_no_other_event() {
    let rig = Rig::new();
    filled(&rig, 300).await;
    destroy(&rig, leaf(&rig, "bodies"));
    let spool = rig.open();
    let mut delivered = 0;
    while let Some(lease) = spool.lease_soon().await {
        spool.done(lease);
        delivered += 1;
    }
    assert!((250..300).contains(&delivered), "{delivered}");
    spool.append(event("new", "body")).await.unwrap();
    let found = spool.verify().await.unwrap();
    assert!(!found.problems.is_empty());
}

#[test]
fn what_is_no_spool_is_refused() {
    let rig = Rig::new();
    rig.tamper("CREATE TABLE theirs (id)");
    let refused = Spool::salvage(&rig.settings.path, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(refused, SalvageError::Foreign { .. }), "{refused}");
    std::fs::write(&rig.settings.path, "no database at all".repeat(600)).unwrap();
    let refused = Spool::salvage(&rig.settings.path, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(refused, SalvageError::Unreadable { .. }), "{refused}");
}
