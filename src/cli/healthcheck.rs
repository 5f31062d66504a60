//! `postgate healthcheck`: asks the admin listener how the gateway is, so that an image needs no
//! curl.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Docker's default time-out for a health check is 30 s, Kubernetes' is 1 s; a listener on the same
/// machine that needs three is not well.
const TIME: Duration = Duration::from_secs(3);
/// The answers are below 200 bytes; the rest is not ours.
const ANSWER_BYTES: u64 = 4 * 1024;

/// What `postgate healthcheck` takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct HealthcheckArgs {
    /// Ask whether it takes postbacks (/readyz), not only whether it lives (/livez).
    ///
    /// A container that is restarted because its spool is full is no better off, so liveness is the
    /// default.
    #[arg(long)]
    pub ready: bool,
}

impl HealthcheckArgs {
    /// Asks the listener at `admin.address`. 0: well. 1: not, with one line on stderr that says
    /// why.
    #[must_use]
    pub fn run(self, address: SocketAddr) -> ExitCode {
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
pub enum ProbeError {
    /// Nobody listens there, or not in time.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection broke while asking.
    #[error("cannot send the request")]
    Send(#[source] io::Error),
    /// The connection broke, or was silent, while waiting for the answer.
    #[error("cannot read the answer")]
    Receive(#[source] io::Error),
    /// Something else than 200.
    #[error("answered {status} {body}")]
    Status {
        /// The status code.
        status: u16,
        /// The first line of the body: for `/readyz`, the reason.
        body: String,
    },
    /// Somebody else listens there.
    #[error("the answer is not HTTP/1.1")]
    Foreign,
}

/// One GET to `path`; `Ok` for an answer of 200. `time` is for all of it. An unspecified address
/// (0.0.0.0, ::) is asked over loopback.
///
/// # Errors
/// Everything else than a 200, see [`ProbeError`].
pub fn probe(address: SocketAddr, path: &str, time: Duration) -> Result<(), ProbeError> {
    let end = Instant::now() + time;
    let address = reachable(address);
    let mut stream = TcpStream::connect_timeout(&address, time).map_err(ProbeError::Connect)?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream
        .set_write_timeout(Some(left(end).map_err(ProbeError::Send)?))
        .and_then(|()| stream.write_all(head.as_bytes()))
        .map_err(ProbeError::Send)?;
    let answer = receive(&mut stream, end).map_err(ProbeError::Receive)?;
    let status = status(&answer).ok_or(ProbeError::Foreign)?;
    if status == 200 {
        return Ok(());
    }
    let body = first_body_line(&answer);
    Err(ProbeError::Status { status, body })
}

/// The answer to the end of the connection, or as much of it as concerns us.
fn receive(stream: &mut TcpStream, end: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut chunk = [0; 512];
    while u64::try_from(answer.len()).is_ok_and(|length| length < ANSWER_BYTES) {
        stream.set_read_timeout(Some(left(end)?))?;
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        answer.extend(chunk.iter().take(count));
    }
    Ok(answer)
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
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

fn reachable(mut address: SocketAddr) -> SocketAddr {
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
        for answer in [
            b"".as_slice(),
            b"SSH-2.0-x\r\n",
            b"HTTP/1.1 2",
            b"HTTP/1.1 abc",
        ] {
            let (address, _) = server(answer);
            let error = probe(address, "/livez", TIME).unwrap_err();
            assert!(matches!(error, ProbeError::Foreign), "{error:?}");
        }
    }

    #[test]
    fn nobody_there_is_told_in_one_line() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let error = probe(free, "/livez", TIME).unwrap_err();
        assert!(matches!(error, ProbeError::Connect(_)), "{error:?}");
        assert!(told(&error).starts_with("cannot connect: Connection refused"));
    }

    #[test]
    fn a_silent_listener_is_given_up_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let error = probe(address, "/livez", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, ProbeError::Receive(_)), "{error:?}");
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
