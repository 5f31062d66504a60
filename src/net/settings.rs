//! What the configuration says about sockets and TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::ServerName;

use super::Pair;

/// `[listen]`, and the limits on connections.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// Where to listen. Port 0 takes a free one; [`super::Listener::local_addr`] tells which.
    pub address: SocketAddr,
    /// Open connections in all. At the limit nothing is accepted until one ends.
    pub connections: usize,
    /// Open connections of one address: the peer's, or the one that its PROXY header names. Past
    /// the limit a connection is closed at once.
    pub connections_per_address: usize,
}

/// `[tls]`.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Where the certificate comes from, if there is one.
    pub mode: TlsMode,
    /// From the accepted connection to the end of the handshake.
    pub handshake_time: Duration,
    /// Handshakes at once; more wait, within their time.
    pub handshakes: usize,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum TlsMode {
    /// PEM files.
    Files {
        /// What was in them.
        pair: Pair,
        /// Which clients are good; `None`: they show no certificate.
        clients: Option<ClientSettings>,
    },
    /// A certificate for loopback names, made at every start.
    SelfSigned,
    /// Plain HTTP, for behind a proxy that terminates TLS.
    Off,
}

/// `tls.client_ca` and `tls.client_names`.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The authorities of client certificates: at least one.
    pub authorities: Arc<RootCertStore>,
    /// A certificate must carry one of these names; empty: any name is good.
    pub names: Vec<ServerName<'static>>,
}

impl PartialEq for ClientSettings {
    fn eq(&self, other: &Self) -> bool {
        self.authorities.roots == other.authorities.roots && self.names == other.names
    }
}
