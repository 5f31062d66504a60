//! Connections: accepted, admitted, handshaken, served, and ended in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admit::Admitted;
use super::{Front, RequestLimits};
use crate::net::{Conn, Listener, Protocol, Tls};
use crate::telemetry::ConnectionRefusal;

/// Requests at once on one HTTP/2 connection; more wait at the sender (RFC 9113, 5.1.2 recommends no fewer).
const HTTP2_STREAMS: u32 = 100;
/// Streams that the sender has reset and we still work on, before the connection is closed (CVE-2023-44487).
const HTTP2_RESETS: usize = 20;
/// How often a silent HTTP/2 connection is asked whether it is still there.
const HTTP2_PING: Duration = Duration::from_secs(20);
/// hyper's least buffer for an HTTP/1 head.
const LEAST_BUFFER: usize = 8 << 10;

/// Serves until `stop` is cancelled, then accepts nothing more and returns when every request under way is answered.
pub async fn serve(mut listener: Listener, tls: Tls, front: Front, stop: CancellationToken) {
    let (tls, front) = (Arc::new(tls), Arc::new(front));
    let http = Arc::new(Http::new(&front.limits));
    let connections = TaskTracker::new();
    while let Some(conn) = stop.run_until_cancelled(listener.accept()).await {
        let peer = conn.peer;
        let Some(admitted) = front.gate.admit(peer, conn) else {
            front.telemetry.front.connection_refused(peer, ConnectionRefusal::Address);
            continue;
        };
        let (tls, http, front) = (Arc::clone(&tls), Arc::clone(&http), Arc::clone(&front));
        let stop = stop.clone();
        connections.spawn(async move { connection(admitted, &tls, &http, front, stop).await });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    front.forwards.close();
    front.forwards.wait().await;
}

/// Serves one connection to its end.
async fn connection(
    admitted: Admitted<Conn>,
    tls: &Tls,
    http: &Http,
    front: Arc<Front>,
    stop: CancellationToken,
) {
    let claim = admitted.claim();
    let Conn { io, peer, place } = admitted.into_inner();
    // Held until the connection ends.
    let _held = (place, front.telemetry.front.connection_admitted());

    let stream = match stop.run_until_cancelled(tls.accept(io)).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => return front.telemetry.front.handshake_failed(peer, &error),
        None => return,
    };
    let http = match stream.protocol() {
        Protocol::Http1 => &http.one,
        Protocol::Http2 => &http.two,
    };

    let activity = Arc::new(Activity::default());
    let header_time = front.limits.header_time;
    let service = service_fn(|request: Request<Incoming>| {
        let (front, active) = (Arc::clone(&front), activity.begin());
        async move {
            let reply = front.answer(claim, request).await;
            drop(active);
            Ok::<_, std::convert::Infallible>(reply)
        }
    });
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = over(&stop, &activity, header_time) => {
            served.as_mut().graceful_shutdown();
            // A request under way is answered; whoever only holds the connection has one more period.
            tokio::select! {
                ended = served.as_mut() => ended,
                () = activity.idle(header_time) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke off");
    }
}

/// Resolves when the connection should take no further request.
async fn over(stop: &CancellationToken, activity: &Activity, header_time: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = activity.idle(header_time) => {}
    }
}

/// hyper, set up for each protocol. ALPN has chosen one, so nothing has to be guessed from the first bytes.
struct Http {
    one: Builder<TokioExecutor>,
    two: Builder<TokioExecutor>,
}

impl Http {
    fn new(limits: &RequestLimits) -> Self {
        Self { one: http1(limits), two: http2(limits) }
    }
}

fn http1(limits: &RequestLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        // Without a timer the time-out never fires.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes.max(LEAST_BUFFER))
        .max_headers(limits.headers)
        // A sender that has closed its half still reads the answer.
        .half_close(true);
    builder
}

fn http2(limits: &RequestLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_pending_accept_reset_streams(HTTP2_RESETS)
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(limits.header_time);
    builder
}

/// Whether anything goes on on a connection. hyper's own time-out sees a slow head on HTTP/1; this one also sees who
/// never sends a request, in either protocol.
#[derive(Debug, Default)]
struct Activity {
    begun: AtomicU64,
    under_way: AtomicUsize,
}

/// A request under way, until dropped.
struct Active(Arc<Activity>);

impl Activity {
    fn begin(self: &Arc<Self>) -> Active {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Active(Arc::clone(self))
    }

    /// Returns when no request was under way or begun for `time`, and before twice of it.
    async fn idle(&self, time: Duration) {
        let mut seen = self.begun.load(Ordering::Relaxed);
        loop {
            tokio::time::sleep(time).await;
            let begun = self.begun.load(Ordering::Relaxed);
            if begun == seen && self.under_way.load(Ordering::Relaxed) == 0 {
                return;
            }
            seen = begun;
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
