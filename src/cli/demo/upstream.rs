//! The demo's upstream: a small system that takes every POST and remembers what it was sent.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::clock;

/// The largest body it takes: the gateway's own default limit.
const BODY_BYTES: usize = 1 << 20;

/// One delivery, as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) body: Bytes,
    pub(super) at: Instant,
}

/// A running upstream.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    address: SocketAddr,
    received: Arc<Received>,
}

#[derive(Debug, Default)]
struct Received {
    by_id: Mutex<HashMap<String, Delivery>>,
    changed: Notify,
}

impl Upstream {
    /// Listens on a free port of loopback.
    pub(super) async fn start(tasks: &TaskTracker) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let upstream = Self { address: listener.local_addr()?, received: Arc::default() };
        tasks.spawn(accept(listener, Arc::clone(&upstream.received), tasks.clone()));
        Ok(upstream)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the event with this id has arrived.
    pub(super) async fn delivery(&self, id: &str) -> Delivery {
        loop {
            let changed = self.received.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(delivery) = self.received.lock().get(id) {
                return delivery.clone();
            }
            changed.await;
        }
    }
}

impl Received {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Delivery>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, received: Arc<Received>, tasks: TaskTracker) {
    while let Ok((stream, _)) = listener.accept().await {
        let received = Arc::clone(&received);
        let service = service_fn(move |request| take(request, Arc::clone(&received)));
        tasks.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the demo's upstream broke off");
            }
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "the body is limited")]
async fn take(
    request: Request<Incoming>,
    received: Arc<Received>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let id = request.headers().get("webhook-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    match (id, Limited::new(request.into_body(), BODY_BYTES).collect().await) {
        (Some(id), Ok(body)) => {
            let delivery = Delivery { body: body.to_bytes(), at: clock::instant() };
            received.lock().insert(id, delivery);
            received.changed.notify_waiters();
        }
        _ => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}
