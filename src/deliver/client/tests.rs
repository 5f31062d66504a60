use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::StatusCode;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::super::fixture::{PATIENCE, SOON, Seen, serve, serve_status, status};
use super::*;

const LIMITS: Limits = Limits { connect_time: PATIENCE, idle: 8, life: POOL_LIFE };

fn request(authority: impl std::fmt::Display, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(format!("http://{authority}/postbacks?a=b"))
        .body(Full::new(body))
        .expect("a request")
}

async fn send(client: &Client, to: impl std::fmt::Display, time: Duration) -> Outcome {
    let request = || request(&to, Bytes::from_static(b"{}"));
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
async fn raw<F, R>(then: F) -> SocketAddr
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
    let sent = || request(address, body.clone());
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
    for (code, length, kept) in [(500, 1024, 1024), (400, 1025, 1024), (404, 0, 0), (200, 9, 0)] {
        let request = || {
            let mut request = request(address, Bytes::new());
            request.headers_mut().insert("x-length", length.into());
            request.headers_mut().insert("x-status", code.into());
            request
        };
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

/// An upstream that answers the first request of each connection, and then hangs up on the next
/// after `begun` of its answer: as one does whose keep-alive ends while the request is coming.
async fn hangs_up_on_the_second(begun: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    let address = raw(move |mut stream| {
        let requests = Arc::clone(&requests);
        async move {
            requests.fetch_add(1, Ordering::Relaxed);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.expect("an open connection");
            // The connection may as well never be used again.
            if stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                requests.fetch_add(1, Ordering::Relaxed);
                stream.write_all(begun.as_bytes()).await.expect("an open connection");
            }
        }
    })
    .await;
    (address, count)
}

#[tokio::test]
async fn a_connection_that_is_closed_while_the_request_comes_costs_no_attempt() {
    let (address, requests) = hangs_up_on_the_second("").await;
    let client = Client::http(LIMITS);
    for _ in 0..5 {
        assert_eq!(answer(&client, address).await.status, StatusCode::OK);
    }
    assert_eq!(requests.load(Ordering::Relaxed), 9, "all but the first were sent twice");
}

#[tokio::test]
async fn a_connection_that_breaks_in_its_answer_costs_one() {
    let (address, requests) = hangs_up_on_the_second("HTTP/1.1 2").await;
    let client = Client::http(LIMITS);
    assert_eq!(answer(&client, address).await.status, StatusCode::OK);
    assert_eq!(kind(send(&client, address, PATIENCE).await), FailureKind::Broken);
    assert_eq!(requests.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_new_connection_that_is_closed_costs_one() {
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    let address = raw(move |stream| {
        requests.fetch_add(1, Ordering::Relaxed);
        async move { drop(stream) }
    })
    .await;
    let outcome = send(&Client::http(LIMITS), address, PATIENCE).await;
    assert_eq!(kind(outcome), FailureKind::Broken);
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

/// Answers as names do that move.
#[derive(Clone)]
struct Moving(Arc<Mutex<SocketAddr>>);

impl Service<Name> for Moving {
    type Response = std::iter::Once<SocketAddr>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _name: Name) -> Self::Future {
        let address = *self.0.lock().expect("no panic elsewhere");
        std::future::ready(Ok(std::iter::once(address)))
    }
}

#[tokio::test]
async fn a_name_that_moves_is_followed_by_the_next_connection() {
    let closing = |code: u16| {
        serve(move |_| async move {
            let mut response = status(code);
            let close = http::HeaderValue::from_static("close");
            response.headers_mut().insert("connection", close);
            response
        })
    };
    let (before, after) = (closing(201).await, closing(202).await);
    let moving = Moving(Arc::new(Mutex::new(before)));
    let pool = LIMITS.pool(HttpConnector::new_with_resolver(moving.clone()));
    let answer =
        async || pool.request(request("shop.example", Bytes::new())).await.expect("answer");
    assert_eq!(answer().await.status(), StatusCode::CREATED);
    *moving.0.lock().expect("no panic elsewhere") = after;
    assert_eq!(answer().await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_connection_is_not_used_past_its_life() {
    for (life, connections) in [(POOL_LIFE, [1, 1, 1]), (Duration::ZERO, [1, 2, 3])] {
        let (seen, mut came) = tokio::sync::mpsc::unbounded_channel();
        let address = serve(move |request: Seen| {
            seen.send(request.connection).ok();
            async { status(204) }
        })
        .await;
        let client = Client::http(Limits { life, ..LIMITS });
        for connection in connections {
            answer(&client, address).await;
            assert_eq!(came.recv().await, Some(connection), "{life:?}");
        }
    }
}

#[tokio::test]
async fn a_head_without_end_is_broken_and_not_kept() {
    let address = raw(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.expect("an open connection");
        // Until we hang up, which is well before that much is read.
        for _ in 0..1024 {
            if stream.write_all(&[b'x'; 4096]).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    })
    .await;
    let outcome = send(&Client::http(LIMITS), address, PATIENCE).await;
    assert_eq!(kind(outcome), FailureKind::Broken);
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
    // Neither until a deadline that is near, nor until one that is far.
    for time in [SOON * 3, Duration::from_hours(1)] {
        let client = Client::http(LIMITS);
        let sent = tokio::time::timeout(PATIENCE, send(&client, address, time)).await;
        match sent.expect("the status alone") {
            Outcome::Answered(answer) => {
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(answer.excerpt, "back");
            }
            Outcome::Failed(failure) => panic!("{failure:?}"),
        }
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
