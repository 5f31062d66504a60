//! A backlog leaves no large file behind.

use super::*;

fn file_bytes(rig: &Rig) -> u64 {
    std::fs::metadata(&rig.settings.path).unwrap().len()
}

#[tokio::test]
async fn the_file_shrinks_again_after_a_backlog() {
    const EVENTS: usize = 1500;
    let mut rig = Rig::new();
    (rig.settings.keep_delivered, rig.settings.dedup_window) = (Duration::ZERO, Duration::ZERO);
    let spool = rig.open();
    let body = "x".repeat(16_000);
    let mut appends = tokio::task::JoinSet::new();
    for number in 0..EVENTS {
        let (spool, event) = (spool.clone(), event(&number.to_string(), &body));
        appends.spawn(async move { spool.append(event).await.unwrap() });
    }
    appends.join_all().await;
    rig.ask("PRAGMA wal_checkpoint(PASSIVE)");
    let full = file_bytes(&rig);
    assert!(full > 16_000 * 1500, "{full}");
    for _ in 0..EVENTS {
        spool.done(spool.next().await);
    }
    until(|| file_bytes(&rig) < full / 4).await;
    assert!(spool.status().healthy);
    spool.append(event("after", &body)).await.unwrap();
    assert!(spool.verify().await.unwrap().problems.is_empty());
}

#[test]
fn shrinking_goes_in_steps_and_leaves_what_comes_next_its_room() {
    let rig = Rig::new();
    let (mut store, _, _) = sqlite::open(&rig.settings.path).unwrap();
    rig.tamper(
        "CREATE TABLE filling (bytes BLOB);
         INSERT INTO filling SELECT zeroblob(8000) FROM
             (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
              SELECT i FROM n)",
    );
    assert!(!store.shrink(Spare::Some).unwrap().goes_on, "nothing is free");
    rig.tamper("DELETE FROM filling");
    let steps = std::iter::from_fn(|| Some(store.shrink(Spare::Some).unwrap()));
    let steps = steps.take_while(|shrunk| shrunk.goes_on).count();
    assert_eq!(steps, 6, "of 128 pages each, down to the spare 256");
    assert!((2 << 20..3 << 20).contains(&file_bytes(&rig)), "{}", file_bytes(&rig));
    while store.shrink(Spare::None).unwrap().goes_on {}
    assert!(file_bytes(&rig) < 1 << 20, "{}", file_bytes(&rig));
}
