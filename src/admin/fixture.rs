//! A desk with a spool, and a place, for tests.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::places::{Place, Places};
use super::{Answer, Configured, Desk};
use crate::clock::Timestamp;
use crate::spool::tests::{Faults, open_faulty};
use crate::spool::{Accepted, Convert, EventId, Spool, SpoolSettings};

/// Of one route, `actions`. Nothing in its quarantine is understood.
pub(super) struct Rig {
    pub(super) desk: Desk,
    /// What is wrong with its disk.
    pub(super) disk: Arc<Faults>,
    spool: Spool,
    _folder: tempfile::TempDir,
}

impl Rig {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = SpoolSettings::generous(folder.path());
        let (spool, faults) = open_faulty(&settings, Arc::default());
        let convert = Convert::new(|_| Err("no".to_owned()));
        let configured = Configured::new(|route| &**route == "actions");
        let desk = Desk::new(spool.clone(), convert, configured);
        Self { desk, disk: faults, spool, _folder: folder }
    }

    pub(super) async fn keep(&self, body: impl Into<Bytes>) -> EventId {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let event = Accepted {
            id: EventId::new(at),
            route: "actions".into(),
            key: None,
            at,
            body: body.into(),
            received: None,
        };
        self.spool.append(event).await.unwrap().id()
    }
}

pub(super) async fn place() -> Place {
    Places::new(1, 1).take([192, 0, 2, 1].into()).await
}

#[expect(clippy::disallowed_methods, reason = "the answer is ours")]
pub(super) async fn text(answer: Answer) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}
