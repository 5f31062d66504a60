//! A sender: real TLS, HTTP/1.1 or HTTP/2, one connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;

use super::certs::Issued;

/// An open connection to a gateway.
pub(crate) enum Client {
    Http1(http1::SendRequest<Full<Bytes>>, SocketAddr),
    Http2(http2::SendRequest<Full<Bytes>>, SocketAddr),
}

impl Client {
    /// Connects with HTTP/1.1.
    pub(crate) async fn connect(address: SocketAddr, trusted: &CertificateDer<'static>) -> Self {
        Self::try_connect(address, trusted).await.unwrap()
    }

    /// The same, where nobody may be there.
    pub(crate) async fn try_connect(
        address: SocketAddr,
        trusted: &CertificateDer<'static>,
    ) -> io::Result<Self> {
        Self::try_connect_on(TcpStream::connect(address).await?, trusted).await
    }

    /// The same on a connection that is open.
    pub(crate) async fn try_connect_on(
        stream: TcpStream,
        trusted: &CertificateDer<'static>,
    ) -> io::Result<Self> {
        Self::on(handshake_on(stream, trusted, b"http/1.1").await?).await
    }

    /// Speaks what was agreed upon.
    pub(crate) async fn on(stream: TlsStream<TcpStream>) -> io::Result<Self> {
        let address = stream.get_ref().0.peer_addr()?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            let made = Box::pin(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await;
            let (client, connection) = made.map_err(io::Error::other)?;
            TaskTracker::new().spawn(connection);
            return Ok(Self::Http2(client, address));
        }
        let made = Box::pin(http1::handshake(TokioIo::new(stream))).await;
        let (client, connection) = made.map_err(io::Error::other)?;
        TaskTracker::new().spawn(connection);
        Ok(Self::Http1(client, address))
    }

    /// Connects with HTTP/2.
    pub(crate) async fn connect_http2(
        address: SocketAddr,
        trusted: &CertificateDer<'static>,
    ) -> Self {
        Self::on(handshake(address, trusted, b"h2").await.unwrap()).await.unwrap()
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        self.try_send(request).await.expect("the gateway answers")
    }

    /// The same, where the connection may break off.
    pub(crate) async fn try_send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, hyper::Error> {
        let response = match self {
            Self::Http1(client, address) => {
                let host = address.to_string().parse().unwrap();
                request.headers_mut().entry("host").or_insert(host);
                client.ready().await?;
                client.send_request(request).await?
            }
            Self::Http2(client, address) => {
                let path = request.uri().path_and_query().unwrap().as_str().to_owned();
                *request.uri_mut() = format!("https://{address}{path}").parse().unwrap();
                client.ready().await?;
                client.send_request(request).await?
            }
        };
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, whole(body).await.expect("the answer is whole")))
    }

    /// POSTs a JSON body to the usual route.
    pub(crate) async fn post_json(&mut self, body: impl Into<Bytes>) -> Response<Bytes> {
        self.send(post("/postback/actions", "application/json", body)).await
    }
}

/// A POST of one body.
pub(crate) fn post(path: &str, content_type: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path).header("content-type", content_type).body(Full::new(body.into())).unwrap()
}

/// A GET.
pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// The id in an answer of the usual shape.
pub(crate) fn id_in(answer: &Response<Bytes>) -> String {
    let json: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    json["id"].as_str().expect("the answer has an id").to_owned()
}

/// A TLS connection that offers one protocol.
pub(crate) async fn handshake(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    handshake_on(TcpStream::connect(address).await?, trusted, protocol).await
}

/// The same on a connection that is open.
pub(crate) async fn handshake_on(
    stream: TcpStream,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    handshake_as(None, stream, trusted, protocol).await
}

/// The same by somebody who shows a certificate.
pub(crate) async fn handshake_as(
    identity: Option<&Issued>,
    stream: TcpStream,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    let config = client_config(identity, trusted, protocol);
    let name = ServerName::from(stream.peer_addr()?.ip());
    TlsConnector::from(config).connect(name, stream).await
}

/// Whom a client trusts, what it shows, and the one protocol that it offers. It resumes sessions that
/// were begun with the same one.
pub(crate) fn client_config(
    identity: Option<&Issued>,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(shown) => {
            let chain = vec![shown.certificate.clone()];
            config.with_client_auth_cert(chain, shown.private_key()).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

/// A plain request to the admin listener: the status and the body.
pub(crate) async fn ask(address: SocketAddr, path: &str) -> (u16, String) {
    told(address, get(path)).await
}

/// The same from an operator who knows the token.
pub(crate) async fn ask_as(address: SocketAddr, path: &str, token: &str) -> (u16, String) {
    let mut request = get(path);
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    told(address, request).await
}

async fn told(address: SocketAddr, mut request: Request<Full<Bytes>>) -> (u16, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    TaskTracker::new().spawn(connection);
    request.headers_mut().insert("host", address.to_string().parse().unwrap());
    let (head, body) = client.send_request(request).await.unwrap().into_parts();
    let body = whole(body).await.unwrap();
    (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

/// A whole body, up to 4 MiB.
#[expect(clippy::disallowed_methods, reason = "the body is limited")]
pub(crate) async fn whole(body: Incoming) -> Option<Bytes> {
    Some(Limited::new(body, 4 << 20).collect().await.ok()?.to_bytes())
}

/// Asks for the metrics until a line is there.
pub(crate) async fn metric(admin: SocketAddr, line: &str) {
    // At the begin of a line: what is said about a metric has its name, too.
    let begun = format!("\n{line}");
    super::within(line, async { while !ask(admin, "/metrics").await.1.contains(&begun) {} }).await;
}
