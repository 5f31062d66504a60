//! `postgate healthcheck`: asks the admin listener how the gateway is, so that an image needs no
//! curl.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config;

/// A listener on the same machine that needs longer is not well. Below the 5 s of the image's
/// `HEALTHCHECK`, so that the reason is told before it is cut off.
const TIME: Duration = Duration::from_secs(3);
/// Ours are below 200 bytes; a longer answer comes from somebody else.
const ANSWER_BYTES: u64 = 4 * 1024;

/// What `postgate healthcheck` takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Arguments {
    /// Ask whether it takes postbacks (/readyz), not only whether it lives (/livez).
    ///
    /// A container that is restarted because its spool is full is no better off, so liveness is
    /// the default.
    #[arg(long)]
    ready: bool,
}

/// Asks the gateway that runs with the configuration at `config`.
///
/// # Errors
/// When the configuration does not say where to ask.
pub(super) fn run(config: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    Ok(arguments.ask(config::admin_address(config)?))
}

impl Arguments {
    /// Asks the listener at `admin.address`. 0: well. 1: not, with one line on stderr that says
    /// why.
    fn ask(self, address: SocketAddr) -> ExitCode {
        let path = if self.ready { "/readyz" } else { "/livez" };
        match probe(address, path, TIME) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let line = format!("http://{}{path}: {}", reachable(address), told(&error));
                // Nobody reads it? The exit code says it as well.
                drop(writeln!(io::stderr(), "{line}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// Why a listener counts as unwell.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("cannot ask")]
    Runtime(#[source] io::Error),
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("cannot send the request")]
    Send(#[source] io::Error),
    #[error("cannot read the answer")]
    Receive(#[source] io::Error),
    /// With the first line of the body: for `/readyz`, the reason.
    #[error("answered {status} {body}")]
    Status { status: u16, body: String },
    /// Somebody else listens there.
    #[error("the answer is not HTTP/1.1")]
    Foreign,
}

/// One GET to `path`; `Ok` for an answer of 200. `time` is for all of it. An unspecified address
/// (0.0.0.0, ::) is asked over loopback. Outside of a tokio runtime.
fn probe(address: SocketAddr, path: &str, time: Duration) -> Result<(), ProbeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ProbeError::Runtime)?;
    let asked = ask(reachable(address), path);
    let answer = runtime
        .block_on(async { tokio::time::timeout(time, asked).await })
        .map_err(|_| ProbeError::Silent(time))??;
    match status(&answer).ok_or(ProbeError::Foreign)? {
        200 => Ok(()),
        status => {
            let body = first_body_line(&answer);
            Err(ProbeError::Status { status, body })
        }
    }
}

/// The answer to the end of the connection, or as much of it as concerns us.
async fn ask(address: SocketAddr, path: &str) -> Result<Vec<u8>, ProbeError> {
    let mut stream = TcpStream::connect(address).await.map_err(ProbeError::Connect)?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.map_err(ProbeError::Send)?;
    let mut answer = Vec::new();
    let mut bounded = stream.take(ANSWER_BYTES);
    bounded.read_to_end(&mut answer).await.map_err(ProbeError::Receive)?;
    Ok(answer)
}

/// The code of `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.1 ")?;
    let code = rest.first_chunk::<3>()?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// Without control characters: it goes to a terminal, and whoever listens there need not be us.
fn first_body_line(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let line = body.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Where a listener on every address is asked: over loopback.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn told(error: &ProbeError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// A server of one answer, which it gives after it has read the request.
    fn server(answer: &'static [u8]) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0; 1];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer).unwrap();
            String::from_utf8(head).unwrap()
        });
        (address, thread)
    }

    #[test]
    fn ok_for_200() {
        let (address, thread) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        probe(address, "/livez", TIME).unwrap();
        let head = thread.join().unwrap();
        assert_eq!(
            head,
            format!("GET /livez HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        );
    }

    #[test]
    fn another_status_is_told_with_its_reason() {
        let (address, _) =
            server(b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"reason\":\"full\x1b[2J\"}\nmore");
        let error = probe(address, "/readyz", TIME).unwrap_err();
        assert_eq!(told(&error), "answered 503 {\"reason\":\"full[2J\"}");
    }

    #[test]
    fn what_is_not_http_is_not_well() {
        for answer in [b"".as_slice(), b"SSH-2.0-x\r\n", b"HTTP/1.1 2", b"HTTP/1.1 abc"] {
            let (address, _) = server(answer);
            let error = probe(address, "/livez", TIME).unwrap_err();
            assert!(matches!(error, ProbeError::Foreign), "{error:?}");
        }
    }

    #[test]
    fn nobody_there_is_told_in_one_line() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = probe(free, "/livez", TIME).unwrap_err();
        assert!(matches!(error, ProbeError::Connect(_)), "{error:?}");
        assert!(told(&error).starts_with("cannot connect: Connection refused"));
    }

    #[test]
    fn a_silent_listener_is_given_up_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let error = probe(address, "/livez", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, ProbeError::Silent(_)), "{error:?}");
    }

    #[test]
    fn a_listener_on_every_address_is_asked_over_loopback() {
        let asked = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:9900"), "127.0.0.1:9900");
        assert_eq!(asked("[::]:9900"), "[::1]:9900");
        assert_eq!(asked("10.1.2.3:9900"), "10.1.2.3:9900");
    }

    #[test]
    fn an_endless_answer_is_cut_off() {
        let (address, thread) = server(&[b'x'; 16 * 1024]);
        let error = probe(address, "/livez", TIME).unwrap_err();
        assert!(matches!(error, ProbeError::Foreign), "{error:?}");
        // The rest of the answer meets a closed connection, or fits the kernel's buffers.
        drop(thread.join());
    }
}
