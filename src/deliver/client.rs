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
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use super::connector::{Bounded, ConnectElapsed, UnixConnector};
use super::outcome::{Answer, Failure, FailureKind, Outcome, RetryAfter};

/// How long a connection is kept without a request. Below the 5 s after which Node and Apache
/// close theirs: a request that crosses the close is lost and costs an attempt.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Of the body of an answer that is no success: enough to see what was wrong.
const EXCERPT_BYTES: usize = 1024;
/// Of the body of any answer: read further, a connection can be used again; beyond this, a new one
/// is cheaper.
const DRAIN_BYTES: usize = 64 * 1024;
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
    /// A pooled connection that turns out to be closed before the request was written is replaced
    /// at once, within the attempt. Redirects are not followed.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>, deadline: Instant) -> Outcome {
        match timeout_at(deadline, self.request(request)).await {
            Ok(Ok(response)) => Outcome::Answered(answer(response, deadline).await),
            Ok(Err(error)) => Outcome::Failed(failure(&error)),
            Err(_elapsed) => Outcome::Failed(Failure {
                kind: FailureKind::Timeout,
                cause: "upstream.timeout has passed".to_owned(),
            }),
        }
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
            .build(Bounded { connector, time: self.connect_time })
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
    let kept = if head.status.is_success() { 0 } else { EXCERPT_BYTES };
    let mut excerpt = BytesMut::new();
    if !body.is_end_stream() {
        // Late or not, what was read so far is what there is.
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
mod tests {
    use http::StatusCode;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_util::task::TaskTracker;

    use super::super::fixture::{PATIENCE, SOON, Seen, serve, serve_status, status};
    use super::*;

    const LIMITS: Limits = Limits { connect_time: PATIENCE, idle: 8 };

    fn request(authority: impl std::fmt::Display, body: Bytes) -> Request<Full<Bytes>> {
        Request::post(format!("http://{authority}/postbacks?a=b"))
            .body(Full::new(body))
            .expect("a request")
    }

    async fn send(client: &Client, to: impl std::fmt::Display, time: Duration) -> Outcome {
        let request = request(to, Bytes::from_static(b"{}"));
        client.send(request, Instant::now() + time).await
    }

    async fn answer(client: &Client, to: impl std::fmt::Display) -> Answer {
        match send(client, to, PATIENCE).await {
            Outcome::Answered(answer) => answer,
            Outcome::Failed(failure) => panic!("{failure:?}"),
        }
    }

    fn kind(outcome: Outcome) -> FailureKind {
        match outcome {
            Outcome::Answered(answer) => panic!("{answer:?}"),
            Outcome::Failed(failure) => failure.kind,
        }
    }

    /// An upstream that reads the head of each request and then does with the connection what it is
    /// told.
    async fn raw<F, R>(then: F) -> std::net::SocketAddr
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.expect("a request");
                assert_ne!(read, 0);
                tasks.spawn(then(stream));
            }
        });
        address
    }

    #[tokio::test]
    async fn the_request_arrives_whole() {
        let (address, mut requests) = serve_status(204).await;
        let body = Bytes::from(vec![b'7'; 1 << 20]);
        let client = Client::http(LIMITS);
        let sent = request(address, body.clone());
        let outcome = client.send(sent, Instant::now() + PATIENCE).await;
        assert_eq!(outcome.status(), Some(204));
        let seen = requests.recv().await.expect("one request");
        assert_eq!(seen.method, http::Method::POST);
        assert_eq!(seen.uri, "/postbacks?a=b");
        assert_eq!(seen.headers["host"], address.to_string());
        assert_eq!(seen.headers["content-length"], "1048576");
        assert_eq!(seen.body, body);
    }

    #[tokio::test]
    async fn the_excerpt_ends_at_its_limit() {
        let address = serve(|seen: Seen| async move {
            let length: usize = seen.headers["x-length"].to_str().unwrap().parse().unwrap();
            let code: u16 = seen.headers["x-status"].to_str().unwrap().parse().unwrap();
            let mut response = status(code);
            *response.body_mut() = Full::new(Bytes::from(vec![b'x'; length]));
            response
        })
        .await;
        let client = Client::http(LIMITS);
        for (code, length, kept) in [(500, 1024, 1024), (400, 1025, 1024), (404, 0, 0), (200, 9, 0)]
        {
            let mut request = request(address, Bytes::new());
            request.headers_mut().insert("x-length", length.into());
            request.headers_mut().insert("x-status", code.into());
            match client.send(request, Instant::now() + PATIENCE).await {
                Outcome::Answered(answer) => assert_eq!(answer.excerpt.len(), kept, "{length}"),
                Outcome::Failed(failure) => panic!("{failure:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let address = serve(|seen: Seen| async move {
            let mut response = status(if seen.connection == 1 { 307 } else { 200 });
            let headers = response.headers_mut();
            headers.insert("location", http::HeaderValue::from_static("/elsewhere"));
            headers.insert("retry-after", http::HeaderValue::from_static("17"));
            response
        })
        .await;
        let answer = answer(&Client::http(LIMITS), address).await;
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
        let asked = RetryAfter::In(Duration::from_secs(17));
        assert_eq!(answer.retry_after, Some(asked));
    }

    #[tokio::test]
    async fn a_connection_is_used_again_unless_its_answer_is_too_long() {
        for (length, second) in [(DRAIN_BYTES, 1), (16 * DRAIN_BYTES, 2)] {
            let (seen, mut connections) = tokio::sync::mpsc::unbounded_channel();
            let address = serve(move |request: Seen| {
                seen.send(request.connection).ok();
                async move {
                    let mut response = status(500);
                    *response.body_mut() = Full::new(Bytes::from(vec![b'x'; length]));
                    response
                }
            })
            .await;
            let client = Client::http(LIMITS);
            answer(&client, address).await;
            answer(&client, address).await;
            assert_eq!(connections.recv().await, Some(1));
            assert_eq!(connections.recv().await, Some(second), "{length}");
        }
    }

    #[tokio::test]
    async fn a_connection_the_upstream_closed_costs_no_attempt() {
        let (closed, mut noticed) = tokio::sync::mpsc::unbounded_channel();
        let address = raw(move |mut stream| {
            let closed = closed.clone();
            async move {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.expect("an open connection");
                stream.shutdown().await.expect("an open connection");
                closed.send(stream.read(&mut [0; 1]).await.ok()).ok();
            }
        })
        .await;
        let client = Client::http(LIMITS);
        for _ in 0..3 {
            assert_eq!(answer(&client, address).await.status, StatusCode::OK);
            assert_eq!(noticed.recv().await, Some(Some(0)));
        }
    }

    #[tokio::test]
    async fn no_answer_is_late_at_the_deadline() {
        let address = raw(|stream| async move {
            std::future::pending::<()>().await;
            drop(stream);
        })
        .await;
        let outcome = send(&Client::http(LIMITS), address, SOON).await;
        assert_eq!(kind(outcome), FailureKind::Timeout);
    }

    #[tokio::test]
    async fn the_status_counts_when_the_body_never_ends() {
        let address = raw(|mut stream| async move {
            let begun = b"HTTP/1.1 503 Away\r\ncontent-length: 9\r\n\r\nback";
            stream.write_all(begun).await.expect("an open connection");
            std::future::pending::<()>().await;
        })
        .await;
        match send(&Client::http(LIMITS), address, SOON * 3).await {
            Outcome::Answered(answer) => {
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(answer.excerpt, "back");
            }
            Outcome::Failed(failure) => panic!("{failure:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_not_http_is_broken() {
        for sent in ["", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 200"] {
            let address = raw(move |mut stream| async move {
                stream.write_all(sent.as_bytes()).await.expect("open");
            })
            .await;
            let outcome = send(&Client::http(LIMITS), address, PATIENCE).await;
            assert_eq!(kind(outcome), FailureKind::Broken, "{sent:?}");
        }
    }
}
