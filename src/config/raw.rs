//! What is typed in the file, before it means anything: every key of `config.toml`, once.
//!
//! The sections get their defaults from the embedded `config.toml`; a route gets its own from the
//! `Default` below, because the file has no place for the defaults of a list's elements.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) listen: RawListen,
    pub(super) tls: RawTls,
    pub(super) allowlist: RawAllowlist,
    pub(super) upstream: RawUpstream,
    pub(super) retry: RawRetry,
    pub(super) spool: RawSpool,
    pub(super) dedup: RawDedup,
    pub(super) admin: RawAdmin,
    pub(super) limits: RawLimits,
    pub(super) log: RawLog,
    #[serde(default)]
    pub(super) routes: Vec<RawRoute>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListen {
    pub(super) address: String,
    pub(super) server_name: Vec<String>,
    pub(super) proxy_protocol: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) mode: String,
    pub(super) certificate: String,
    pub(super) private_key: String,
    pub(super) client_ca: String,
    pub(super) client_names: Vec<String>,
    pub(super) self_signed_anywhere: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAllowlist {
    pub(super) ranges: Vec<String>,
    pub(super) files: Vec<String>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) allow_any: bool,
}

/// `[upstream]`; a route's own table leaves out what it does not change.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpstream {
    pub(super) url: Option<String>,
    pub(super) method: Option<String>,
    pub(super) timeout: Option<String>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) ca: Option<String>,
    pub(super) client_certificate: Option<String>,
    pub(super) client_key: Option<String>,
    pub(super) max_in_flight: Option<u64>,
    pub(super) breaker_failures: Option<u64>,
    pub(super) breaker_pause: Option<String>,
    pub(super) signing_secret: Option<String>,
    pub(super) envelope: Option<String>,
}

/// `[retry]`; a route's own table leaves out what it does not change.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetry {
    pub(super) initial: Option<String>,
    pub(super) max: Option<String>,
    pub(super) factor: Option<f64>,
    pub(super) max_age: Option<String>,
    pub(super) max_attempts: Option<u64>,
    pub(super) direct_time: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSpool {
    pub(super) engine: String,
    pub(super) path: String,
    pub(super) max_bytes: RawSize,
    pub(super) quarantine_share: f64,
    pub(super) keep_received: bool,
    pub(super) keep_delivered: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDedup {
    pub(super) window: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmin {
    pub(super) address: String,
    pub(super) token: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) connections: u64,
    pub(super) connections_per_address: u64,
    pub(super) handshake_time: String,
    pub(super) handshakes: u64,
    pub(super) header_time: String,
    pub(super) idle_time: String,
    pub(super) header_bytes: RawSize,
    pub(super) headers: u64,
    pub(super) target_bytes: RawSize,
    pub(super) body_bytes: RawSize,
    pub(super) body_time: String,
    pub(super) body_grace: String,
    pub(super) body_rate: RawSize,
    pub(super) bodies_bytes: RawSize,
    pub(super) requests_per_connection: u64,
    pub(super) http2_streams: u64,
    pub(super) shutdown_time: String,
    pub(super) depth: u64,
    pub(super) fields: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) format: String,
    pub(super) level: String,
}

/// One `[[routes]]`. `name`, `path` and `kind` have no default: empty means missing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRoute {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) methods: Vec<String>,
    pub(super) allowlist: RawRouteAllowlist,
    pub(super) kind: String,
    pub(super) delivery: String,
    pub(super) format: String,
    pub(super) template_file: String,
    pub(super) fields: BTreeMap<String, String>,
    pub(super) key: String,
    pub(super) on_malformed: String,
    pub(super) secret: Option<RawSecret>,
    pub(super) reply: RawReply,
    pub(super) upstream: RawOverride,
}

impl Default for RawRoute {
    fn default() -> Self {
        Self {
            name: String::new(),
            path: String::new(),
            // impact.com lets the user pick either, and a picked one can be changed there any day.
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            allowlist: RawRouteAllowlist::default(),
            kind: String::new(),
            delivery: "queued".to_owned(),
            format: "auto".to_owned(),
            template_file: String::new(),
            fields: BTreeMap::new(),
            key: String::new(),
            on_malformed: "quarantine".to_owned(),
            secret: None,
            reply: RawReply::default(),
            upstream: RawOverride::default(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRouteAllowlist {
    pub(super) ranges: Vec<String>,
    pub(super) files: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSecret {
    pub(super) header: String,
    pub(super) query: String,
    pub(super) value: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReply {
    pub(super) success_status: u64,
    pub(super) success_body: String,
    pub(super) error_body: String,
}

impl Default for RawReply {
    fn default() -> Self {
        Self {
            success_status: 200,
            success_body: r#"{"status":"accepted","id":"{id}"}"#.to_owned(),
            error_body: String::new(),
        }
    }
}

/// `[routes.upstream]`: the keys of `[upstream]` and `[retry]` in one table. (serde cannot flatten
/// two structs and refuse unknown keys at once, so they are listed again.)
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOverride {
    url: Option<String>,
    method: Option<String>,
    timeout: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    ca: Option<String>,
    client_certificate: Option<String>,
    client_key: Option<String>,
    max_in_flight: Option<u64>,
    breaker_failures: Option<u64>,
    breaker_pause: Option<String>,
    signing_secret: Option<String>,
    envelope: Option<String>,
    initial: Option<String>,
    max: Option<String>,
    factor: Option<f64>,
    max_age: Option<String>,
    max_attempts: Option<u64>,
    direct_time: Option<String>,
}

impl RawOverride {
    /// What belongs to `[upstream]`, and what belongs to `[retry]`.
    pub(super) fn split(self) -> (RawUpstream, RawRetry) {
        let upstream = RawUpstream {
            url: self.url,
            method: self.method,
            timeout: self.timeout,
            headers: self.headers,
            ca: self.ca,
            client_certificate: self.client_certificate,
            client_key: self.client_key,
            max_in_flight: self.max_in_flight,
            breaker_failures: self.breaker_failures,
            breaker_pause: self.breaker_pause,
            signing_secret: self.signing_secret,
            envelope: self.envelope,
        };
        let retry = RawRetry {
            initial: self.initial,
            max: self.max,
            factor: self.factor,
            max_age: self.max_age,
            max_attempts: self.max_attempts,
            direct_time: self.direct_time,
        };
        (upstream, retry)
    }
}

/// A size as typed: `"1GiB"`, `"500 kB"`, or a plain number of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawSize(pub(super) String);

impl<'de> Deserialize<'de> for RawSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Size;
        impl Visitor<'_> for Size {
            type Value = RawSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"1MiB\"")
            }
            fn visit_str<E>(self, text: &str) -> Result<RawSize, E> {
                Ok(RawSize(text.to_owned()))
            }
            fn visit_u64<E>(self, bytes: u64) -> Result<RawSize, E> {
                Ok(RawSize(bytes.to_string()))
            }
            fn visit_i64<E>(self, bytes: i64) -> Result<RawSize, E> {
                Ok(RawSize(bytes.to_string()))
            }
        }
        deserializer.deserialize_any(Size)
    }
}
