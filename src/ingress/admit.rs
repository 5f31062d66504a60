//! Who comes in. The peer's address decides before TLS; behind a trusted proxy, the head of the
//! request decides.

use std::net::IpAddr;

use http::HeaderMap;

use super::AllowlistSettings;
use super::allowlist::Ranges;
use super::forwarded;

/// The allowlist, as it is asked.
#[derive(Clone, Debug)]
pub struct Gate {
    allowed: Ranges,
    trusted: Ranges,
    allow_any: bool,
}

/// Something whose peer may come in. Only [`Gate::admit`] makes one.
#[derive(Debug)]
pub struct Admitted<T>(T);

/// What an admitted peer's address says of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// The peer is the client, and is allowed.
    Decided(IpAddr),
    /// The peer is a trusted proxy: each request says who its client is.
    ByHead(IpAddr),
}

/// What would become of a request, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Who the client is taken for; `None`: the header cannot be read.
    pub client: Option<IpAddr>,
    /// The peer is a trusted proxy, so that the header counts.
    pub by_head: bool,
    /// The request would be let in.
    pub allowed: bool,
}

/// Why a request is refused although its connection was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadRefusal {
    /// The client's address is not in the allowlist.
    NotAllowed,
    /// Who the client is cannot be told.
    Unreadable,
}

impl Gate {
    /// Makes the lists ready to be asked.
    #[must_use]
    pub fn new(settings: &AllowlistSettings) -> Self {
        Self {
            allowed: Ranges::new(&settings.ranges),
            trusted: Ranges::new(&settings.trusted_proxies),
            allow_any: settings.allow_any,
        }
    }

    /// Admits what came from `peer`, or drops it. A trusted proxy is admitted for the sake of its
    /// clients, whether or not it is in the list itself.
    pub fn admit<T>(&self, peer: IpAddr, inner: T) -> Option<Admitted<T>> {
        self.claim(peer).map(|_| Admitted(inner))
    }

    /// The client of one request on an admitted connection of `peer`. The peer is asked for again:
    /// the connection may be older than this list.
    pub(super) fn admit_head(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<IpAddr, HeadRefusal> {
        let peer = match self.claim(peer).ok_or(HeadRefusal::NotAllowed)? {
            Claim::Decided(client) => return Ok(client),
            Claim::ByHead(peer) => peer,
        };
        let client = forwarded::client(headers, peer, &self.trusted);
        let client = client.map_err(|forwarded::Unreadable| HeadRefusal::Unreadable)?;
        if self.allows(client) { Ok(client) } else { Err(HeadRefusal::NotAllowed) }
    }

    /// What would become of a request of `peer` with these headers: the same answer that a sender
    /// would get.
    #[must_use]
    pub fn rule(&self, peer: IpAddr, headers: &HeaderMap) -> Ruling {
        let by_head = matches!(self.claim(peer), Some(Claim::ByHead(_)));
        let client = if by_head {
            forwarded::client(headers, peer, &self.trusted).ok()
        } else {
            Some(peer.to_canonical())
        };
        Ruling { client, by_head, allowed: self.admit_head(peer, headers).is_ok() }
    }

    fn claim(&self, peer: IpAddr) -> Option<Claim> {
        if self.trusted.contains(peer) {
            Some(Claim::ByHead(peer))
        } else {
            self.allows(peer).then_some(Claim::Decided(peer))
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allow_any || self.allowed.contains(address)
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

    fn gate(allow_any: bool) -> Gate {
        Gate::new(&AllowlistSettings {
            ranges: vec!["192.0.2.0/24".parse().unwrap()],
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            allow_any,
        })
    }

    fn claim(gate: &Gate, peer: &str) -> Option<Claim> {
        let peer = peer.parse().unwrap();
        let claim = gate.claim(peer);
        assert_eq!(gate.admit(peer, ()).is_some(), claim.is_some());
        claim
    }

    fn head(gate: &Gate, peer: &str, forwarded: Option<&str>) -> Result<String, HeadRefusal> {
        let mut headers = HeaderMap::new();
        if let Some(forwarded) = forwarded {
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        }
        gate.admit_head(peer.parse().unwrap(), &headers).map(|client| client.to_string())
    }

    #[test]
    fn the_peer_decides_unless_it_is_a_trusted_proxy() {
        let gate = gate(false);
        let allowed = "192.0.2.7".parse().unwrap();
        assert_eq!(claim(&gate, "192.0.2.7"), Some(Claim::Decided(allowed)));
        assert!(matches!(claim(&gate, "10.1.2.3"), Some(Claim::ByHead(_))));
        assert_eq!(claim(&gate, "203.0.113.9"), None);
    }

    #[test]
    fn a_header_counts_behind_a_trusted_proxy_only() {
        let gate = gate(false);
        assert_eq!(head(&gate, "192.0.2.7", Some("203.0.113.9")).as_deref(), Ok("192.0.2.7"));
        assert_eq!(head(&gate, "192.0.2.7", Some("garbage")).as_deref(), Ok("192.0.2.7"));
        assert_eq!(head(&gate, "10.0.0.1", Some("192.0.2.8")).as_deref(), Ok("192.0.2.8"));
        let refused = Err(HeadRefusal::NotAllowed);
        assert_eq!(head(&gate, "10.0.0.1", Some("192.0.2.8, 203.0.113.9")), refused);
        assert_eq!(head(&gate, "10.0.0.1", None), refused, "the proxy itself is not in the list");
        assert_eq!(head(&gate, "10.0.0.1", Some("unknown")), Err(HeadRefusal::Unreadable));
    }

    #[test]
    fn a_connection_older_than_the_list_is_asked_again() {
        let refused = Err(HeadRefusal::NotAllowed);
        assert_eq!(head(&gate(false), "203.0.113.9", Some("192.0.2.8")), refused);
    }

    #[test]
    fn anybody_comes_in_only_where_it_is_said_so() {
        assert!(claim(&gate(true), "203.0.113.9").is_some());
        assert_eq!(
            head(&gate(true), "10.0.0.1", Some("203.0.113.9")).as_deref(),
            Ok("203.0.113.9")
        );
        assert_eq!(head(&gate(true), "10.0.0.1", Some("unknown")), Err(HeadRefusal::Unreadable));
    }
}
