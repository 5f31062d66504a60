//! The front door. In: connections. Out: receipts of the spool, and replies. Never: a byte of a
//! body read before the address is admitted.
//!
//! `admit` decides who comes in, `serve` carries connections, `visit` looks at a head and answers, and
//! between the two `Front::receive` is the way of one request: one straight function, because the order
//! of its steps is what makes it safe.

mod activity;
mod admit;
mod allowlist;
mod bodies;
mod body;
mod exchange;
mod forward;
mod forwarded;
mod frames;
#[cfg(fuzzing)]
pub mod fuzzing;
mod head;
mod kept;
mod outlast;
mod promise;
mod refusal;
mod reply;
mod route;
mod secret;
mod serve;
mod settings;
mod strict;
mod visit;

pub use admit::{Admitted, Client, Gate, Rule, Ruling};
pub use allowlist::{Ranges, difference};
pub use forward::{Forward, Forwarded, ForwardedEvent, Forwarding};
pub use forwarded::Unreadable;
pub use serve::serve;
pub use settings::{
    AllowlistSettings, Delivery, FrontSettings, OnMalformed, ReplySettings, RequestLimits,
    RouteSecret, RouteSettings, SecretPlace,
};

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Version};
use http_body_util::Full;
use hyper::body::Body;
use tokio_util::task::TaskTracker;

use self::bodies::{Bodies, Hold};
use self::head::HeadRules;
use self::kept::Arrived;
use self::outlast::to_its_end;
use self::promise::Promise;
use self::refusal::Refusal;
use self::reply::{CLOSE, Reply};
use self::route::{Asked, Route, Routes};
use crate::clock;
use crate::event::{self, Event, Format, Rules};
use crate::ledger::{Ledger, NoRoom, Share};
use crate::net::{ClientRule, Origin};
use crate::spool::{Accepted, AppendError, EventId, Malformed, Receipt, RouteName, Spool, Told};
use crate::telemetry::{ConnectionRefusal, Telemetry};

/// The front door: everything that a request meets.
#[derive(Debug)]
pub struct Front {
    /// A request meets one of them from its head to its reply.
    rules: ArcSwap<HouseRules>,
    heads: HeadRules,
    limits: RequestLimits,
    bodies: Bodies,
    /// Places of the spool's queue, so that one address cannot take all of them.
    arrivals: Arc<Ledger>,
    spool: Spool,
    telemetry: Arc<Telemetry>,
    /// Requests that were whole when their sender left: they go on.
    left: TaskTracker,
}

/// Who comes in and what is received where: the part of the front door that can be exchanged while
/// it is open.
#[derive(Debug)]
struct HouseRules {
    gate: Gate,
    /// Of requests. A handshake may have been by an older rule, or by the next one.
    clients: ClientRule,
    routes: Routes,
}

/// A refusal, and on which route.
#[derive(Debug)]
struct Refused<'a> {
    route: Option<&'a Arc<Route>>,
    refusal: Refusal,
}

impl Front {
    /// Makes everything ready. `forwards` holds one entry for each `direct` route.
    #[must_use]
    pub fn new(
        settings: &FrontSettings,
        clients: ClientRule,
        forwards: HashMap<RouteName, Forward>,
        spool: Spool,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let rules = HouseRules::new(settings, clients, forwards, &telemetry);
        Self {
            rules: ArcSwap::from_pointee(rules),
            heads: HeadRules::new(settings),
            limits: settings.limits,
            bodies: Bodies::new(settings.limits.bodies_bytes),
            arrivals: Ledger::halved(Spool::places()),
            spool,
            telemetry,
            left: TaskTracker::new(),
        }
    }

    /// Exchanges the allowlist, the rule for clients and the routes, all at once, for every request from
    /// now on. Requests under way end as they began; the limits stay as they are.
    pub fn replace(
        &self,
        settings: &FrontSettings,
        clients: ClientRule,
        forwards: HashMap<RouteName, Forward>,
    ) {
        self.rules.store(Arc::new(HouseRules::new(settings, clients, forwards, &self.telemetry)));
    }

    /// How the route of this name reads its input now.
    #[must_use]
    pub fn rules_of(&self, route: &RouteName) -> Option<Rules> {
        self.rules.load().routes.named(route).map(|route| route.rules.clone())
    }

    /// Whether connections of this peer have to begin with a PROXY header.
    fn awaits_header(&self, peer: IpAddr) -> bool {
        self.rules.load().gate.awaits_header(peer)
    }

    /// Admits what came from there, or drops it.
    fn admit<T>(&self, origin: &Origin, inner: T) -> Option<Admitted<T>> {
        let admitted = self.rules.load().gate.admit(origin, inner);
        if admitted.is_none() {
            let (peer, client) = (origin.peer, origin.address());
            self.telemetry.connections.refused(peer, client, ConnectionRefusal::Address);
        }
        admitted
    }

    /// The way of one admitted request, from its head to the promise.
    async fn receive<'a, B>(
        self: &Arc<Self>,
        routes: &'a Routes,
        client: IpAddr,
        head: Parts,
        hold: &mut Hold,
        body: &mut B,
    ) -> Result<Reply, Refused<'a>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let began = clock::instant();
        let asked = routes.find(head.uri.path(), &head.method, client)?;
        let (Asked::Event(route) | Asked::Head(route)) = asked else {
            self.telemetry.front.probed(client, "OPTIONS");
            return Ok(without_reading(body, head.version, reply::options(asked)));
        };
        let refused = |refusal| Refused { route: Some(route), refusal };
        if route.secret.as_ref().is_some_and(|secret| !secret.is_in(&head)) {
            return Err(refused(Refusal::Secret));
        }
        if matches!(asked, Asked::Head(_)) {
            self.telemetry.front.probed(client, "HEAD");
            return Ok(without_reading(body, head.version, route.replies.head()));
        }
        if is_encoded(&head.headers) {
            return Err(refused(Refusal::Encoded));
        }

        let body = body::read(body, head.version, &self.limits, hold).await;
        let body = body.map_err(|error| refused(Refusal::Body(error)))?;

        let at = clock::now();
        let arrived = Arrived { id: EventId::new(at), at, client, head, body };
        // From here on a sender that leaves stops nothing, so it goes on counting.
        let (front, route, mut lent) = (Arc::clone(self), Arc::clone(route), hold.take());
        let taking = async move { (front.take(&route, arrived, &mut lent, began).await, lent) };
        let (answered, lent) = to_its_end(taking, &self.left).await;
        *hold = lent;
        answered.map_err(refused)
    }

    /// Takes what has come in whole: converts it, and makes what becomes of it sure.
    async fn take(
        &self,
        route: &Route,
        arrived: Arrived,
        hold: &mut Hold,
        began: Instant,
    ) -> Result<Reply, Refusal> {
        let converted = event::convert(&arrived.input(), &route.rules);
        let event = match converted.map(|event| Converted::new(&event)) {
            Ok(event) => event,
            Err(malformed) => return self.keep(route, arrived, malformed).await,
        };
        let promised = match &route.forward {
            None => self.store(route, arrived, event, began).await,
            Some(forward) => {
                let event = arrived.into_forwarded(event.body);
                // What came is gone, and escapes may have made more of it.
                hold.replace(event.body.len()).map_err(|full| Refusal::Body(full.into()))?;
                Self::forward(route, forward, event, began).await
            }
        };
        promised.map(|promise| route.replies.success(promise))
    }

    /// Makes an event durable.
    async fn store(
        &self,
        route: &Route,
        arrived: Arrived,
        event: Converted,
        began: Instant,
    ) -> Result<Promise, Refusal> {
        let client = arrived.client;
        let accepted = Accepted {
            id: arrived.id,
            route: RouteName::clone(&route.name),
            key: event.key,
            at: arrived.at,
            body: event.body,
            received: Some(arrived.into_received(Some(event.format), route.secret.as_ref())),
        };
        let _waiting = self.waiting(client, accepted.places())?;
        let receipt = self.spool.append(accepted).await.map_err(Refusal::Spool)?;
        match receipt {
            Receipt::Stored(id) => {
                route.metrics.accepted(&id, place(event.format), began.elapsed());
            }
            Receipt::Repeat(first) => route.metrics.repeated(&first, began.elapsed()),
        }
        Ok(Promise::of_receipt(receipt))
    }

    /// While something of this client waits for the disk, which so many places of the queue are for. What
    /// takes more than its share passes alone.
    fn waiting(&self, client: IpAddr, places: usize) -> Result<Share, Refusal> {
        let share = self.arrivals.share(client, places.min(self.arrivals.of_one()));
        share.map_err(|NoRoom| Refusal::Spool(AppendError::Busy))
    }

    /// Forwards an event at once.
    async fn forward(
        route: &Route,
        forward: &Forward,
        event: ForwardedEvent,
        began: Instant,
    ) -> Result<Promise, Refusal> {
        let id = event.id;
        let promise = Promise::of_upstream(forward.start(event).await, id)?;
        route.metrics.forwarded(&id, began.elapsed());
        Ok(promise)
    }

    /// Keeps what was not understood, raw.
    async fn keep(
        &self,
        route: &Route,
        arrived: Arrived,
        malformed: event::Malformed,
    ) -> Result<Reply, Refusal> {
        let told = match route.on_malformed {
            OnMalformed::Quarantine => Told::Refused,
            OnMalformed::Accept => Told::Kept,
        };
        let client = arrived.client;
        let raw = Malformed {
            id: arrived.id,
            route: RouteName::clone(&route.name),
            at: arrived.at,
            reason: malformed.to_string(),
            received: arrived.into_received(malformed.format, route.secret.as_ref()),
        };
        let _waiting = self.waiting(client, raw.places())?;
        let id = self.spool.quarantine(raw, told).await.map_err(Refusal::Spool)?;
        route.metrics.quarantined(&id, &malformed.discreet());
        match route.on_malformed {
            OnMalformed::Quarantine => Err(Refusal::Malformed(malformed)),
            OnMalformed::Accept => Ok(route.replies.success(Promise::of_quarantine(id))),
        }
    }
}

impl HouseRules {
    fn new(
        settings: &FrontSettings,
        clients: ClientRule,
        mut forwards: HashMap<RouteName, Forward>,
        telemetry: &Telemetry,
    ) -> Self {
        let mut routes = Routes::default();
        for route in &settings.routes {
            let forward = forwards.remove(&route.name);
            routes.add(&route.path, Route::new(route, forward, &telemetry.front));
        }
        Self { gate: Gate::new(&settings.allowlist), clients, routes }
    }
}

/// What is left of a converted request: nothing of it borrows the body any more.
struct Converted {
    key: Option<String>,
    body: Bytes,
    format: Format,
}

impl Converted {
    fn new(event: &Event<'_>) -> Self {
        Self {
            key: event.key().map(str::to_owned),
            body: Bytes::from(event.to_canonical()),
            format: event.format(),
        }
    }
}

/// The place in [`Format::ALL`], as the metrics count.
fn place(format: Format) -> usize {
    Format::ALL.iter().position(|&one| one == format).unwrap_or_default()
}

fn nowhere(refusal: Refusal) -> Refused<'static> {
    Refused { route: None, refusal }
}

/// Answers a request whose body was not read to its end. What is left of it must not be taken for the
/// next request. Over HTTP/2 the stream ends at once, without the body of the reply: while a peer takes
/// none, the library would keep the trailers that it sends, of any size, and nobody would know.
fn without_reading(body: &impl Body, version: Version, mut reply: Reply) -> Reply {
    if body.is_end_stream() {
        return reply;
    }
    if version == Version::HTTP_2 {
        *reply.body_mut() = Full::default();
    } else {
        reply.headers_mut().insert(CONNECTION, CLOSE);
    }
    reply
}

/// Whether the body is compressed: a small body could become a huge one, so it is not taken.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests;
