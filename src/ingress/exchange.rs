//! What goes to and fro on one connection: hyper, set up for each protocol, and how it ends.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Request;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::io::InspectReader;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::RequestLimits;
use super::activity::Activity;
use super::bodies::{HeldBody, HeldReply, Unended};
use super::body::BodyError;
use super::frames::Frames;
use super::refusal::Refusal;
use super::reply::{CLOSE, refuse};
use super::strict::{self, HeadLimits, Strict, Unescaped};
use crate::net::Protocol;

/// Streams that the sender has reset and we still work on, before the connection is closed
/// (CVE-2023-44487).
const HTTP2_RESETS: usize = 20;
/// Streams that we have reset for faults of the peer, before the connection is closed.
const HTTP2_FAULTS: usize = 100;
/// Bytes of bodies that a connection of HTTP/2 may send before they are asked for, per stream and in
/// all: as much as comes in the time of a round trip.
const HTTP2_STREAM_WINDOW: u32 = 64 << 10;
const HTTP2_WINDOW: u32 = 256 << 10;
/// So many times `limits.header_bytes` a head of HTTP/2 may have before the library answers it, and
/// nobody hears of it. Ours comes first, which is told and counted (`head.rs`).
const HTTP2_HEADS: u32 = 2;
/// What stands for a request where there is none to answer.
const OWN_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
/// hyper's least buffer for an HTTP/1 head.
const LEAST_BUFFER: usize = 8 << 10;
/// How long a connection that was asked to end, and has no request under way, may take for it.
pub(super) const CLOSE_TIME: Duration = Duration::from_secs(1);

/// hyper, set up for each protocol.
pub(super) struct Http {
    one: http1::Builder,
    two: http2::Builder<Tasks>,
    head: HeadLimits,
    /// Requests on one connection.
    requests: u64,
    /// Between them.
    idle: Duration,
}

impl Http {
    /// `tasks`: where the requests of HTTP/2 run.
    pub(super) fn new(limits: &RequestLimits, tasks: TaskTracker) -> Self {
        let head_bytes = limits.header_bytes.max(LEAST_BUFFER);
        let mut one = http1::Builder::new();
        // What it would count from the answer before is counted in `strict/pace.rs`.
        one.header_read_timeout(None)
            .max_header_size(limits.header_bytes)
            .max_buf_size(head_bytes)
            .max_headers(limits.headers)
            // A sender that has closed its half still reads the answer.
            .half_close(true);
        let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
        let mut two = http2::Builder::new(Tasks(tasks));
        two.timer(TokioTimer::new())
            .max_header_list_size(HTTP2_HEADS.saturating_mul(header_bytes))
            .max_concurrent_streams(limits.http2_streams)
            .max_pending_accept_reset_streams(HTTP2_RESETS)
            .max_local_error_reset_streams(HTTP2_FAULTS)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .initial_connection_window_size(HTTP2_WINDOW);
        let head = HeadLimits { bytes: head_bytes, time: limits.header_time };
        Self { one, two, head, requests: limits.requests_per_connection, idle: limits.idle_time }
    }

    /// Answers the requests of one connection until either end closes it, it falls silent, or
    /// `stop`. ALPN has chosen the protocol: to guess it from the first bytes would be a read that
    /// no time-out covers.
    pub(super) async fn serve<S, F, A>(
        &self,
        stream: S,
        protocol: Protocol,
        handle: F,
        mut refused: impl FnMut(&'static str) + Unpin + 'static,
        room: Unended,
        stop: &CancellationToken,
    ) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
        F: Fn(Request<Incoming>) -> A,
        A: Future<Output = HeldReply> + Send + 'static,
    {
        let activity = Arc::new(Activity::new());
        let unescaped = Unescaped::default();
        let service = service_fn(|mut request| {
            let active = activity.begin();
            unescaped.restore(active.number, &mut request);
            let is_last = active.number >= self.requests;
            if is_last {
                activity.spent.notify_one();
            }
            let answer = handle(request);
            async move {
                let mut reply = answer.await;
                if is_last && protocol == Protocol::Http1 {
                    reply.headers_mut().insert(CONNECTION, CLOSE);
                }
                // HTTP/2 says it by a frame (RFC 9113, 8.2.2).
                if protocol == Protocol::Http2 && reply.headers_mut().remove(CONNECTION).is_some() {
                    active.activity.spent.notify_one();
                }
                drop(active);
                Ok::<_, Infallible>(reply)
            }
        });
        match protocol {
            Protocol::Http1 => {
                let heads = activity.head.clone();
                let of_head = Arc::clone(&activity);
                let refused = move |rule| {
                    of_head.told.store(true, Ordering::Relaxed);
                    refused(rule);
                };
                let strict =
                    Strict::new(stream, self.head, heads, unescaped.clone(), room, refused);
                let mut connection = self.one.serve_connection(TokioIo::new(strict), service);
                let end = self.drive(Pin::new(&mut connection), &activity, stop).await;
                if matches!(end, End::NoRoom) {
                    // Boxed: few connections come to this.
                    Box::pin(self.tell_no_room(connection, stop)).await;
                }
                end
            }
            Protocol::Http2 => {
                let mut frames = Frames::new(Instant::now());
                let reader = Arc::clone(&activity);
                let io = TokioIo::new(InspectReader::new(stream, move |bytes: &[u8]| {
                    if !frames.follow(bytes, Instant::now()) {
                        reader.flooded.notify_one();
                    }
                }));
                let connection = std::pin::pin!(self.two.serve_connection(io, service));
                self.drive(connection, &activity, stop).await
            }
        }
    }

    /// Answers whoever is in the midst of a head for which there is no room. No request has come of it, so
    /// the answer is to one of our own.
    async fn tell_no_room<S, F, H>(
        &self,
        connection: http1::Connection<TokioIo<Strict<S, F>>, H>,
        stop: &CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
        F: FnMut(&'static str) + Unpin + 'static,
        H: HttpService<Incoming, ResBody = HeldBody>,
    {
        let strict = connection.into_parts().io.into_inner();
        if !strict.is_flushed() {
            return;
        }
        let io = TokioIo::new(tokio::io::join(OWN_REQUEST, strict));
        let service = service_fn(|_| {
            let refusal = Refusal::Body(BodyError::NoRoom);
            std::future::ready(Ok::<_, Infallible>(refuse(&refusal, None)))
        });
        let connection = std::pin::pin!(self.one.serve_connection(io, service));
        self.drive(connection, &Activity::new(), stop).await;
    }

    /// hyper's own time-outs do not see all: HTTP/2 without a preface or without requests, and a peer
    /// that does not read its replies.
    async fn drive<C>(
        &self,
        mut connection: Pin<&mut C>,
        activity: &Activity,
        stop: &CancellationToken,
    ) -> End
    where
        C: GracefulConnection<Error = hyper::Error>,
    {
        let mut stopped = std::pin::pin!(stop.cancelled());
        let mut wake = std::pin::pin!(tokio::time::sleep(self.idle.min(self.head.time)));
        let mut closing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    return ended.map_or_else(|error| End::of(error, activity), |()| End::Closed);
                }
                () = stopped.as_mut(), if !closing => {}
                () = activity.spent.notified(), if !closing => {}
                () = activity.flooded.notified() => return End::Flood,
                () = wake.as_mut() => {
                    let limit = if closing {
                        // Over HTTP/2 a peer agrees to the end by a PING, or goes on as if it had heard
                        // nothing.
                        activity.close();
                        CLOSE_TIME
                    } else if activity.is_unused() {
                        self.head.time
                    } else if activity.head.is_set() {
                        // `strict/pace.rs` ends it, unless nobody reads: answers may be in the way.
                        self.idle + self.head.time
                    } else {
                        self.idle
                    };
                    let now = Instant::now();
                    let until = activity.idle_since().map_or(now + limit, |since| since + limit);
                    if now < until {
                        // A request that begins now cannot have been over for long enough before.
                        wake.as_mut().reset(until.min(now + self.idle));
                        continue;
                    }
                    if activity.is_unused() && !stop.is_cancelled() {
                        return End::Silent;
                    }
                    if closing {
                        return End::Closed;
                    }
                }
            }
            closing = true;
            connection.as_mut().graceful_shutdown();
            wake.as_mut().reset(Instant::now() + CLOSE_TIME);
        }
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// As connections do.
    Closed,
    /// Without a whole head in the time for one.
    Silent,
    /// By a head of HTTP/1.1 that is too large.
    HeadSize,
    /// By a head for which there is no room.
    NoRoom,
    /// By a head that breaks a rule, which was told.
    NotHttp(hyper::Error),
    /// By a head that keeps our rules, and hyper could not read: 400 as well.
    Unread(hyper::Error),
    /// Before its first request was whole.
    Cut(hyper::Error),
    /// By frames that ask for nothing.
    Flood,
}

impl End {
    pub(super) fn of(error: hyper::Error, activity: &Activity) -> Self {
        if error.is_parse_too_large() {
            Self::HeadSize
        } else if error.is_parse() && activity.told.load(Ordering::Relaxed) {
            Self::NotHttp(error)
        } else if error.is_parse() {
            Self::Unread(error)
        } else if is_own(&error, strict::is_late) {
            Self::Silent
        } else if is_own(&error, strict::is_without_room) {
            Self::NoRoom
        } else if !activity.is_unused() {
            // A peer that has its replies leaves as it likes; many do it without TLS's good-bye.
            Self::Closed
        } else {
            Self::Cut(error)
        }
    }
}

/// Whether hyper has ended with this error of the stream.
fn is_own(error: &hyper::Error, which: fn(&io::Error) -> bool) -> bool {
    error.source().and_then(|source| source.downcast_ref()).is_some_and(which)
}

/// Where hyper runs the requests of HTTP/2: among our own tasks, so that stopping waits for them.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
