//! Sockets and TLS. In: bytes off the wire. Out: a connection, and whose it is. Never: a decision
//! who may come in.

mod listener;
mod settings;
mod stream;
mod tls;

pub use listener::{Conn, ListenError, Listener};
pub use settings::{ListenSettings, TlsMode, TlsSettings};
pub use stream::{Protocol, Stream};
pub use tls::{HandshakeError, Tls, TlsError};
