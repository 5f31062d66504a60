//! The socket, the thread and the limits of the operator's listener.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::AdminError;
use super::api::Api;
use super::places::{Place, Places};

/// A scraper, a kubelet and a person with curl need a handful. At the limit the silent ones give way
/// (`places.rs`); where nobody is silent, the next ones wait in the kernel's queue instead of being
/// refused, so that a crowd delays a probe and does not fail it.
pub const CONNECTIONS: usize = 64;
/// A probe sends its head in one packet, which TCP repeats after a fifth of a second or so. A slow one
/// holds a place that others wait for.
const HEADER_TIME: Duration = Duration::from_secs(1);
/// From accept to the last byte of the answer. One request a connection, so that every place
/// becomes free by then.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// How many times that, while the spool is read for the operator: ten minutes, for verifying a
/// large one.
const WORK_PERIODS: u32 = 60;
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

async fn serve(listener: TcpListener, api: Arc<Api>, stop: CancellationToken) {
    let places = Places::new(CONNECTIONS);
    let tasks = TaskTracker::new();
    let accepting = accept(&listener, &places, &api, &tasks);
    let stopped = stop.run_until_cancelled(accepting).await;
    debug_assert!(stopped.is_none(), "accepting ends only when it is stopped");
    drop(listener);
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

/// One request and its answer.
async fn converse(stream: TcpStream, api: Arc<Api>, place: Place) {
    let place = Arc::new(place);
    let working = Arc::new(AtomicBool::new(false));
    let (set_working, speaker) = (Arc::clone(&working), Arc::clone(&place));
    let service = service_fn(move |request: http::Request<Incoming>| {
        speaker.spoke();
        let (api, working) = (Arc::clone(&api), Arc::clone(&set_working));
        async move {
            Ok::<_, Infallible>(match api.desk(&request) {
                None => api.answer(&request),
                Some(Err(refused)) => *refused,
                Some(Ok(desk)) => {
                    working.store(true, Ordering::Relaxed);
                    let answer = desk.answer(request).await;
                    working.store(false, Ordering::Relaxed);
                    answer
                }
            })
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
    let mut connection = std::pin::pin!(connection);
    for _ in 0..=WORK_PERIODS {
        let answered = tokio::time::timeout(CONNECTION_TIME, &mut connection);
        let answered = tokio::select! {
            biased;
            answered = answered => answered,
            () = place.wanted() => return tracing::debug!("silent admin connection gave way"),
        };
        match answered {
            Ok(Ok(())) => return,
            Ok(Err(error)) => return tracing::debug!(%error, "admin connection failed"),
            // It is us who are slow.
            Err(_) if working.load(Ordering::Relaxed) => {}
            Err(_) => break,
        }
    }
    tracing::debug!("admin connection cut off: too slow");
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use secrecy::SecretString;

    use super::*;
    use crate::admin::{AdminSettings, AdminState, Readiness, start};
    use crate::clock;
    use crate::spool::SpoolStatus;
    use crate::telemetry::Telemetry;

    fn loopback(token: Option<&str>) -> AdminSettings {
        AdminSettings { address: ([127, 0, 0, 1], 0).into(), token: token.map(SecretString::from) }
    }

    fn state(readiness: &Readiness) -> AdminState {
        let healthy = SpoolStatus { healthy: true, ..SpoolStatus::default() };
        AdminState::new(readiness.clone(), Arc::new(Telemetry::new()), move || healthy)
    }

    fn serving(token: Option<&str>) -> AdminServer {
        let readiness = Readiness::new();
        readiness.ready();
        start(&loopback(token), state(&readiness)).unwrap()
    }

    fn connect(server: &AdminServer) -> TcpStream {
        let stream = TcpStream::connect(server.local_addr()).unwrap();
        // Longer than any limit here: a test that waits for it fails.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    fn ask(server: &AdminServer, head: &str) -> String {
        let mut stream = connect(server);
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_over_a_socket_and_closes_after_one_request() {
        let server = serving(None);
        let answer = ask(
            &server,
            "GET /readyz HTTP/1.1\r\nhost: a\r\n\r\nGET /livez HTTP/1.1\r\nhost: a\r\n\r\n",
        );
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("{\"ready\":true}"), "{answer}");
        server.stop();
    }

    #[test]
    fn head_has_no_body() {
        let server = serving(None);
        let answer = ask(&server, "HEAD /livez HTTP/1.1\r\nhost: a\r\n\r\n");
        assert!(answer.contains("content-length: 13\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[test]
    fn the_token_of_the_settings_guards_the_metrics() {
        let server = serving(Some("s3cret"));
        let metrics = |extra: &str| {
            let head = format!("GET /metrics HTTP/1.1\r\nhost: a\r\n{extra}\r\n");
            ask(&server, &head)
        };
        assert!(metrics("").starts_with("HTTP/1.1 401 "));
        assert!(metrics("authorization: Bearer s3cret\r\n").starts_with("HTTP/1.1 200 "));
        assert!(
            ask(&server, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").starts_with("HTTP/1.1 200 ")
        );
    }

    #[test]
    fn turns_red_as_soon_as_shutdown_begins() {
        let readiness = Readiness::new();
        readiness.ready();
        let server = start(&loopback(None), state(&readiness)).unwrap();
        readiness.stopping();
        let answer = ask(&server, "GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }

    #[test]
    fn header_count_and_size_are_limited() {
        let server = serving(None);
        let with_headers = |count: usize, size: usize| {
            let line = format!("x: {}\r\n", "v".repeat(size));
            let head = format!("GET /livez HTTP/1.1\r\n{}\r\n", line.repeat(count));
            ask(&server, &head)
        };
        assert!(with_headers(HEADERS, 1).starts_with("HTTP/1.1 200 "));
        assert!(with_headers(HEADERS + 1, 1).starts_with("HTTP/1.1 431 "));
        let around = "GET /livez HTTP/1.1\r\nx: \r\n\r\n".len();
        assert!(with_headers(1, HEADER_BYTES - around).starts_with("HTTP/1.1 200 "));
        assert!(with_headers(1, HEADER_BYTES - around + 1).starts_with("HTTP/1.1 431 "));
    }

    #[test]
    fn a_silent_crowd_gives_way_to_a_probe() {
        let server = serving(None);
        let crowd: Vec<_> = (0..4 * CONNECTIONS).map(|_| connect(&server)).collect();
        let begun = clock::now();
        let answer = ask(&server, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
        let waited = clock::now().since(begun);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        // Nobody waits for four times the places to fall silent for good.
        assert!(waited < 2 * HEADER_TIME, "{waited:?}");
        drop(crowd);
    }

    #[test]
    fn a_silent_connection_is_closed_in_time() {
        let server = serving(None);
        let mut stream = connect(&server);
        stream.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
        let begun = clock::now();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        let waited = clock::now().since(begun);
        // Not only by the deadline of the whole connection.
        assert!(waited < CONNECTION_TIME / 2, "{waited:?}");
    }

    #[test]
    fn stop_frees_the_port_and_cuts_off_who_lingers() {
        let server = serving(None);
        let address = server.local_addr();
        let lingering = connect(&server);
        server.stop();
        assert!(TcpStream::connect(address).is_err());
        drop(lingering);
    }

    #[test]
    fn does_not_start_on_a_taken_port() {
        let server = serving(None);
        let settings = AdminSettings { address: server.local_addr(), token: None };
        let error = start(&settings, state(&Readiness::new())).unwrap_err();
        assert!(matches!(error, AdminError::Bind { .. }), "{error:?}");
    }

    #[test]
    fn does_not_start_in_the_open_without_a_token() {
        let mut settings = loopback(Some(""));
        settings.address = ([0, 0, 0, 0], 0).into();
        let error = start(&settings, state(&Readiness::new())).unwrap_err();
        assert!(matches!(error, AdminError::TokenMissing(_)), "{error:?}");
        settings.token = Some("s3cret".into());
        start(&settings, state(&Readiness::new())).unwrap().stop();
    }
}
