//! The spool as a whole, on a real file.

mod damage;
mod delivery;
mod faults;
mod formats;
mod import;
mod limits;
mod model;
mod opening;
mod operate;
mod received;
mod repeats;
mod restart;
mod salvage;
mod shrinking;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::store::{Applied, Batch, Census, Change, Changed, Pending, Spare};
use super::*;
use crate::clock::Timestamp;

/// A moment that has passed.
const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_hours(1);

fn route() -> RouteName {
    RouteName::from("actions")
}

/// A folder of its own for each test, and settings that forbid nothing.
struct Rig {
    folder: tempfile::TempDir,
    settings: SpoolSettings,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = SpoolSettings {
            keep_delivered: HOUR * 24 * 36_500,
            dedup_window: HOUR,
            ..SpoolSettings::generous(folder.path())
        };
        Self { folder, settings }
    }

    fn open(&self) -> Spool {
        Spool::open(&self.settings, Arc::default()).unwrap()
    }

    /// Opens with an engine that fails on demand.
    fn open_faulty(&self) -> (Spool, Arc<Faults>) {
        open_faulty(&self.settings, Arc::default())
    }

    /// Asks the file one question, from outside.
    fn ask(&self, sql: &str) -> i64 {
        let connection = rusqlite::Connection::open(&self.settings.path).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Changes the file from outside.
    fn tamper(&self, sql: &str) {
        let connection = rusqlite::Connection::open(&self.settings.path).unwrap();
        connection.execute_batch(sql).unwrap();
    }
}

fn event_at(key: Option<&str>, body: &str, at: Timestamp) -> Accepted {
    Accepted {
        id: EventId::new(at),
        route: route(),
        key: key.map(str::to_owned),
        at,
        body: Bytes::copy_from_slice(body.as_bytes()),
        received: Some(received("as it came")),
    }
}

fn event(key: &str, body: &str) -> Accepted {
    event_at(Some(key), body, NOON)
}

fn malformed(body: &str) -> Malformed {
    Malformed {
        id: EventId::new(NOON),
        route: route(),
        at: NOON,
        reason: "neither this nor that".to_owned(),
        received: received(body),
    }
}

fn arriving(malformed: Malformed) -> Arrival {
    let fingerprint = digest::of_malformed(&malformed);
    let (told, window) = (Told::Refused, HOUR);
    Arrival::Malformed(Box::new(NewMalformed { malformed, fingerprint, told, window }))
}

fn received(body: &str) -> Received {
    Received {
        client: "192.0.2.1".to_owned(),
        method: "POST".to_owned(),
        content_type: None,
        query: Some(Bytes::from_static(b"a=b")),
        headers: vec![Header { name: "via".to_owned(), value: Bytes::from_static(b"\xff") }],
        format: Some("form".to_owned()),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// How an attempt went that ended at noon.
fn attempt(status: u16) -> Attempt {
    Attempt {
        at: NOON,
        status: Some(status),
        outcome: "as it goes".to_owned(),
        answer: Bytes::new(),
    }
}

impl Spool {
    /// The next event, which must be there.
    async fn next(&self) -> Lease {
        self.lease(&route()).await.unwrap()
    }

    /// Keeps what its sender sends again.
    async fn refuse(&self, malformed: Malformed) -> Result<EventId, AppendError> {
        self.quarantine(malformed, Told::Refused).await
    }

    fn done(&self, lease: Lease) {
        self.settle(lease, attempt(200), Verdict::Done);
    }

    /// Whether the metrics, as text, have this line.
    fn shows(&self, line: &str) -> bool {
        self.shared.telemetry.encode().lines().any(|shown| shown == line)
    }

    /// The next event, when one is due soon.
    async fn lease_soon(&self) -> Option<Lease> {
        let soon = Duration::from_secs(2);
        tokio::time::timeout(soon, self.lease(&route())).await.ok().flatten()
    }

    /// The next event that needs no waiting.
    fn now(&self) -> Option<Lease> {
        poll_once(self.lease(&route())).flatten()
    }
}

/// What the future answers at its first poll.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ready) => Some(ready),
        Poll::Pending => None,
    }
}

/// Looks again until it is so. The test's own time limit ends it otherwise.
async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Opens a spool with an engine that fails, or is slow, on demand; for the stages that use one, too.
pub(crate) fn open_faulty(
    settings: &SpoolSettings,
    telemetry: Arc<Telemetry>,
) -> (Spool, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let (store, bodies, _) = sqlite::open(&settings.path).unwrap();
    let store = Faulty { inner: Box::new(store), faults: Arc::clone(&faults) };
    let bodies = FaultyBodies { inner: Box::new(bodies), faults: Arc::clone(&faults) };
    let started = Spool::start(Box::new(store), Arc::new(bodies), settings, telemetry);
    (started.unwrap(), faults)
}

/// What is wrong with the engine just now.
#[derive(Default)]
pub(crate) struct Faults {
    writes_fail: AtomicBool,
    reads_fail: AtomicBool,
    /// Commits succeed, and the log is never copied into the file.
    copying_fails: AtomicBool,
    /// Of each batch only the first that came is written.
    goes_short: AtomicBool,
    panics: AtomicBool,
    /// Claimed instead of the real size when it is not zero.
    bytes: AtomicU64,
    /// Batches tried.
    batches: AtomicU64,
    /// Reads tried.
    reads: AtomicU64,
    held: Mutex<bool>,
    let_go: Condvar,
}

impl Faults {
    fn fail_writes(&self, fail: bool) {
        self.writes_fail.store(fail, Ordering::SeqCst);
    }

    /// Keeps the writer thread inside of its next batch, and readers inside of their next read.
    pub(crate) fn hold(&self) {
        *self.held.lock().unwrap() = true;
    }

    /// Batches tried so far.
    pub(crate) fn batches(&self) -> u64 {
        self.batches.load(Ordering::SeqCst)
    }

    pub(crate) fn let_go(&self) {
        *self.held.lock().unwrap() = false;
        self.let_go.notify_all();
    }

    fn wait(&self) {
        let held = self.held.lock().unwrap();
        drop(self.let_go.wait_while(held, |held| *held).unwrap());
    }

    fn check_copying(&self) -> Result<(), StoreError> {
        if self.copying_fails.load(Ordering::SeqCst) {
            return Err(StoreError::Write("the log is too large".into()));
        }
        self.check()
    }

    fn check(&self) -> Result<(), StoreError> {
        self.wait();
        assert!(!self.panics.load(Ordering::SeqCst), "a bug, as ordered by the test");
        if self.writes_fail.load(Ordering::SeqCst) {
            return Err(StoreError::Write("the disk is gone".into()));
        }
        Ok(())
    }
}

struct Faulty {
    inner: Box<dyn Store>,
    faults: Arc<Faults>,
}

impl Store for Faulty {
    fn census(&mut self) -> Result<Census, StoreError> {
        self.inner.census()
    }

    fn pending(&mut self, visit: &mut dyn FnMut(Pending)) -> Result<(), StoreError> {
        self.inner.pending(visit)
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Applied, StoreError> {
        self.faults.batches.fetch_add(1, Ordering::SeqCst);
        self.faults.check()?;
        if self.faults.goes_short.load(Ordering::SeqCst) {
            let arrivals = batch.arrivals.get(..1).unwrap_or_default();
            return self.inner.apply(&Batch { settlements: &[], arrivals, ..*batch });
        }
        self.inner.apply(batch)
    }

    fn change(&mut self, changes: &[Change]) -> Result<Vec<Changed>, StoreError> {
        self.faults.check()?;
        self.inner.change(changes)
    }

    fn quarantine_bytes(&mut self) -> Result<u64, StoreError> {
        self.inner.quarantine_bytes()
    }

    fn bytes(&mut self) -> Result<u64, StoreError> {
        match self.faults.bytes.load(Ordering::SeqCst) {
            0 => self.inner.bytes(),
            claimed => Ok(claimed),
        }
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        self.faults.check_copying()?;
        self.inner.probe()
    }

    fn shrink(&mut self, spare: Spare) -> Result<Compaction, StoreError> {
        self.faults.check_copying()?;
        self.inner.shrink(spare)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.inner.close()
    }
}

struct FaultyBodies {
    inner: Box<dyn Bodies>,
    faults: Arc<Faults>,
}

impl Bodies for FaultyBodies {
    fn load(&self, wanted: &[store::Seq]) -> Result<Vec<(store::Seq, store::Stored)>, StoreError> {
        self.faults.reads.fetch_add(1, Ordering::SeqCst);
        self.faults.wait();
        if self.faults.reads_fail.load(Ordering::SeqCst) {
            return Err(StoreError::Read("the disk is gone".into()));
        }
        self.inner.load(wanted)
    }

    fn page(&self, filter: &Filter, after: Place, limit: u32) -> Result<Page, StoreError> {
        self.inner.page(filter, after, limit)
    }

    fn places(&self, ids: &[EventId]) -> Result<Vec<(EventId, Place, State)>, StoreError> {
        self.inner.places(ids)
    }

    fn story(&self, place: Place) -> Result<Option<Story>, StoreError> {
        self.inner.story(place)
    }

    fn inspect(&self) -> Result<Inspection, StoreError> {
        self.inner.inspect()
    }
}
