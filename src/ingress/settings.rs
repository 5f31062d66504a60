//! What the configuration says about the front door.

use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use ipnet::IpNet;
use secrecy::SecretString;

use crate::event::Rules;
use crate::spool::RouteName;

/// Everything the front door is made of.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    /// Who may come in.
    pub allowlist: AllowlistSettings,
    /// The hosts that are served; empty: whatever the sender calls us.
    pub server_names: Vec<String>,
    /// How much one request may take.
    pub limits: RequestLimits,
    /// What is received where.
    pub routes: Vec<RouteSettings>,
}

/// `[allowlist]`, after its files are read, and how trusted proxies speak.
#[derive(Clone, Debug, Default)]
pub struct AllowlistSettings {
    /// Who may come in.
    pub ranges: Vec<IpNet>,
    /// Peers whose headers say who the client is.
    pub trusted_proxies: Vec<IpNet>,
    /// Everybody may come in.
    pub allow_any: bool,
    /// `listen.proxy_protocol`: connections of trusted proxies begin with a PROXY header. It says what
    /// their headers are worth, so it is exchanged together with the lists.
    pub proxy_protocol: bool,
}

/// The part of `[limits]` that concerns requests.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// For the head of a request.
    pub header_time: Duration,
    /// Without a request under way on the connection.
    pub idle_time: Duration,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Header lines.
    pub headers: usize,
    /// Bytes of path and query.
    pub target_bytes: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// For the whole body.
    pub body_time: Duration,
    /// For a body of which nothing has come.
    pub body_grace: Duration,
    /// Bytes of a body that buy another second.
    pub body_rate: usize,
    /// Bytes of all bodies that are held at once; half of them for one address.
    pub bodies_bytes: usize,
    /// Requests on one connection.
    pub requests_per_connection: u64,
    /// Requests at once on one connection of HTTP/2.
    pub http2_streams: u32,
}

#[cfg(test)]
impl RequestLimits {
    /// Everything long and large; a test makes small what it is about.
    pub(super) const GENEROUS: Self = Self {
        header_time: Duration::from_mins(1),
        idle_time: Duration::from_mins(1),
        header_bytes: 32 << 10,
        headers: 100,
        target_bytes: 16 << 10,
        body_bytes: 1 << 20,
        body_time: Duration::from_mins(1),
        body_grace: Duration::from_mins(1),
        body_rate: 1,
        bodies_bytes: 1 << 30,
        requests_per_connection: 1000,
        http2_streams: 100,
    };
}

/// One `[[routes]]` entry.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// Its name in logs, metrics and the spool.
    pub name: RouteName,
    /// The exact path.
    pub path: String,
    /// The methods it takes.
    pub methods: Vec<Method>,
    /// Of those who may come in, only these may send here; `None`: all of them.
    pub allowlist: Option<Vec<IpNet>>,
    /// Whether success means "durable" or "delivered".
    pub delivery: Delivery,
    /// How its input is read.
    pub rules: Rules,
    /// What the sender is told about input that is not understood.
    pub on_malformed: OnMalformed,
    /// What the sender must know.
    pub secret: Option<RouteSecret>,
    /// What the sender is answered.
    pub reply: ReplySettings,
}

/// What a success reply promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The event is on disk.
    Queued,
    /// The upstream took the event.
    Direct,
}

/// What the sender is told about input that is not understood. It is kept in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMalformed {
    /// 422, with what is wrong and where.
    Quarantine,
    /// Success.
    Accept,
}

/// `[routes.secret]`.
#[derive(Clone, Debug)]
pub struct RouteSecret {
    /// Where the sender puts it.
    pub place: SecretPlace,
    /// What it must be.
    pub value: SecretString,
}

/// Where the sender puts the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// A header.
    Header(HeaderName),
    /// A query parameter.
    Query(String),
}

/// `[routes.reply]`.
#[derive(Clone, Debug)]
pub struct ReplySettings {
    /// A 2xx.
    pub success_status: StatusCode,
    /// `{id}` stands for the event's id.
    pub success_body: String,
    /// Empty: `application/problem+json`.
    pub error_body: String,
}
