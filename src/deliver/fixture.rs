//! Upstreams for the tests: real servers on loopback, whose answers each test decides.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::settings::{Envelope, RetrySettings, RouteSettings, UpstreamSettings, UpstreamUrl};
use super::{Outgoing, Route, Upstream, UpstreamTls};
use crate::clock;
use crate::spool::EventId;
use crate::telemetry::Telemetry;

/// Longer than any test waits for what must happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a test waits for what must not come.
pub(super) const SOON: Duration = Duration::from_millis(100);

/// One request as it arrived.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Which connection brought it, from 1.
    pub(super) connection: usize,
    /// The client showed a certificate.
    pub(super) identified: bool,
}

/// Settings for `url` with nothing else set.
pub(super) fn settings(url: UpstreamUrl) -> UpstreamSettings {
    UpstreamSettings {
        url,
        method: Method::POST,
        timeout: PATIENCE,
        headers: vec![(
            HeaderName::from_static("authorization"),
            SecretString::from("Bearer t0ken"),
        )],
        tls: UpstreamTls::default(),
        max_in_flight: 64,
        breaker_failures: 5,
        breaker_pause: SOON,
        signing_secret: None,
        envelope: Envelope::None,
    }
}

/// Settings for a server on loopback.
pub(super) fn http(address: SocketAddr) -> UpstreamSettings {
    let uri = format!("http://{address}/postbacks").parse();
    settings(UpstreamUrl::Http(uri.expect("a URI")))
}

pub(super) fn status(code: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(code).expect("a status");
    response
}

/// A route to `upstream` that tries again soon.
pub(super) fn route(upstream: UpstreamSettings) -> (Route, Arc<Telemetry>) {
    route_of(&route_settings(upstream))
}

/// A route with these settings.
pub(super) fn route_of(settings: &RouteSettings) -> (Route, Arc<Telemetry>) {
    let upstream = Upstream::new(&settings.upstream).expect("good settings");
    let telemetry = Arc::new(Telemetry::new());
    let route = Route::new(settings, Arc::new(upstream), &telemetry);
    (route, telemetry)
}

pub(super) fn route_settings(upstream: UpstreamSettings) -> RouteSettings {
    RouteSettings {
        name: "actions".into(),
        path: "/postback/actions".to_owned(),
        kind: "action",
        upstream,
        retry: RetrySettings {
            initial: Duration::from_millis(20),
            max: Duration::from_mins(10),
            factor: 2.0,
            max_age: Duration::from_hours(1),
            max_attempts: None,
            direct_time: PATIENCE,
        },
    }
}

/// An event accepted just now.
pub(super) fn event() -> Outgoing {
    let accepted = clock::now();
    Outgoing {
        id: EventId::new(accepted),
        accepted,
        attempt: 1,
        body: Bytes::from_static(br#"{"event":"action"}"#),
    }
}

/// The outcome was counted once.
pub(super) fn counted(telemetry: &Telemetry, outcome: &str) -> bool {
    let line = format!("postgate_deliveries_total{{route=\"actions\",outcome=\"{outcome}\"}} 1\n");
    telemetry.encode().contains(&line)
}

/// An upstream that reports each request and holds it until it is let go.
pub(super) async fn gate() -> (SocketAddr, mpsc::UnboundedReceiver<()>, Arc<Semaphore>) {
    let open = Arc::new(Semaphore::new(0));
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let held = Arc::clone(&open);
    let address = serve(move |_| {
        arrived.send(()).ok();
        let held = Arc::clone(&held);
        async move {
            held.acquire().await.expect("an open gate").forget();
            status(200)
        }
    })
    .await;
    (address, arrivals, open)
}

/// What an upstream answers.
type Answers = Arc<dyn Fn(Seen) -> Answering + Send + Sync>;
type Answering = std::pin::Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>;

/// A server that answers with what `answer` makes of each request.
pub(super) async fn serve<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Seen) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    serve_tcp(None, answers(answer)).await
}

/// The same over TLS.
pub(super) async fn serve_tls<F, R>(tls: rustls::ServerConfig, answer: F) -> SocketAddr
where
    F: Fn(Seen) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    serve_tcp(Some(TlsAcceptor::from(Arc::new(tls))), answers(answer)).await
}

/// A server that answers all requests alike, and what it saw.
pub(super) async fn serve_status(code: u16) -> (SocketAddr, mpsc::UnboundedReceiver<Seen>) {
    let (seen, requests) = mpsc::unbounded_channel();
    let address = serve(move |request| {
        seen.send(request).ok();
        async move { status(code) }
    })
    .await;
    (address, requests)
}

/// A server on a unix socket that answers 200, and what it saw.
pub(super) fn serve_unix(socket: &Path) -> mpsc::UnboundedReceiver<Seen> {
    let listener = UnixListener::bind(socket).expect("a free path");
    let (seen, requests) = mpsc::unbounded_channel();
    let answer = answers(move |request| {
        seen.send(request).ok();
        async { status(200) }
    });
    let tasks = TaskTracker::new();
    tasks.clone().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tasks.spawn(connection(stream, 1, false, Arc::clone(&answer)));
        }
    });
    requests
}

fn answers<F, R>(answer: F) -> Answers
where
    F: Fn(Seen) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    Arc::new(move |seen| Box::pin(answer(seen)))
}

async fn serve_tcp(tls: Option<TlsAcceptor>, answer: Answers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let tasks = TaskTracker::new();
    let count = AtomicUsize::new(0);
    tasks.clone().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            let (answer, tls) = (Arc::clone(&answer), tls.clone());
            tasks.spawn(async move {
                match tls {
                    None => connection(stream, number, false, answer).await,
                    Some(acceptor) => {
                        // A handshake that fails is the client's outcome to judge.
                        if let Ok(stream) = acceptor.accept(stream).await {
                            let identified = stream.get_ref().1.peer_certificates().is_some();
                            connection(stream, number, identified, answer).await;
                        }
                    }
                }
            });
        }
    });
    address
}

async fn connection<S>(stream: S, number: usize, identified: bool, answer: Answers)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = Arc::clone(&answer);
        async move {
            let (head, body) = request.into_parts();
            let seen = Seen {
                method: head.method,
                uri: head.uri,
                headers: head.headers,
                body: whole(body).await,
                connection: number,
                identified,
            };
            Ok::<_, std::convert::Infallible>(answer(seen).await)
        }
    });
    // How a connection ends is for the client's side of a test to say.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the body is limited, and comes from the test itself"
)]
async fn whole(body: Incoming) -> Bytes {
    let body = Limited::new(body, 4 << 20).collect().await;
    body.expect("a whole body").to_bytes()
}
