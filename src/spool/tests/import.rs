//! From one spool to another.

use super::super::queue::LONGEST_PAUSE;
use super::*;

/// Everything in the spool, in its order.
async fn stories(spool: &Spool) -> Vec<Story> {
    let page = spool.page(Filter::default(), Place::default(), 1000).await.unwrap();
    spool.stories(page, u64::MAX).await.unwrap().stories
}

/// What is to be the same in both; places are a spool's own.
fn told(stories: &[Story]) -> Vec<String> {
    let told = |story: &Story| {
        let record = Record { place: Place::default(), ..story.record.clone() };
        format!("{:?}", Story { record, contents: story.contents.clone() })
    };
    stories.iter().map(told).collect()
}

/// One event in each state, two of one key that wait, one without a key, one in quarantine.
async fn filled(spool: &Spool) {
    for (key, body) in [("a", "1"), ("b", "2"), ("c", "3"), ("c", "4")] {
        spool.append(event(key, body)).await.unwrap();
    }
    spool.append(event_at(None, "5", NOON)).await.unwrap();
    spool.append(event("c", "4")).await.unwrap();
    spool.refuse(malformed("what?")).await.unwrap();
    spool.refuse(malformed("what?")).await.unwrap();
    spool.done(spool.next().await);
    spool.settle(spool.next().await, attempt(404), Verdict::Dead);
    let later = crate::clock::now().plus(HOUR);
    spool.settle(spool.next().await, attempt(503), Verdict::RetryAt(later));
    // Whatever is settled is in the file after a change.
    spool.append(event("d", "6")).await.unwrap();
}

#[tokio::test]
async fn everything_is_as_it_was_and_in_its_order() {
    let (from, to) = (Rig::new(), Rig::new());
    let spool = from.open();
    filled(&spool).await;
    spool.close().await;
    let exported = stories(&from.open()).await;
    let spool = to.open();
    let done = spool.import(exported.clone()).await.unwrap();
    assert!(done.iter().all(|done| *done == Operated::Imported) && done.len() == 7, "{done:?}");
    assert_eq!(told(&stories(&spool).await), told(&exported));
    let status = spool.status();
    assert_eq!((status.pending, status.dead, status.quarantined), (4, 1, 1));
    assert!(spool.verify().await.unwrap().problems.is_empty());
    // The next of "c" waits for the first, whose time has not come.
    let leases = [spool.next().await, spool.next().await];
    assert_eq!(leases.each_ref().map(|lease| lease.body.clone()), ["5", "6"]);
    assert!(spool.now().is_none());
    let again = spool.append(event("c", "4")).await.unwrap();
    assert_eq!(again, Receipt::Repeat(exported[3].record.id), "repeats are still recognised");
}

#[tokio::test]
async fn no_file_decides_how_long_an_event_waits_or_how_old_it_is() {
    let spool = Rig::new().open();
    spool.append(event("a", "1")).await.unwrap();
    spool.settle(spool.next().await, attempt(503), Verdict::RetryAt(Timestamp::from_millis(1)));
    spool.append(event("b", "2")).await.unwrap();
    let mut all = stories(&spool).await;
    all.truncate(1);
    all[0].record.due = Some(Timestamp::from_millis(u64::MAX >> 1));
    let other = Rig::new().open();
    let asked = crate::clock::now();
    other.import(all).await.unwrap();
    let due = stories(&other).await[0].record.due.unwrap();
    assert!(due >= asked.plus(LONGEST_PAUSE) && due <= crate::clock::now().plus(LONGEST_PAUSE));

    let mut old = stories(&spool).await.split_off(1);
    old[0].record.accepted = NOON;
    other.import(old).await.unwrap();
    let lease = other.next().await;
    assert_eq!(lease.accepted, NOON);
    assert!(lease.since >= asked);
}

#[tokio::test]
async fn what_is_there_already_is_left_alone() {
    let rig = Rig::new();
    let spool = rig.open();
    filled(&spool).await;
    let all = stories(&spool).await;
    let done = spool.import(all.clone()).await.unwrap();
    assert!(done.iter().all(|done| *done == Operated::Known));
    let other = Rig::new().open();
    let twice = [all[0].clone(), all[0].clone(), all[6].clone()].to_vec();
    let done = other.import(twice).await.unwrap();
    assert_eq!(done, [Operated::Imported, Operated::Known, Operated::Imported]);
}

#[tokio::test]
async fn what_was_kept_more_than_once_comes_as_often_and_no_oftener() {
    let (from, to) = (Rig::new(), Rig::new());
    let spool = from.open();
    for body in ["PENDING", "REVERSED", "PENDING", "PENDING"] {
        spool.quarantine(malformed(body), Told::Kept).await.unwrap();
    }
    let exported = stories(&spool).await;
    spool.close().await;
    let mut salvaged = Vec::new();
    let saved = Spool::salvage(&from.settings.path, &mut |story| {
        salvaged.push(story);
        Ok(())
    });
    assert_eq!(saved.unwrap(), Salvage { saved: 3, passed: 0 });
    assert_eq!(told(&salvaged), told(&exported));
    let spool = to.open();
    for outcome in [Operated::Imported, Operated::Known] {
        let done = spool.import(salvaged.clone()).await.unwrap();
        assert!(done.len() == 3 && done.iter().all(|done| *done == outcome), "{done:?}");
    }
    assert_eq!(told(&stories(&spool).await), told(&exported));
    assert_eq!(spool.status().quarantined, 3);
}

#[tokio::test]
async fn an_import_keeps_to_max_bytes_and_is_whole_or_not_at_all() {
    let mut rig = Rig::new();
    rig.settings.max_bytes = 400_000;
    let spool = rig.open();
    spool.append(event("a", &" ".repeat(1000))).await.unwrap();
    let one = stories(&spool).await.remove(0);
    let many: Vec<_> = (0..400)
        .map(|_| Story {
            record: Record { id: EventId::new(NOON), ..one.record.clone() },
            ..one.clone()
        })
        .collect();
    let refused = spool.import(many).await;
    assert!(matches!(refused, Err(OperateError::Full)), "{refused:?}");
    assert_eq!(rig.ask("SELECT count(*) FROM events"), 1);
    let one = Story { record: Record { id: EventId::new(NOON), ..one.record.clone() }, ..one };
    assert_eq!(spool.import(vec![one]).await.unwrap(), [Operated::Imported]);
}
