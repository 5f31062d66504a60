//! Connections: accepted, admitted, handshaken, served, and ended in order.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Front;
use super::admit::Admitted;
use super::exchange::{End, Http};
use crate::net::{Arrival, Conn, Listener, Origin, Protocol, Shown, Tls};
use crate::telemetry::{BrokenConnection, HeadFault};

/// Serves until `stop` is cancelled, then accepts nothing more and returns when every request under
/// way is answered. How long to wait for that is the caller's decision: a body may take
/// `limits.body_time`, a forward its own time-out.
pub async fn serve(mut listener: Listener, tls: Tls, front: Arc<Front>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let door = Arc::new(Door { http: Http::new(&front.limits, tasks.clone()), tls, front, stop });
    let front = &door.front;
    tasks.spawn(tell_untold(Arc::clone(front), door.stop.clone()));
    while let Some(arrival) = door.stop.run_until_cancelled(listener.accept()).await {
        if front.awaits_header(arrival.peer()) {
            tasks.spawn(Arc::clone(&door).announced(arrival));
        } else if let Some(admitted) = arrival.direct().and_then(|conn| admit(front, conn)) {
            // Decided without a task: a stranger costs next to nothing.
            let deadline = door.tls.deadline();
            tasks.spawn(Arc::clone(&door).connection(admitted, deadline));
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
    front.left.close();
    front.left.wait().await;
    front.telemetry.tell_untold();
}

async fn tell_untold(front: Arc<Front>, stop: CancellationToken) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    while stop.run_until_cancelled(second.tick()).await.is_some() {
        front.telemetry.tell_untold();
    }
}

fn admit(front: &Front, conn: Conn) -> Option<Admitted<Conn>> {
    let origin = conn.origin;
    front.admit(&origin, conn)
}

/// What every connection goes through.
pub(super) struct Door {
    pub(super) http: Http,
    pub(super) tls: Tls,
    pub(super) front: Arc<Front>,
    pub(super) stop: CancellationToken,
}

impl Door {
    /// Hears from a trusted proxy whose connection it is, and serves it if that one may come in.
    async fn announced(self: Arc<Self>, arrival: Arrival) {
        let deadline = self.tls.deadline();
        let conn = self.stop.run_until_cancelled(arrival.announced(deadline)).await.flatten();
        if let Some(admitted) = conn.and_then(|conn| admit(&self.front, conn)) {
            self.connection(admitted, deadline).await;
        }
    }

    /// Serves one connection to its end. Its place is free again when this returns.
    async fn connection(self: Arc<Self>, admitted: Admitted<Conn>, deadline: Instant) {
        let telemetry = &self.front.telemetry.connections;
        let Conn { io, origin, place } = admitted.into_inner();
        let client = origin.address();
        let _held = (place, telemetry.admitted());

        // Pinned: moved on, it would have room twice in every connection.
        let handshake = pin!(self.tls.accept(io, client, deadline));
        let (stream, shown) = match self.stop.run_until_cancelled(handshake).await {
            Some(Ok(shaken)) => shaken,
            Some(Err(error)) => {
                return telemetry.handshake_failed(client, error.failure(), &error);
            }
            None => return,
        };
        let protocol = stream.protocol();
        // Boxed: whoever does not shake hands has no room for what comes then.
        Box::pin(Arc::clone(&self).converse(origin, shown, stream, protocol)).await;
    }

    /// Answers what is asked on an admitted stream, until it ends.
    pub(super) async fn converse<S>(
        self: Arc<Self>,
        origin: Origin,
        shown: Option<Shown>,
        stream: S,
        protocol: Protocol,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let telemetry = &self.front.telemetry;
        let client = origin.address();
        let handle = |request| {
            // Boxed: a connection that is idle has no room for a request, and a reply that waits
            // to be read keeps none.
            Box::pin(Arc::clone(&self.front).answer(origin, shown.as_ref(), request))
        };
        let door = Arc::clone(&self);
        let refused = move |rule| {
            door.front.telemetry.front.head_refused(client, HeadFault::Grammar(rule));
        };
        let broken = |broken, error: Option<&dyn Error>| {
            telemetry.connections.broken(client, broken, error);
        };
        let room = self.front.bodies.unended(client);
        match self.http.serve(stream, protocol, handle, refused, room, &self.stop).await {
            End::Closed => {}
            End::HeadSize => telemetry.front.head_refused(client, HeadFault::Size),
            End::NoRoom => telemetry.front.head_refused(client, HeadFault::NoRoom),
            End::Silent => broken(BrokenConnection::Silent, None),
            End::NotHttp(error) => broken(BrokenConnection::NotHttp, Some(&error)),
            End::Unread(error) => {
                telemetry.front.head_refused(client, HeadFault::Grammar("hyper cannot read it"));
                broken(BrokenConnection::NotHttp, Some(&error));
            }
            End::Cut(error) => broken(BrokenConnection::Cut, Some(&error)),
            End::Flood => broken(BrokenConnection::Flood, None),
        }
    }
}
