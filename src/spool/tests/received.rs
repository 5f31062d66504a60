//! What an event was made of.

use super::*;

/// What the spool has of the request of this event.
async fn request_of(spool: &Spool, id: EventId) -> Option<Received> {
    match spool.find(id).await.unwrap().unwrap().contents {
        Contents::Event { received, .. } => received,
        Contents::Malformed(_) => panic!("it is an event"),
    }
}

fn convert() -> Convert {
    Convert::new(|_| Ok(Reread { key: None, body: Bytes::from_static(b"{}") }))
}

#[tokio::test]
async fn the_request_stays_with_its_event_as_long_as_that_stays() {
    let mut rig = Rig::new();
    let spool = rig.open();
    let empty = Received {
        client: String::new(),
        content_type: Some(Bytes::new()),
        query: None,
        headers: Vec::new(),
        format: None,
        ..received("")
    };
    let id = spool.append(event("a", "one")).await.unwrap().id();
    let of_nothing = Accepted { received: Some(empty.clone()), ..event("b", "two") };
    let of_nothing = spool.append(of_nothing).await.unwrap().id();
    spool.done(spool.next().await);
    spool.done(spool.next().await);
    spool.replay(vec![id], convert()).await.unwrap();
    assert_eq!(request_of(&spool, id).await, Some(received("as it came")), "it moved with it");
    spool.done(spool.next().await);
    assert_eq!(request_of(&spool, of_nothing).await, Some(empty));
    spool.close().await;

    rig.settings.keep_delivered = Duration::ZERO;
    rig.settings.dedup_window = Duration::ZERO;
    let spool = rig.open();
    spool.append(event("c", "three")).await.unwrap();
    assert_eq!(
        rig.ask("SELECT count(*) FROM bodies"),
        1,
        "what was delivered is gone with its request"
    );
}

#[tokio::test]
async fn what_is_not_to_be_kept_comes_in_on_no_way() {
    let (all, mut none) = (Rig::new(), Rig::new());
    let spool = all.open();
    let brought = spool.append(event("a", "body")).await.unwrap().id();
    let story = spool.find(brought).await.unwrap().unwrap();
    none.settings.keep_received = false;
    let spool = none.open();
    let appended = spool.append(event("b", "body")).await.unwrap().id();
    let mended = spool.refuse(malformed("what?")).await.unwrap();
    assert_eq!(spool.import(vec![story]).await.unwrap(), [Operated::Imported]);
    assert_eq!(spool.replay(vec![mended], convert()).await.unwrap(), [Operated::Replayed]);
    for id in [appended, brought, mended] {
        assert_eq!(request_of(&spool, id).await, None);
    }
    assert_eq!(none.ask("SELECT count(*) FROM bodies WHERE received IS NULL"), 3);
}

#[tokio::test]
async fn a_mended_request_is_what_its_event_was_made_of() {
    let spool = Rig::new().open();
    let mended = spool.refuse(malformed("what?")).await.unwrap();
    spool.replay(vec![mended], convert()).await.unwrap();
    assert_eq!(request_of(&spool, mended).await, Some(received("what?")));
}

#[tokio::test]
async fn a_request_counts_for_max_bytes() {
    let mut rig = Rig::new();
    rig.settings.max_bytes = 1 << 20;
    let spool = rig.open();
    let large = Some(received(&" ".repeat(1 << 20)));
    let refused = spool.append(Accepted { received: large, ..event("a", "body") }).await;
    assert_eq!(refused, Err(AppendError::Full));
}
