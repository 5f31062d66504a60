//! How a connection to the upstream is made: within a time, and over a unix socket.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tower_service::Service;

use super::line::Tracked;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Connecting took longer than allowed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("connecting took longer than upstream.timeout")]
pub(super) struct ConnectElapsed;

/// A connection of hyper's, with tokio's view of it in between: hyper's own shows nobody how much was
/// read.
pub(super) type Tracking<T> = TokioIo<Tracked<TokioIo<T>>>;

/// A connector with a limit on its time, TLS included, and on that of what it makes.
#[derive(Clone, Debug)]
pub(super) struct Bounded<C> {
    pub(super) connector: C,
    pub(super) time: Duration,
    pub(super) life: Duration,
}

impl<C> Service<Uri> for Bounded<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = Tracking<C::Response>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(self.time, self.connector.call(uri));
        let life = self.life;
        Box::pin(async move {
            match connecting.await {
                Ok(Ok(io)) => Ok(TokioIo::new(Tracked::new(TokioIo::new(io), life))),
                Ok(Err(error)) => Err(error.into()),
                Err(_elapsed) => Err(ConnectElapsed.into()),
            }
        })
    }
}

/// Connects to one socket, whatever the URI says.
#[derive(Clone, Debug)]
pub(super) struct UnixConnector {
    pub(super) socket: Arc<Path>,
}

impl Service<Uri> for UnixConnector {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let socket = Arc::clone(&self.socket);
        Box::pin(async move { UnixStream::connect(&socket).await.map(TokioIo::new) })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::Full;
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::super::client::{Client, Limits, POOL_LIFE};
    use super::super::fixture::{PATIENCE, serve_unix};
    use super::super::outcome::{FailureKind, Outcome};
    use super::*;

    const LIMITS: Limits = Limits { connect_time: PATIENCE, idle: 8, life: POOL_LIFE };

    async fn send(client: &Client, authority: impl std::fmt::Display) -> Outcome {
        let request = || {
            Request::post(format!("http://{authority}/postbacks?a=b"))
                .body(Full::new(Bytes::from_static(b"{}")))
                .expect("a request")
        };
        client.send(request, Instant::now() + PATIENCE).await
    }

    fn kind(outcome: Outcome) -> FailureKind {
        match outcome {
            Outcome::Answered(answer) => panic!("{answer:?}"),
            Outcome::Failed(failure) => failure.kind,
        }
    }

    #[tokio::test]
    async fn a_unix_socket_is_an_upstream() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("up.sock");
        let mut requests = serve_unix(&socket);
        let client = Client::unix(LIMITS, socket);
        assert_eq!(send(&client, "localhost").await.status(), Some(200));
        let seen = requests.recv().await.expect("one request");
        assert_eq!(seen.uri, "/postbacks?a=b");
        assert_eq!(seen.headers["host"], "localhost");
        assert_eq!(seen.body, "{}");
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there_is_no_connection() {
        let folder = tempfile::tempdir().expect("a folder");
        let client = Client::unix(LIMITS, folder.path().join("none.sock"));
        let outcome = send(&client, "localhost").await;
        assert_eq!(kind(outcome), FailureKind::Connect);
    }

    #[tokio::test]
    async fn nobody_there_is_no_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let outcome = send(&Client::http(LIMITS), address).await;
        assert_eq!(kind(outcome), FailureKind::Connect);
    }

    #[tokio::test]
    async fn connecting_has_a_limit_of_its_own() {
        let mut never = Bounded { connector: Never, time: Duration::ZERO, life: POOL_LIFE };
        let error = never.call(Uri::from_static("http://shop/")).await;
        let error = error.expect_err("no time at all");
        assert!(error.is::<ConnectElapsed>(), "{error}");
    }

    /// A connector that is always about to connect.
    struct Never;

    impl Service<Uri> for Never {
        type Response = ();
        type Error = io::Error;
        type Future = std::future::Pending<Result<(), io::Error>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _uri: Uri) -> Self::Future {
            std::future::pending()
        }
    }
}
