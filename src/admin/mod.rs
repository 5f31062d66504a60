//! The operator's listener, on a thread and runtime of its own. In: requests for `/livez`, `/readyz`, `/metrics`.
//! Out: answers, even when the data path is full. Never: a postback.

use std::net::SocketAddr;

use secrecy::SecretString;

/// The `[admin]` section.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where to listen.
    pub address: SocketAddr,
    /// What `/metrics` asks for as `Authorization: Bearer …`.
    pub token: Option<SecretString>,
}
