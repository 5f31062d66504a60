//! The spool. In: opaque bytes with a route and a key. Out: the same bytes, in order, until they
//! are settled. Never: HTTP, JSON, or a promise before the disk has it.
//!
//! [`Spool::append`] hands an event to the one writer thread, which commits many at once and
//! answers after the commit. From then on the event is in the queue in memory, and
//! [`Spool::lease`] gives it out: in order within its key, when it is due.
//! [`Spool::settle`] takes effect in memory at once and is written behind; what is lost of that in
//! a crash costs a second delivery and never an event.

mod board;
mod cache;
mod digest;
mod error;
mod event;
#[cfg(fuzzing)]
pub mod fuzzing;
mod lease;
mod lending;
mod operate;
mod queue;
mod record;
mod sqlite;
mod status;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

pub use self::digest::KeyHash;
pub use self::error::{AppendError, OpenError, SalvageError};
pub use self::event::{Accepted, EventId, Header, Malformed, Receipt, Received, RouteName, Told};
pub use self::lease::{Attempt, Lease, Verdict};
pub use self::record::{
    Compaction, Contents, Convert, Filter, Inspection, NoPlace, OperateError, Operated, Page,
    Place, Record, Reread, Salvage, State, Stories, Story,
};
pub use self::status::SpoolStatus;
pub use self::store::{Fault, StoreError};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};

use self::board::Board;
use self::store::{Arrival, Bodies, NewEvent, NewMalformed, Order, Pending, Store};
use self::writer::{Command, Limits, Ticket, Writer};

use crate::clock;
use crate::telemetry::{SpoolRefusal, Telemetry};

/// Arrivals that may wait for the disk, in places of [`PLACE_BYTES`]: as many events, or 64 MiB.
/// At 30,000 events a second that is 130 ms, longer than a commit of any healthy disk; what waits
/// longer would be given up by the sender anyway.
const PLACES: u32 = 4096;
/// A larger event takes more than one place.
const PLACE_BYTES: usize = 16 << 10;

/// The `[spool]` and `[dedup]` sections.
#[derive(Clone, Debug)]
pub struct SpoolSettings {
    /// The file. Its folder is made where it is missing. Beside it lie its log and its lock.
    pub path: PathBuf,
    /// Size of the file at which nothing more is accepted, in bytes. The write-ahead log comes on
    /// top: usually 32 MiB, up to 64 MiB.
    pub max_bytes: u64,
    /// Hundredths of `max_bytes` that quarantine may take, so that it never keeps events out. The
    /// first request always fits.
    pub quarantine_percent: u8,
    /// Whether requests that were understood are kept as they came, beside what is delivered.
    pub keep_received: bool,
    /// How long a delivered event stays listed. It stays longer when `dedup_window` is longer, and
    /// shorter when room is needed.
    pub keep_delivered: Duration,
    /// How far back a repeat is recognised; zero switches the recognition off.
    pub dedup_window: Duration,
}

#[cfg(test)]
impl SpoolSettings {
    /// A file in this folder, and room for everything; repeats are events as well. A test changes what it
    /// is about.
    pub(crate) fn generous(folder: &std::path::Path) -> Self {
        Self {
            path: folder.join("spool.db"),
            max_bytes: 1 << 30,
            quarantine_percent: 25,
            keep_received: true,
            keep_delivered: Duration::from_hours(1),
            dedup_window: Duration::ZERO,
        }
    }
}

/// The handle to the spool; cheap to clone.
#[derive(Clone, Debug)]
pub struct Spool {
    shared: Arc<Shared>,
}

struct Shared {
    board: Arc<Board>,
    bodies: Arc<dyn Bodies>,
    telemetry: Arc<Telemetry>,
    commands: mpsc::Sender<Command>,
    places: Arc<Semaphore>,
    /// Closed when the writer thread has ended.
    ended: watch::Receiver<()>,
    keep_received: bool,
    dedup_window: Duration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Spool {
    /// For how many places of arrivals ([`Accepted::places`], [`Malformed::places`]) there is room until
    /// they are on disk. Past it an arrival is refused ([`AppendError::Busy`]).
    #[must_use]
    pub fn places() -> usize {
        usize::try_from(PLACES).unwrap_or(usize::MAX)
    }

    /// Opens or makes the file, loads what is undelivered, and starts the writer thread.
    /// Reads the backlog, so it blocks: about a second for a million events.
    ///
    /// # Errors
    /// When the file is missing and cannot be made, is in use, or is not a spool of this version.
    pub fn open(settings: &SpoolSettings, telemetry: Arc<Telemetry>) -> Result<Self, OpenError> {
        let began = clock::instant();
        let (store, bodies, opening) = sqlite::open(&settings.path)?;
        if opening.folder_made {
            telemetry.spool.folder_made(&settings.path);
        }
        if let Some((from, to)) = opening.brought_up {
            telemetry.spool.brought_up(&settings.path, from, to);
        }
        if opening.damaged_places > 0 {
            telemetry.spool.damaged(&settings.path, opening.damaged_places);
        }
        let spool = Self::start(Box::new(store), Arc::new(bodies), settings, telemetry)?;
        let numbers = spool.status().numbers();
        let metrics = &spool.shared.telemetry.spool;
        metrics.opened(&settings.path, numbers, began.elapsed());
        Ok(spool)
    }

    /// Reads what can still be read of a damaged file, and changes nothing in it.
    ///
    /// # Errors
    /// When not even the list of its tables can be read.
    pub fn salvage(
        path: &Path,
        visit: &mut dyn FnMut(Story) -> io::Result<()>,
    ) -> Result<Salvage, SalvageError> {
        sqlite::salvage(path, visit)
    }

    /// Makes one event durable; returns after the commit.
    ///
    /// The event is handed over before the first await: dropping the future loses the answer, not
    /// the event.
    ///
    /// # Errors
    /// When nothing was accepted: the event will not be delivered.
    pub async fn append(&self, event: Accepted) -> Result<Receipt, AppendError> {
        let (key, fingerprint) = digest::of_event(&event);
        let order = if event.key.is_some() { Order::Keyed } else { Order::Free };
        let kept = self.keep(Arrival::Event(NewEvent {
            id: event.id,
            route: event.route,
            key,
            order,
            fingerprint,
            at: event.at,
            window: self.shared.dedup_window,
            body: event.body,
            received: event.received.filter(|_| self.shared.keep_received).map(Box::new),
        }));
        kept.await
    }

    /// Keeps what could not be understood; returns after the commit. A repeat is counted, and the
    /// answer is the id of the first: the same bytes on the same route, at any time, where the
    /// sender is refused; where it is not, only when they equal the latest of the route in
    /// quarantine, within the window.
    ///
    /// # Errors
    /// When nothing was kept.
    pub async fn quarantine(
        &self,
        malformed: Malformed,
        told: Told,
    ) -> Result<EventId, AppendError> {
        let fingerprint = digest::of_malformed(&malformed);
        let window = self.shared.dedup_window;
        let new = NewMalformed { malformed, fingerprint, told, window };
        self.keep(Arrival::Malformed(Box::new(new))).await.map(Receipt::id)
    }

    /// Waits until an event of the route is due and leases it. `None`: leasing was stopped.
    /// Any number may wait for one route; dropping the future loses nothing.
    pub async fn lease(&self, route: &RouteName) -> Option<Lease> {
        self.wait_for(route).await
    }

    /// Says what became of a lease. Does not wait for the disk; in memory it holds at once.
    pub fn settle(&self, lease: Lease, attempt: Attempt, verdict: Verdict) {
        self.settle_hold(lease.hold, lease.attempt, attempt, verdict);
    }

    /// The routes that have undelivered events, with how many: to find those that no route serves
    /// any more.
    #[must_use]
    pub fn backlog(&self) -> Vec<(RouteName, u64)> {
        self.shared.board.backlog()
    }

    /// Numbers for readiness and metrics; cheap.
    #[must_use]
    pub fn status(&self) -> SpoolStatus {
        let board = &self.shared.board;
        board.status.read(board.pending())
    }

    /// Resolves when the writer thread has ended, which it does only after `close` or by a bug.
    pub async fn ended(&self) {
        let mut ended = self.shared.ended.clone();
        // Nothing is ever sent: the error says that the sender is gone, with its thread.
        while ended.changed().await.is_ok() {}
    }

    /// Resolves when leasing has ended: for those who wait for something else before they lease.
    pub async fn leasing_stopped(&self) {
        self.shared.board.stopped.cancelled().await;
    }

    /// Ends leasing: every waiting and later `lease` answers `None`. Settling goes on.
    pub fn stop_leasing(&self) {
        self.shared.board.stop_leasing();
    }

    /// Commits what is under way, brings the file to rest, and closes it. Later appends are
    /// refused; what is settled later is delivered again after the next start.
    pub async fn close(&self) {
        self.stop_leasing();
        // An error means that it has ended already.
        self.shared.commands.send(Command::Close).unwrap_or_else(drop);
        self.ended().await;
    }

    /// Starts the writer thread on an open engine.
    fn start(
        mut store: Box<dyn Store>,
        bodies: Arc<dyn Bodies>,
        settings: &SpoolSettings,
        telemetry: Arc<Telemetry>,
    ) -> Result<Self, OpenError> {
        let board = Arc::new(Board::new());
        load(store.as_mut(), &board)
            .map_err(|source| OpenError::Engine { path: settings.path.clone(), source })?;
        let (commands, received) = mpsc::channel();
        let (alive, ended) = watch::channel(());
        let limits = Limits {
            max_bytes: settings.max_bytes,
            quarantine_bytes: settings.max_bytes / 100 * u64::from(settings.quarantine_percent),
            keep_delivered: settings.keep_delivered.max(settings.dedup_window),
        };
        let for_writer = (Arc::clone(&board), Arc::clone(&telemetry));
        let writer = Writer::new(store, for_writer.0, for_writer.1, limits, received);
        let thread = std::thread::Builder::new().name("spool".to_owned());
        let run = move || {
            // Dropped last, also when the writer panics.
            let _alive = alive;
            writer.run();
        };
        thread.spawn(run).map_err(OpenError::Thread)?;
        Ok(Self {
            shared: Arc::new(Shared {
                board,
                bodies,
                telemetry,
                commands,
                places: Arc::new(Semaphore::new(Self::places())),
                ended,
                keep_received: settings.keep_received,
                dedup_window: settings.dedup_window,
            }),
        })
    }

    async fn keep(&self, arrival: Arrival) -> Result<Receipt, AppendError> {
        let kept = match self.hand_over(arrival) {
            Ok(answered) => answered.await.unwrap_or(Err(AppendError::Closed)),
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            self.shared.telemetry.spool.refused(match error {
                AppendError::Full => SpoolRefusal::Full,
                AppendError::QuarantineFull => SpoolRefusal::QuarantineFull,
                AppendError::Busy => SpoolRefusal::Busy,
                AppendError::Failed => SpoolRefusal::Failed,
                AppendError::Closed => SpoolRefusal::Closed,
            });
        }
        kept
    }

    fn hand_over(
        &self,
        arrival: Arrival,
    ) -> Result<oneshot::Receiver<Result<Receipt, AppendError>>, AppendError> {
        let places =
            Arc::clone(&self.shared.places).try_acquire_many_owned(places(arrival.bytes()));
        let place = places.map_err(|_| AppendError::Busy)?;
        let (answer, answered) = oneshot::channel();
        let ticket = Ticket { answer, place };
        let sent = self.shared.commands.send(Command::Keep(arrival, ticket));
        sent.map_err(|_| AppendError::Closed)?;
        Ok(answered)
    }
}

/// Queues everything that is undelivered.
fn load(store: &mut dyn Store, board: &Board) -> Result<(), StoreError> {
    let census = store.census()?;
    board.status.start(&census, store.bytes()?);
    board.reserve(usize::try_from(census.pending).unwrap_or_default());
    let now = clock::now();
    store.pending(&mut |pending| {
        let due = queue::sensible(pending.due, now);
        board.load(&Pending { due, ..pending });
    })
}

/// Places that an arrival of so many bytes takes: never more than there are, so that the largest can pass alone.
fn places(bytes: u64) -> u32 {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    u32::try_from(bytes.div_ceil(PLACE_BYTES)).map_or(PLACES, |places| places.min(PLACES))
}
