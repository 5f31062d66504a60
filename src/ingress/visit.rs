//! A request by its head: who asks, what is kept of it, and what it is answered. What becomes of it
//! between is [`Front::receive`].

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Version};
use http_body_util::Full;
use hyper::body::Body;

use super::admit::{Client, Stranger};
use super::bodies::{HeldReply, Hold, held};
use super::refusal::Refusal;
use super::reply::refuse;
use super::route::Routes;
use super::{Front, HouseRules, Refused, body, head, nowhere, without_reading};
use crate::clock;
use crate::net::{Origin, Shown};

/// A request by its head.
struct Visit {
    client: Client,
    version: Version,
    /// It asks for the head of an answer alone.
    is_head: bool,
    /// Its head, and the room for it and for a body; or why not, and room to be told.
    entered: Result<(Parts, Hold), (Refusal, Option<Hold>)>,
}

impl Front {
    /// Answers one request, on a connection from there whose client has shown this certificate.
    ///
    /// What may be kept of a head is decided at once, before the answer is waited for: over HTTP/2 a
    /// connection hands over all the heads that have come, and then lets the answers begin.
    pub(super) fn answer<B>(
        self: Arc<Self>,
        origin: Origin,
        shown: Option<&Shown>,
        request: Request<B>,
    ) -> impl Future<Output = HeldReply> + use<B>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let rules = self.rules.load_full();
        let visit = self.enter(&rules, &origin, shown, head);
        async move { self.attend(&rules.routes, visit, body).await }
    }

    /// Who asks, and room for it. Of a head that is refused nothing is left.
    fn enter(
        &self,
        rules: &HouseRules,
        origin: &Origin,
        shown: Option<&Shown>,
        head: Parts,
    ) -> Visit {
        let (version, is_head) = (head.version, head.method == Method::HEAD);
        let (client, admitted) = match rules.gate.admit_head(origin, &head.headers) {
            Ok(client) => {
                self.telemetry.front.client_admitted(client.address, &client.rule);
                let good = rules.clients.ask(shown, clock::now()).map_err(Refusal::Certificate);
                (client, good.and_then(|()| self.heads.check(&head)))
            }
            Err(Stranger { client, refusal }) => (client, Err(Refusal::Address(refusal))),
        };
        let hold = |head| self.bodies.hold(client.address, head);
        let entered = match admitted {
            Ok(()) => match hold(head::weight(&head)) {
                Ok(hold) => Ok((head, hold)),
                Err(full) => Err((Refusal::Body(full.into()), None)),
            },
            Err(refusal) => Err((refusal, hold(0).ok())),
        };
        Visit { client, version, is_head, entered }
    }

    /// Answers whoever has entered. The room is kept until the answer is on its way: over HTTP/2 a
    /// peer decides when it takes one.
    async fn attend<B>(self: &Arc<Self>, routes: &Routes, visit: Visit, mut body: B) -> HeldReply
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Visit { client, version, is_head, entered } = visit;
        let (mut hold, answered) = match entered {
            Ok((head, mut hold)) => {
                let receiving = self.receive(routes, client.address, head, &mut hold, &mut body);
                let answered = receiving.await;
                (Some(hold), answered)
            }
            Err((refusal, hold)) => (hold, Err(nowhere(refusal))),
        };
        if let Some(hold) = &mut hold {
            hold.shrink();
        }
        let Refused { route, refusal } = match answered {
            Ok(reply) => return held(reply, hold),
            Err(refused) => refused,
        };
        let (status, reason) = refusal.status();
        let name = route.map(|route| &route.name);
        let (address, by) = (client.address, &client.rule);
        self.telemetry.front.request_refused(address, by, name, reason, status.as_u16());
        let mut reply = refuse(&refusal, route.map(|route| &route.replies));
        let leaves_body = refusal.leaves_body();
        if version == Version::HTTP_2 {
            // hyper leaves the body out in HTTP/1 alone (RFC 9110, 9.3.2). What nobody has room for is
            // not to wait either.
            if is_head || hold.is_none() {
                *reply.body_mut() = Full::default();
            }
            // Neither a stranger nor too much is listened to.
            let is_heard = leaves_body
                && !matches!(
                    refusal,
                    Refusal::Address(_) | Refusal::Certificate(_) | Refusal::Body(_)
                );
            if is_heard && hold.is_some() {
                body::discard(&mut body).await;
            }
        }
        held(if leaves_body { without_reading(&body, version, reply) } else { reply }, hold)
    }
}
