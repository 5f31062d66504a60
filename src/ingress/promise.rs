//! What the promise to a sender rests on: an event on disk or taken by the upstream, or a request
//! that was not understood kept as it came.

use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::forward::{Forward, Forwarded, ForwardedEvent};
use super::reply::{Refusal, Reply};
use super::route::Route;
use super::{Front, OnMalformed, kept, strict};
use crate::clock::Timestamp;
use crate::event::{self, Event, Format};
use crate::spool::{Accepted, EventId, Malformed, Receipt, RouteName};

impl Front {
    /// Makes an event durable; the id that the sender is promised.
    pub(super) async fn store(
        &self,
        route: &Route,
        arrived: &Arrived,
        event: Converted,
    ) -> Result<EventId, Refusal> {
        let began = arrived.began;
        let accepted = Accepted {
            id: arrived.id,
            route: RouteName::clone(&route.name),
            key: event.key,
            at: arrived.at,
            body: event.body,
        };
        match self.spool.append(accepted).await.map_err(Refusal::Spool)? {
            Receipt::Stored(id) => {
                route.metrics.accepted(&id, event.format, began.elapsed());
                Ok(id)
            }
            Receipt::Repeat(first) => {
                route.metrics.repeated(&first, began.elapsed());
                Ok(first)
            }
        }
    }

    /// Forwards an event at once. The attempt goes on when the sender leaves, so that an upstream
    /// never sees half of one.
    pub(super) async fn forward(
        &self,
        route: &Route,
        forward: &Forward,
        arrived: &Arrived,
        event: Converted,
    ) -> Result<EventId, Refusal> {
        let &Arrived { id, at, began, .. } = arrived;
        let forwarding = forward.start(ForwardedEvent { id, accepted: at, body: event.body });
        // It ends without an outcome only by a panic of ours: the sender has to try again.
        let outcome = self.forwards.spawn(forwarding).await.unwrap_or(Forwarded::Unavailable);
        match outcome {
            Forwarded::Delivered => {
                route.metrics.forwarded(&id, began.elapsed());
                Ok(id)
            }
            Forwarded::Refused => Err(Refusal::UpstreamRefused),
            Forwarded::Unavailable => Err(Refusal::UpstreamUnavailable),
        }
    }

    /// Keeps what was not understood, raw.
    pub(super) async fn keep(
        &self,
        route: &Route,
        arrived: &Arrived,
        head: &Parts,
        body: Bytes,
        malformed: event::Malformed,
    ) -> Result<Reply, Refusal> {
        let kept = self.spool.quarantine(Malformed {
            id: arrived.id,
            route: RouteName::clone(&route.name),
            at: arrived.at,
            reason: malformed.to_string(),
            client: arrived.client.to_string(),
            method: head.method.to_string(),
            content_type: head.headers.get(CONTENT_TYPE).map(|value| copy(value.as_bytes())),
            query: strict::received(head).and_then(|query| route.kept_query(query)),
            headers: kept::headers(&head.headers, route.secret.as_ref()),
            body,
        });
        let id = kept.await.map_err(Refusal::Spool)?;
        route.metrics.quarantined(&id, &malformed);
        match route.on_malformed {
            OnMalformed::Quarantine => Err(Refusal::Malformed(malformed)),
            OnMalformed::Accept => Ok(route.replies.success(id)),
        }
    }
}

/// What is known of a request before it is understood.
pub(super) struct Arrived {
    pub(super) id: EventId,
    pub(super) at: Timestamp,
    pub(super) client: IpAddr,
    /// When its head had come.
    pub(super) began: Instant,
}

/// What is left of a converted request: nothing of it borrows the body any more.
pub(super) struct Converted {
    key: Option<String>,
    body: Bytes,
    /// Its place in [`Format::ALL`].
    format: usize,
}

impl Converted {
    pub(super) fn new(event: &Event<'_>) -> Self {
        let format = Format::ALL.iter().position(|&format| format == event.format());
        Self {
            key: event.key().map(str::to_owned),
            body: Bytes::from(event.to_canonical()),
            format: format.unwrap_or_default(),
        }
    }
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
