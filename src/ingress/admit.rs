//! Who comes in. The address of the connection decides before TLS: the peer's, or the one that a
//! trusted proxy's PROXY header names. Where that is a trusted proxy's own, the head of the request
//! decides.

use std::fmt;
use std::net::IpAddr;

use http::HeaderMap;

use super::AllowlistSettings;
use super::allowlist::Ranges;
use super::forwarded::{self, Unreadable};
use crate::net::{Announced, Origin};

/// The allowlist, as it is asked.
#[derive(Clone, Debug)]
pub struct Gate {
    allowed: Ranges,
    trusted: Ranges,
    allow_any: bool,
    proxy_protocol: bool,
}

/// Something whose peer may come in. Only [`Gate::admit`] makes one.
#[derive(Debug)]
pub struct Admitted<T>(T);

/// The client of a request, and how we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Who it is.
    pub address: IpAddr,
    /// What told us.
    pub rule: Rule,
}

/// What decided who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is the other end of the socket.
    Peer,
    /// The PROXY header of a trusted proxy names it.
    ProxyHeader,
    /// The `X-Forwarded-For` of a trusted proxy names it.
    XForwardedFor,
    /// The `Forwarded` of a trusted proxy names it.
    Forwarded,
    /// Both of these headers should, and contradict each other.
    BothHeaders,
}

/// What the address of an admitted connection says of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It is the client's, and is allowed.
    Decided(Client),
    /// It is a trusted proxy's: each request says who its client is.
    ByHead(Client),
}

/// What would become of a request, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Who the client is taken for, unless the headers cannot be relied on.
    pub client: Result<Client, Unreadable>,
    /// The connection is a trusted proxy's, so that the headers count.
    pub by_head: bool,
    /// The request would be let in.
    pub allowed: bool,
}

/// Whose request is refused although its connection was admitted, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stranger {
    /// The proxy, where the client cannot be told.
    pub(super) client: Client,
    pub(super) refusal: HeadRefusal,
}

/// Why a request is refused although its connection was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadRefusal {
    /// The connection would not be let in now: the rules have changed since it began.
    Outdated,
    /// The client's address is not in the allowlist.
    NotAllowed,
    /// Who the client is cannot be told.
    Unreadable(Unreadable),
}

impl Gate {
    /// Makes the lists ready to be asked.
    #[must_use]
    pub fn new(settings: &AllowlistSettings) -> Self {
        Self {
            allowed: Ranges::new(&settings.ranges),
            trusted: Ranges::new(&settings.trusted_proxies),
            allow_any: settings.allow_any,
            proxy_protocol: settings.proxy_protocol,
        }
    }

    /// Whether connections of this peer have to begin with a PROXY header.
    #[must_use]
    pub fn awaits_header(&self, peer: IpAddr) -> bool {
        self.proxy_protocol && self.trusted.contains(peer)
    }

    /// Admits what came from there, or drops it. A trusted proxy is admitted for the sake of its
    /// clients, whether or not it is in the list itself.
    pub fn admit<T>(&self, origin: &Origin, inner: T) -> Option<Admitted<T>> {
        self.claim(origin).map(|_| Admitted(inner))
    }

    /// The client of one request on an admitted connection. Where that came from is asked for
    /// again: the connection may be older than this list.
    pub(super) fn admit_head(
        &self,
        origin: &Origin,
        headers: &HeaderMap,
    ) -> Result<Client, Stranger> {
        let claim = self.claim(origin).ok_or_else(|| Stranger {
            client: Client::of(origin),
            refusal: HeadRefusal::Outdated,
        })?;
        let proxy = match claim {
            Claim::Decided(client) => return Ok(client),
            Claim::ByHead(proxy) => proxy,
        };
        let client = forwarded::client(headers, proxy, &self.trusted);
        let client = client.map_err(|unreadable| Stranger {
            client: Client { rule: unreadable.rule(), ..proxy },
            refusal: HeadRefusal::Unreadable(unreadable),
        })?;
        if self.allows(client.address) {
            Ok(client)
        } else {
            Err(Stranger { client, refusal: HeadRefusal::NotAllowed })
        }
    }

    /// What would become of a request from there with these headers: the same answer that a sender
    /// would get.
    #[must_use]
    pub fn rule(&self, origin: &Origin, headers: &HeaderMap) -> Ruling {
        let (client, by_head) = match self.claim(origin) {
            Some(Claim::ByHead(proxy)) => (forwarded::client(headers, proxy, &self.trusted), true),
            Some(Claim::Decided(client)) => (Ok(client), false),
            None => (Ok(Client::of(origin)), false),
        };
        Ruling { client, by_head, allowed: self.admit_head(origin, headers).is_ok() }
    }

    fn claim(&self, origin: &Origin) -> Option<Claim> {
        // The rules may have changed since the connection began. What began by others says nothing by
        // these: a PROXY header of anybody, or an `X-Forwarded-For` that came past a balancer.
        if origin.announced.is_some() != self.awaits_header(origin.peer) {
            return None;
        }
        let client = Client::of(origin);
        // A proxy that announces itself wants to know whether we are there. It speaks for nobody, so
        // its requests cannot say who sent them.
        let may_forward = origin.announced != Some(Announced::Itself);
        if may_forward && self.trusted.contains(client.address) {
            Some(Claim::ByHead(client))
        } else {
            self.allows(client.address).then_some(Claim::Decided(client))
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allow_any || self.allowed.contains(address)
    }
}

impl Client {
    /// As far as the connection tells.
    pub(super) fn of(origin: &Origin) -> Self {
        let rule = if origin.announced.is_some() { Rule::ProxyHeader } else { Rule::Peer };
        Self { address: origin.address(), rule }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peer => "peer",
            Self::ProxyHeader => "PROXY header",
            Self::XForwardedFor => "X-Forwarded-For",
            Self::Forwarded => "Forwarded",
            Self::BothHeaders => "X-Forwarded-For and Forwarded",
        })
    }
}

impl<T> Admitted<T> {
    pub(super) fn into_inner(self) -> T {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> AllowlistSettings {
        AllowlistSettings {
            ranges: vec!["192.0.2.0/24".parse().unwrap()],
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            allow_any: false,
            proxy_protocol: false,
        }
    }

    fn gate(allow_any: bool) -> Gate {
        Gate::new(&AllowlistSettings { allow_any, ..settings() })
    }

    /// With the PROXY protocol.
    fn announcing(allow_any: bool) -> Gate {
        Gate::new(&AllowlistSettings { allow_any, proxy_protocol: true, ..settings() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn direct(peer: &str) -> Origin {
        Origin::direct(address(peer))
    }

    fn announced(peer: &str, announced: Announced) -> Origin {
        Origin { peer: address(peer), announced: Some(announced) }
    }

    fn claim(gate: &Gate, origin: &Origin) -> Option<Claim> {
        let claim = gate.claim(origin);
        assert_eq!(gate.admit(origin, ()).is_some(), claim.is_some());
        claim
    }

    fn head(gate: &Gate, origin: &Origin, lines: Option<&str>) -> Result<String, HeadRefusal> {
        let mut headers = HeaderMap::new();
        if let Some(lines) = lines {
            headers.insert("x-forwarded-for", lines.parse().unwrap());
        }
        let client = gate.admit_head(origin, &headers);
        let told = client.map(|client| format!("{} by {}", client.address, client.rule));
        told.map_err(|stranger| stranger.refusal)
    }

    #[test]
    fn the_peer_decides_unless_it_is_a_trusted_proxy() {
        let gate = gate(false);
        let allowed = Client { address: address("192.0.2.7"), rule: Rule::Peer };
        assert_eq!(claim(&gate, &direct("192.0.2.7")), Some(Claim::Decided(allowed)));
        assert_eq!(claim(&gate, &direct("::ffff:192.0.2.7")), Some(Claim::Decided(allowed)));
        assert!(matches!(claim(&gate, &direct("10.1.2.3")), Some(Claim::ByHead(_))));
        assert_eq!(claim(&gate, &direct("203.0.113.9")), None);
    }

    #[test]
    fn a_header_counts_behind_a_trusted_proxy_only() {
        let gate = gate(false);
        let (sender, proxy) = (direct("192.0.2.7"), direct("10.0.0.1"));
        let refused = Err(HeadRefusal::NotAllowed);
        for (origin, header, expected) in [
            (&sender, Some("203.0.113.9"), Ok("192.0.2.7 by peer")),
            (&sender, Some("garbage"), Ok("192.0.2.7 by peer")),
            (&proxy, Some("192.0.2.8"), Ok("192.0.2.8 by X-Forwarded-For")),
            (&proxy, Some("192.0.2.8, 203.0.113.9"), refused),
            // The proxy itself is not in the list.
            (&proxy, None, refused),
            (&proxy, Some("unknown"), Err(HeadRefusal::Unreadable(Unreadable::XForwardedFor))),
        ] {
            assert_eq!(head(&gate, origin, header).as_deref(), expected.as_ref().map(|text| *text));
        }
    }

    #[test]
    fn a_proxy_header_puts_its_client_in_the_place_of_the_peer() {
        let gate = announcing(false);
        let client = |peer: &str, of: &str| announced(peer, Announced::Client(address(of)));
        let (closed, refused) = (Err(HeadRefusal::Outdated), Err(HeadRefusal::NotAllowed));
        for (origin, header, expected) in [
            (client("10.0.0.1", "192.0.2.7"), None, Ok("192.0.2.7 by PROXY header")),
            // The client is no proxy: what it says of others is ignored.
            (client("10.0.0.1", "192.0.2.7"), Some("203.0.113.9"), Ok("192.0.2.7 by PROXY header")),
            (client("10.0.0.1", "203.0.113.9"), Some("192.0.2.7"), closed),
            // A proxy behind a balancer.
            (client("10.0.0.1", "10.0.0.2"), Some("192.0.2.7"), Ok("192.0.2.7 by X-Forwarded-For")),
            (client("10.0.0.1", "10.0.0.2"), None, refused),
            (announced("10.0.0.1", Announced::Itself), None, closed),
            (announced("10.0.0.1", Announced::Itself), Some("192.0.2.7"), closed),
        ] {
            let found = head(&gate, &origin, header);
            assert_eq!(found.as_deref(), expected.as_ref().map(|text| *text), "{origin:?}");
        }
    }

    #[test]
    fn a_balancer_that_is_in_the_list_itself_comes_in_as_itself() {
        let gate = Gate::new(&AllowlistSettings {
            ranges: vec!["10.0.0.1/32".parse().unwrap()],
            proxy_protocol: true,
            ..settings()
        });
        let itself = announced("10.0.0.1", Announced::Itself);
        let expected = Ok("10.0.0.1 by PROXY header");
        assert_eq!(head(&gate, &itself, Some("203.0.113.9")).as_deref(), expected);
    }

    /// Whoever is allowed, and whatever a header says.
    #[test]
    fn a_connection_that_began_by_other_rules_is_no_way_in() {
        let announced = |peer: &str| announced(peer, Announced::Client(address("192.0.2.7")));
        for (what, rules, origin) in [
            ("taken off the list", gate(false), direct("203.0.113.9")),
            ("has become a balancer since", announcing(false), direct("10.0.0.1")),
            ("has become one, and anybody comes in", announcing(true), direct("10.0.0.1")),
            ("is a balancer no longer", announcing(false), announced("192.0.2.1")),
            ("is one no longer, and anybody comes in", announcing(true), announced("192.0.2.1")),
            ("the PROXY protocol was switched off", gate(false), announced("10.0.0.1")),
            ("it was, and anybody comes in", gate(true), announced("10.0.0.1")),
        ] {
            assert_eq!(claim(&rules, &origin), None, "{what}");
            for lines in [None, Some("192.0.2.8")] {
                assert_eq!(head(&rules, &origin, lines), Err(HeadRefusal::Outdated), "{what}");
            }
        }
    }

    #[test]
    fn anybody_comes_in_only_where_it_is_said_so() {
        let (gate, proxy) = (gate(true), direct("10.0.0.1"));
        assert!(claim(&gate, &direct("203.0.113.9")).is_some());
        let anybody = head(&gate, &proxy, Some("203.0.113.9"));
        assert_eq!(anybody.as_deref(), Ok("203.0.113.9 by X-Forwarded-For"));
        assert_eq!(
            head(&gate, &proxy, Some("unknown")),
            Err(HeadRefusal::Unreadable(Unreadable::XForwardedFor))
        );
    }
}
