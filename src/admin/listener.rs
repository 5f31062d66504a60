//! The socket, the thread and the limits of the operator's listener.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::AdminError;
use super::api::Api;
use super::places::{Place, Places};

/// A scraper, a kubelet and a person with curl need a handful. At the limit the idle ones give way
/// (`places.rs`); the next ones wait in the kernel's queue instead of being refused, so that a crowd
/// delays a probe and does not fail it.
pub const CONNECTIONS: usize = 64;
/// Requests about the spool that are worked on at once; it does one thing at a time itself. The others
/// wait, and leave the other places to probes.
const AT_WORK: usize = 8;
/// A probe sends its head in one packet, which TCP repeats after a fifth of a second or so. A slow one
/// holds a place that others wait for.
const HEADER_TIME: Duration = Duration::from_secs(1);
/// For reading the answer. One request a connection, so that every place becomes free by then.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// A bearer token and what a proxy adds fit many times over.
const HEADER_BYTES: usize = 4 * 1024;
/// The smallest that hyper takes.
const BUFFER_BYTES: usize = 8 * 1024;
/// Browsers send about 20, proxies add a few.
const HEADERS: usize = 50;
/// Long enough for file descriptors to come back, short enough for a probe to pass at its second
/// try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long answers under way may take when the process ends.
const STOP_TIME: Duration = Duration::from_secs(1);

/// The running listener. Dropped, it stops without being waited for.
#[derive(Debug)]
pub struct AdminServer {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl AdminServer {
    /// The runtime is made by the thread that runs it: whoever starts us may be inside of another
    /// one, where no runtime can be entered or dropped.
    pub(super) fn start(address: SocketAddr, api: Api) -> Result<Self, AdminError> {
        let (listener, address) =
            bind(address).map_err(|source| AdminError::Bind { address, source })?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let (started, outcome) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || run(listener, Arc::new(api), stopped, &started))
            .map_err(AdminError::Thread)?;
        // A thread that ends without a word has panicked, and the panic hook has told it.
        let started = outcome.recv().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        started.map_err(AdminError::Thread)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens, with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, lets answers under way finish for up to a second, and waits for the
    /// thread. Blocks: call it last, after everything that an operator may want to watch has ended.
    pub fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked: the panic hook told it then, and it has
            // ended all the same.
            drop(thread.join());
        }
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn bind(address: SocketAddr) -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The thread: says whether it could start, and serves until it is stopped.
fn run(
    listener: std::net::TcpListener,
    api: Arc<Api>,
    stop: CancellationToken,
    started: &mpsc::SyncSender<io::Result<()>>,
) {
    let made =
        tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
            let _inside = runtime.enter();
            let listener = TcpListener::from_std(listener)?;
            Ok((runtime, listener))
        });
    // Whoever started us waits for exactly this word, so that it is always received.
    match made {
        Ok((runtime, listener)) => {
            started.send(Ok(())).unwrap_or_default();
            runtime.block_on(serve(listener, api, stop));
            // A long look at the spool changes nothing, and is not waited for.
            runtime.shutdown_background();
        }
        Err(error) => started.send(Err(error)).unwrap_or_default(),
    }
}

fn places() -> Arc<Places> {
    Places::new(CONNECTIONS, AT_WORK)
}

async fn serve(listener: TcpListener, api: Arc<Api>, stop: CancellationToken) {
    let places = places();
    let tasks = TaskTracker::new();
    let accepting = accept(&listener, &places, &api, &tasks);
    let stopped = stop.run_until_cancelled(accepting).await;
    debug_assert!(stopped.is_none(), "accepting ends only when it is stopped");
    drop(listener);
    finish(&tasks).await;
}

async fn finish(tasks: &TaskTracker) {
    tasks.close();
    if tokio::time::timeout(STOP_TIME, tasks.wait()).await.is_err() {
        tracing::debug!(connections = tasks.len(), "admin connections cut off");
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Places>, api: &Arc<Api>, tasks: &TaskTracker) {
    let mut failures: u32 = 0;
    // Ends only by being dropped.
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                failures = 0;
                let place = places.take(peer.ip().to_canonical()).await;
                tasks.spawn(converse(stream, Arc::clone(api), place));
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                api.state().telemetry.admin.accept_failed(&error, failures);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One request and its answer. `body.rs` gives the body its time, and `api.rs` the work.
async fn converse<S>(stream: S, api: Arc<Api>, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let place = Arc::new(place);
    let answered = Arc::new(Notify::new());
    let (asking, answering) = (Arc::clone(&place), Arc::clone(&answered));
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (api, place, answered) =
            (Arc::clone(&api), Arc::clone(&asking), Arc::clone(&answering));
        async move {
            let answer = api.answer(request, &place).await;
            answered.notify_one();
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .keep_alive(false)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let unread = async {
        answered.notified().await;
        tokio::time::sleep(ANSWER_TIME).await;
    };
    tokio::select! {
        biased;
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "admin connection failed");
        },
        () = place.wanted() => tracing::debug!("idle admin connection gave way"),
        () = unread => tracing::debug!("admin connection cut off: its answer was not read"),
    }
}

#[cfg(test)]
mod tests;
