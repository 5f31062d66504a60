//! The HTTP client: one request out, one outcome back, over pooled HTTP/1.1 connections.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::RETRY_AFTER;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::client::legacy::{self, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use super::connector::{Bounded, ConnectElapsed, UnixConnector};
use super::line::Line;
use super::outcome::{Answer, Failure, FailureKind, Outcome, RetryAfter};
use crate::spool::Attempt;

/// How long a connection is kept without a request. Below the 5 s after which Node and Apache
/// close theirs: a request that crosses the close is lost and costs an attempt.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// How long a connection is used. Under load it is never idle, and without an end it would go on to
/// where the upstream's name led once. A new connection a minute costs nothing.
pub(super) const POOL_LIFE: Duration = Duration::from_mins(1);
/// How often a request goes out again because the connection it was given was stale. A third one in
/// a row is no coincidence: then the attempt has failed.
const STALE_AGAIN: u32 = 2;
/// Of the body of any answer: read further, a connection can be used again; beyond this, a new one
/// is cheaper.
const DRAIN_BYTES: usize = 64 * 1024;
/// For that. The head has said all; a body that does not end holds up the sender of a `direct` event,
/// and the next event of a key.
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// The head of an answer, and the buffer of a connection.
const HEAD_BYTES: usize = 64 * 1024;

type Pool<C> = legacy::Client<Bounded<C>, Full<Bytes>>;

/// A pool of connections to one upstream.
#[derive(Clone, Debug)]
pub(super) enum Client {
    Http(Pool<HttpConnector>),
    Https(Pool<HttpsConnector<HttpConnector>>),
    Unix(Pool<UnixConnector>),
}

impl Client {
    /// Over TCP, without TLS.
    pub(super) fn http(limits: Limits) -> Self {
        Self::Http(limits.pool(tcp()))
    }

    /// Over TCP, with TLS always.
    pub(super) fn https(limits: Limits, tls: rustls::ClientConfig) -> Self {
        let connector = HttpsConnector::from((tcp(), tls));
        Self::Https(limits.pool(connector))
    }

    /// Over a unix socket; the authority of the URI means nothing.
    pub(super) fn unix(limits: Limits, socket: PathBuf) -> Self {
        Self::Unix(limits.pool(UnixConnector { socket: socket.into() }))
    }

    /// Sends one request; the attempt is over at `deadline`, whatever it is waiting for.
    ///
    /// A pooled connection that turns out to be closed is replaced at once, within the attempt,
    /// even where the request had been written: a connection that was answered on before and gives
    /// not a byte to this request was closed while it was idle. Should the upstream have taken the
    /// request all the same, the id tells it. Redirects are not followed.
    pub(super) async fn send(
        &self,
        request: impl Fn() -> Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Outcome {
        match timeout_at(deadline, self.exchange(request)).await {
            Ok(Ok(response)) => Outcome::Answered(answer(response, deadline).await),
            Ok(Err(error)) => Outcome::Failed(failure(&error)),
            Err(_elapsed) => Outcome::Failed(Failure {
                kind: FailureKind::Timeout,
                cause: "upstream.timeout has passed".to_owned(),
            }),
        }
    }

    async fn exchange(
        &self,
        request: impl Fn() -> Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        for _ in 0..STALE_AGAIN {
            match self.one_exchange(request()).await {
                Err(error) if was_stale(&error) => {}
                other => return other,
            }
        }
        self.one_exchange(request()).await
    }

    /// On one connection, which is not used again when it is old.
    async fn one_exchange(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        let captured = capture_connection(&mut request);
        let response = self.request(request).await?;
        let line = response.extensions().get::<Line>();
        if line.is_some_and(Line::is_old)
            && let Some(connection) = &*captured.connection_metadata()
        {
            connection.poison();
        }
        Ok(response)
    }

    fn request(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        match self {
            Self::Http(pool) => pool.request(request),
            Self::Https(pool) => pool.request(request),
            Self::Unix(pool) => pool.request(request),
        }
    }
}

/// What bounds a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For connecting and TLS together. An attempt has its own deadline; this one is for a
    /// connection that goes on being made after its attempt found another.
    pub(super) connect_time: Duration,
    /// Connections kept without a request.
    pub(super) idle: usize,
    /// How long a connection is used.
    pub(super) life: Duration,
}

impl Limits {
    fn pool<C>(self, connector: C) -> Pool<C>
    where
        Bounded<C>: legacy::connect::Connect + Clone,
    {
        legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(self.idle)
            .http1_max_buf_size(HEAD_BYTES)
            .retry_canceled_requests(true)
            .build(Bounded { connector, time: self.connect_time, life: self.life })
    }
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    // The TLS around it decides about the scheme, and `Upstream::new` without TLS.
    tcp.enforce_http(false);
    tcp
}

/// The status decides alone: a body that breaks off or never ends changes nothing.
async fn answer(response: Response<Incoming>, deadline: Instant) -> Answer {
    let (head, body) = response.into_parts();
    let kept = if head.status.is_success() { 0 } else { Attempt::ANSWER_BYTES };
    let mut excerpt = BytesMut::new();
    if !body.is_end_stream() {
        // Late or not, what was read so far is what there is.
        let deadline = deadline.min(Instant::now() + DRAIN_TIME);
        timeout_at(deadline, drain(body, kept, &mut excerpt)).await.unwrap_or_default();
    }
    Answer {
        status: head.status,
        retry_after: head.headers.get(RETRY_AFTER).and_then(RetryAfter::parse),
        excerpt: excerpt.freeze(),
    }
}

/// Reads up to [`DRAIN_BYTES`] and keeps the first `kept` of them.
async fn drain(mut body: Incoming, kept: usize, excerpt: &mut BytesMut) {
    let mut read = 0;
    while read <= DRAIN_BYTES {
        let Some(Ok(frame)) = body.frame().await else {
            return;
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        read = data.len().saturating_add(read);
        let missing = kept.saturating_sub(excerpt.len());
        excerpt.extend(data.iter().take(missing));
    }
}

fn was_stale(error: &legacy::Error) -> bool {
    let mut known = http::Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut known);
    }
    known.get::<Line>().is_some_and(Line::is_stale)
}

/// Decides by the types in the chain of causes; the text is for people.
fn failure(error: &legacy::Error) -> Failure {
    let chain: Vec<&(dyn StdError + 'static)> = causes(error).collect();
    let kind = if chain.iter().any(|cause| cause.is::<rustls::Error>()) {
        FailureKind::Tls
    } else if chain.iter().any(|cause| cause.is::<ConnectElapsed>()) {
        FailureKind::Timeout
    } else if error.is_connect() {
        FailureKind::Connect
    } else {
        FailureKind::Broken
    };
    Failure { kind, cause: chain.last().map(ToString::to_string).unwrap_or_default() }
}

/// The error and what caused it. `io::Error` hides the error it is made of behind `get_ref`.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests;
