//! The front door as a sender meets it: real sockets, a real spool, and no delivery behind it.

mod bodies;
mod connections;
mod direct;
mod heads;
mod left;
mod limits;
mod pace;
mod queries;
mod random;
mod requests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::event::{Kind, Rules};
use crate::net::{ListenSettings, Listener, Tls, TlsMode, TlsSettings};
use crate::spool::SpoolSettings;
use crate::spool::tests::{Faults, open_faulty};

const EVENT: &str = r#"{"action_id":"1.2.3"}"#;

/// How long anything may take before a test gives up; it only matters when something is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// A front door on a free port, with one route: `/in`.
struct House {
    address: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    front: Arc<Front>,
    spool: Spool,
    /// What is wrong with the spool's disk.
    disk: Arc<Faults>,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
    served: TaskTracker,
    folder: TempDir,
}

type Sender = http2::SendRequest<Full<Bytes>>;
type Connection = http2::Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>, TokioExecutor>;

/// How a [`House`] is built.
struct Plan {
    tls: TlsMode,
    front: FrontSettings,
    forward: Option<Forward>,
}

/// Everything allowed, everything large; a test makes small what it is about.
fn plan() -> Plan {
    let route = RouteSettings {
        name: "in".into(),
        path: "/in".to_owned(),
        methods: vec![Method::GET, Method::POST],
        allowlist: None,
        delivery: Delivery::Queued,
        rules: Rules::of(Kind::Action),
        on_malformed: OnMalformed::Quarantine,
        secret: None,
        reply: ReplySettings {
            success_status: StatusCode::OK,
            success_body: "{id}".to_owned(),
            error_body: String::new(),
        },
    };
    let front = FrontSettings {
        allowlist: AllowlistSettings {
            ranges: vec!["127.0.0.1/32".parse().unwrap()],
            ..AllowlistSettings::default()
        },
        server_names: Vec::new(),
        limits: RequestLimits::GENEROUS,
        routes: vec![route],
    };
    Plan { tls: TlsMode::Off, front, forward: None }
}

/// The same, with a route that forwards at once.
fn direct(forward: impl Fn(ForwardedEvent) -> Forwarding + Send + Sync + 'static) -> Plan {
    let mut plan = plan();
    plan.front.routes[0].delivery = Delivery::Direct;
    plan.forward = Some(Forward::new(forward));
    plan
}

impl House {
    fn build(plan: Plan) -> Self {
        let folder = TempDir::new().unwrap();
        let telemetry = Arc::new(Telemetry::new());
        let settings = SpoolSettings {
            keep_delivered: Duration::ZERO,
            ..SpoolSettings::generous(folder.path())
        };
        let (spool, disk) = open_faulty(&settings, Arc::clone(&telemetry));
        let listen = ListenSettings {
            address: "127.0.0.1:0".parse().unwrap(),
            connections: 100,
            connections_per_address: 100,
        };
        let listener = Listener::bind(&listen, Arc::clone(&telemetry)).unwrap();
        let tls = TlsSettings { mode: plan.tls, handshake_time: PATIENCE, handshakes: 100 };
        let tls = Tls::new(&tls).unwrap();
        let forwards: HashMap<_, _> =
            plan.forward.into_iter().map(|forward| ("in".into(), forward)).collect();
        let asked = tls.client_rule();
        let front = Front::new(&plan.front, asked, forwards, spool.clone(), Arc::clone(&telemetry));
        let front = Arc::new(front);
        let house = Self {
            address: listener.local_addr(),
            certificate: tls.certificate(),
            front: Arc::clone(&front),
            spool,
            disk,
            telemetry,
            stop: CancellationToken::new(),
            served: TaskTracker::new(),
            folder,
        };
        house.served.spawn(serve(listener, tls, front, house.stop.clone()));
        house.served.close();
        house
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A client that has shaken hands and chosen `alpn`.
    async fn connect_tls(&self, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone().unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.connect().await).await
    }

    /// A connection over HTTP/2, to be driven by the test.
    async fn h2(&self) -> (Sender, Connection) {
        let stream = TokioIo::new(self.connect_tls(b"h2").await.unwrap());
        http2::handshake(TokioExecutor::new(), stream).await.unwrap()
    }

    /// Sends these bytes on a connection of their own, and reads to its end.
    async fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        said(&mut stream).await
    }

    /// The value of one line of the metrics.
    fn metric(&self, name: &str) -> Option<String> {
        let text = self.telemetry.encode();
        let mut lines = text.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned()))
    }

    /// Waits, giving way to the tasks of the house, until something holds that they bring about.
    async fn holds(&self, what: impl Fn() -> bool) {
        within("what was expected", async {
            while !what() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Stops, and waits until the last connection has ended. What is left is the spool's folder.
    async fn close(self) -> TempDir {
        self.stop.cancel();
        within("the end of all connections", self.served.wait()).await;
        self.spool.close().await;
        self.folder
    }
}

/// A request that ends its connection.
fn request(line: &str, more: &str, body: &str) -> String {
    let length = body.len();
    let head = "Host: localhost\r\nConnection: close\r\nContent-Type: application/json";
    format!("{line} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n{more}\r\n{body}")
}

/// A request over HTTP/2.
fn posted(body: &'static str) -> http::Request<Full<Bytes>> {
    http::Request::post("https://localhost/in").body(Full::from(body)).unwrap()
}

/// A request with a body of two chunks.
fn chunked(first: &str, second: &str, more: &str) -> String {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    format!(
        "POST /in HTTP/1.1\r\nHost: localhost\r\n{more}Transfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
        chunk(first),
        chunk(second)
    )
}

/// Everything until the other end closes; a reset is an end as well.
async fn said(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = within("the end of the connection", stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok() || bytes.is_empty(), "cut off within a reply: {read:?}");
    String::from_utf8(bytes).unwrap()
}

/// The status of the first reply in what was said.
fn status(said: &str) -> u16 {
    let status = said.split(' ').nth(1).unwrap_or_else(|| panic!("no status line in {said:?}"));
    status.parse().unwrap()
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("gave up waiting for {what}"))
}
