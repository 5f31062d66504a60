//! A whole connection, opened for its fuzz target: what is made of one that a listener has
//! accepted, on a stream that is no socket.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Front;
use super::exchange::Http;
use super::serve::Door;
use crate::net::{Origin, Protocol, Tls, TlsMode, TlsSettings, parse_proxy_header};

/// Whose a connection of `peer` is that begins with these bytes, and what is left of them. `None`: it is
/// closed.
#[must_use]
pub fn announced<'a>(front: &Front, peer: IpAddr, bytes: &'a [u8]) -> Option<(Origin, &'a [u8])> {
    if !front.awaits_header(peer) {
        return Some((Origin::direct(peer), bytes));
    }
    let header = parse_proxy_header(bytes).ok().flatten()?;
    let origin = Origin { peer, announced: Some(header.announced) };
    Some((origin, bytes.get(header.bytes..).unwrap_or_default()))
}

/// Lets the stream in or drops it, and serves it until it and all that it began have ended.
pub async fn visit<S>(front: &Arc<Front>, origin: Origin, protocol: Protocol, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let Some(admitted) = front.admit(&origin, stream) else { return };
    let tasks = TaskTracker::new();
    let http = Http::new(&front.limits, tasks.clone());
    let (tls, stop) = (no_tls(), CancellationToken::new());
    let door = Arc::new(Door { http, tls, front: Arc::clone(front), stop });
    door.converse(origin, None, admitted.into_inner(), protocol).await;
    tasks.close();
    tasks.wait().await;
    front.left.close();
    front.left.wait().await;
}

/// The stream is what comes out of a handshake.
#[expect(clippy::expect_used, reason = "without files there is nothing that could be missing")]
fn no_tls() -> Tls {
    let mode = TlsMode::Off;
    Tls::new(&TlsSettings { mode, handshake_time: Duration::ZERO, handshakes: 1 })
        .expect("no files")
}
