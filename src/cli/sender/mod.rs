//! An HTTP client that sends postbacks to a gateway, as impact.com does: over kept HTTP/1.1
//! connections, or HTTP/2 where the gateway offers it.

mod request;
mod trust;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub(super) use request::request;
pub(super) use trust::Trust;

/// The most that is read of an answer.
const ANSWER_BYTES: usize = 64 << 10;

/// A client for one gateway.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pool: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    time: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
    /// A text of the JSON object that the body is.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        body.get(name)?.as_str().map(str::to_owned)
    }
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {cause}")]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// In the words of who noticed it.
    pub(super) cause: String,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FaultKind {
    /// Nobody answered at the address.
    Connect,
    /// No agreement on TLS; the certificate is not trusted, for one.
    Tls,
    /// It took too long.
    Timeout,
    /// The connection ended before the answer did.
    Broken,
    /// It is no request: its address is too long, for one.
    Unsendable,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Tls => "no TLS",
            Self::Timeout => "no answer in time",
            Self::Broken => "the connection broke",
            Self::Unsendable => "cannot be sent",
        })
    }
}

impl Sender {
    /// Sends `headers` with every request, and gives each `time`, connecting included.
    pub(super) fn new(trust: &Trust, headers: HeaderMap, time: Duration) -> anyhow::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(time));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust.client_config()?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let pool =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { pool, headers, time })
    }

    /// Sends one request and reads the answer.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, Fault> {
        request.headers_mut().extend(self.headers.clone());
        let exchange = async {
            let response = self.pool.request(request).await.map_err(|error| fault(&error))?;
            let status = response.status();
            Ok(Answer { status, body: whole(response.into_body()).await? })
        };
        tokio::time::timeout(self.time, exchange).await.unwrap_or_else(|elapsed| {
            Err(Fault { kind: FaultKind::Timeout, cause: elapsed.to_string() })
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the body is limited")]
async fn whole(body: Incoming) -> Result<Bytes, Fault> {
    match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(Fault { kind: FaultKind::Broken, cause: error.to_string() }),
    }
}

/// Decides by the types in the chain of causes; the text is for people.
fn fault(error: &legacy::Error) -> Fault {
    let mut kind = if error.is_connect() { FaultKind::Connect } else { FaultKind::Broken };
    let mut last: &(dyn StdError + 'static) = error;
    loop {
        if last.is::<rustls::Error>() {
            kind = FaultKind::Tls;
        }
        // `io::Error` hides the error it is made of behind `get_ref`.
        let inner = last.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match inner.map(|inner| -> &(dyn StdError + 'static) { inner }).or_else(|| last.source()) {
            Some(cause) => last = cause,
            None => return Fault { kind, cause: last.to_string() },
        }
    }
}
