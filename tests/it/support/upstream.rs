//! An upstream that records what it is sent, answers as it is told, and can be away.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use postgate::net::Stream;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::whole;
use super::payload::Payload;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: Arc<Parts>,
    pub(crate) body: Bytes,
    /// It was answered with success, or would have been.
    success: bool,
    /// The status it was answered with at once and whole.
    status: Option<u16>,
    /// What its connection was made with, where that is TLS.
    pub(crate) shown: Option<CertificateDer<'static>>,
    /// Its connection was cut by [`Upstream::down`] before there was another request on it.
    cut: Arc<AtomicBool>,
}

impl Received {
    /// The text of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The upstream has taken it, whether the gateway got to know or not.
    pub(crate) fn took(&self) -> bool {
        self.success
    }

    /// The status of the answer that the gateway must have got, if it lived; `None`: it may have
    /// got another, or none.
    pub(crate) fn surely_answered(&self) -> Option<u16> {
        self.status.filter(|_| !self.cut.load(Ordering::SeqCst))
    }
}

/// What a request gets.
pub(crate) enum Answer {
    Status(http::response::Builder),
    /// With a body.
    Text(http::response::Builder, &'static str),
    /// After this time.
    Late(Duration, http::response::Builder),
    /// Its head and the first of two bytes; then the connection is reset.
    Torn(http::response::Builder),
    /// The connection ends without an answer.
    Nothing,
}

/// Decides about each request that arrives.
type Habit = Box<dyn FnMut(&Received) -> Answer + Send>;

/// An upstream at a fixed address, up or down.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    tls: Option<TlsAcceptor>,
    up: Option<CancellationToken>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    received: Mutex<Vec<Received>>,
    /// Answers to give before the usual 204.
    answers: Mutex<VecDeque<Answer>>,
    /// What to do where no answer waits.
    habit: Mutex<Option<Habit>>,
    changed: Notify,
}

impl Upstream {
    /// Chooses a free port and starts to listen there.
    pub(crate) async fn start() -> Self {
        let mut upstream = Self::away().await;
        upstream.up();
        upstream
    }

    /// Chooses a free port where nobody answers until [`Upstream::up`].
    pub(crate) async fn away() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, state: Arc::default(), tls: None, up: None, tasks: TaskTracker::new() }
    }

    /// Starts to listen at a free port, under TLS.
    pub(crate) async fn start_tls(tls: ServerConfig) -> Self {
        let mut upstream = Self::away().await;
        upstream.tls = Some(TlsAcceptor::from(Arc::new(tls)));
        upstream.up();
        upstream
    }

    /// Starts to answer.
    pub(crate) fn up(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(1024).unwrap();
        let stop = CancellationToken::new();
        self.up = Some(stop.clone());
        let (state, tls, tasks) = (Arc::clone(&self.state), self.tls.clone(), self.tasks.clone());
        self.tasks.spawn(async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                let (state, tls) = (Arc::clone(&state), tls.clone());
                // The mark of the last request of the connection.
                let last: Arc<Mutex<Arc<AtomicBool>>> = Arc::default();
                let marked = Arc::clone(&last);
                let stop = stop.clone();
                tasks.spawn(async move {
                    // Whoever is not let in has said why.
                    let Ok((stream, shown)) = accept(tls, stream).await else { return };
                    let service = service_fn(move |request| {
                        let cut = Arc::<AtomicBool>::default();
                        *marked.lock().unwrap() = Arc::clone(&cut);
                        answer(request, Arc::clone(&state), shown.clone(), cut)
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    let connection = http.serve_connection(TokioIo::new(stream), service);
                    if stop.run_until_cancelled(connection).await.is_none() {
                        last.lock().unwrap().store(true, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    /// Drops the listener and every connection.
    pub(crate) async fn down(&mut self) {
        if let Some(up) = self.up.take() {
            up.cancel();
            self.tasks.close();
            self.tasks.wait().await;
            self.tasks.reopen();
        }
    }

    /// The next request is answered so, before the usual 204.
    pub(crate) fn then(&self, answer: http::response::Builder) {
        self.state.answers.lock().unwrap().push_back(Answer::Status(answer));
    }

    /// The same with any answer.
    pub(crate) fn then_answer(&self, answer: Answer) {
        self.state.answers.lock().unwrap().push_back(answer);
    }

    /// From now on every request is answered so.
    pub(crate) fn always(&self, habit: impl FnMut(&Received) -> Answer + Send + 'static) {
        *self.state.habit.lock().unwrap() = Some(Box::new(habit));
    }

    /// Waits until `count` requests have arrived, and answers with all that have.
    pub(crate) async fn received(&self, count: usize) -> Vec<Received> {
        super::within(&format!("{count} deliveries"), async {
            loop {
                let changed = self.state.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let received = self.so_far();
                if received.len() >= count {
                    return received;
                }
                changed.await;
            }
        })
        .await
    }

    /// What has arrived until now.
    pub(crate) fn so_far(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }
}

/// The stream, and what its client has shown.
async fn accept(
    tls: Option<TlsAcceptor>,
    stream: TcpStream,
) -> io::Result<(Stream, Option<CertificateDer<'static>>)> {
    let Some(tls) = tls else { return Ok((Stream::Plain(stream), None)) };
    let stream = tls.accept(stream).await?;
    let chain = stream.get_ref().1.peer_certificates();
    let shown = chain.and_then(|chain| chain.first().cloned());
    Ok((Stream::Tls(Box::new(stream)), shown))
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
    shown: Option<CertificateDer<'static>>,
    cut: Arc<AtomicBool>,
) -> io::Result<Response<Payload>> {
    let (head, body) = request.into_parts();
    let body = whole(body).await.ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = Arc::new(head);
    let mut received = Received { head, body, success: false, status: None, shown, cut };
    let answer = state.choose(&received);
    let response = |builder: http::response::Builder, payload| builder.body(payload).unwrap();
    let (late, answer) = match answer {
        Answer::Status(builder) => (None, Ok(response(builder, Payload::whole("")))),
        Answer::Text(builder, text) => (None, Ok(response(builder, Payload::whole(text)))),
        Answer::Late(time, builder) => (Some(time), Ok(response(builder, Payload::whole("")))),
        Answer::Torn(builder) => {
            let torn = response(builder.header("content-length", 2), Payload::torn());
            (Some(Duration::ZERO), Ok(torn))
        }
        Answer::Nothing => (None, Err(io::ErrorKind::ConnectionReset.into())),
    };
    if let Ok(answer) = &answer {
        received.success = answer.status().is_success();
        received.status = late.is_none().then(|| answer.status().as_u16());
    }
    state.received.lock().unwrap().push(received);
    state.changed.notify_waiters();
    if let Some(time) = late {
        tokio::time::sleep(time).await;
    }
    answer
}

impl State {
    fn choose(&self, received: &Received) -> Answer {
        if let Some(answer) = self.answers.lock().unwrap().pop_front() {
            return answer;
        }
        match &mut *self.habit.lock().unwrap() {
            Some(habit) => habit(received),
            None => Answer::Status(Response::builder().status(204)),
        }
    }
}
