//! Sockets and TLS. In: bytes off the wire. Out: a connection and whose it is. Never: a decision who may come in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[listen]` and the connection limits.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    pub address: SocketAddr,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one peer address.
    pub connections_per_address: usize,
}

/// `[tls]`.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    pub mode: TlsMode,
    pub handshake_time: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsMode {
    Files {
        certificate: PathBuf,
        private_key: PathBuf,
        client_ca: Option<PathBuf>,
    },
    SelfSigned,
    Off,
}
