//! Sockets, the PROXY protocol, and TLS. In: bytes off the wire. Out: a connection, and whose it is.
//! Never: a decision who may come in.

mod arrival;
mod descriptors;
mod listener;
pub mod pem;
mod proxy_protocol;
mod settings;
mod stream;
mod tls;

pub use arrival::{Arrival, Conn, Origin, Place};
pub use descriptors::{descriptors, raise_descriptors};
pub use listener::{ListenError, Listener};
pub use proxy_protocol::{Announced, Header, HeaderError, Malformed, parse as parse_proxy_header};
pub use settings::{ClientSettings, ListenSettings, TlsMode, TlsSettings};
pub use stream::{Protocol, Stream};
pub use tls::{ClientRule, HandshakeError, Identity, Lapse, Pair, Shown, Tls, TlsError, validity};
