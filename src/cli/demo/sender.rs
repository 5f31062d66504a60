//! The demo's sender: one HTTP/1.1 connection over real TLS to the gateway, that trusts the
//! gateway's own certificate and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::super::sample::Encoded;
use crate::app::Gateway;
use crate::clock;

/// The most that is read of an answer.
const ANSWER_BYTES: usize = 64 << 10;

/// An open connection to the gateway.
#[derive(Debug)]
pub(super) struct Sender {
    connection: SendRequest<Full<Bytes>>,
    authority: SocketAddr,
}

/// What the gateway answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The id that the answer promised.
    pub(super) id: Option<String>,
    pub(super) sent: Instant,
    pub(super) took: Duration,
}

impl Sender {
    pub(super) async fn connect(gateway: &Gateway) -> anyhow::Result<Self> {
        let certificate = gateway.certificate().context("the demo's gateway has no certificate")?;
        let authority = gateway.address();
        let stream = TcpStream::connect(authority).await.context("cannot reach the gateway")?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(authority.ip());
        let stream = connector(certificate)?.connect(name, stream).await;
        let stream = stream.context("no TLS with the gateway")?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
        TaskTracker::new().spawn(driver);
        Ok(Self { connection, authority })
    }

    /// Sends one postback and reads the answer.
    pub(super) async fn send(&mut self, path: &str, encoded: &Encoded) -> anyhow::Result<Answer> {
        let query = encoded.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
        let mut request = Request::builder()
            .uri(format!("{path}{query}"))
            .header(header::HOST, self.authority.to_string());
        if let Some(content_type) = encoded.content_type {
            request = request.method("POST").header(header::CONTENT_TYPE, content_type);
        }
        let request = request.body(Full::from(encoded.body.clone()))?;

        self.connection.ready().await?;
        let sent = clock::instant();
        let response = self.connection.send_request(request).await?;
        let status = response.status();
        let body = whole(response.into_body()).await?;
        let took = sent.elapsed();
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let id = answer.get("id").and_then(|id| id.as_str()).map(str::to_owned);
        Ok(Answer { status, id, sent, took })
    }
}

#[expect(clippy::disallowed_methods, reason = "the body is limited")]
async fn whole(body: Incoming) -> anyhow::Result<Bytes> {
    match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(anyhow::anyhow!("the answer broke off: {error}")),
    }
}

fn connector(certificate: CertificateDer<'static>) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
