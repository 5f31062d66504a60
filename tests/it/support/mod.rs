//! What the tests share: a gateway (the library, or the real binary), an upstream, a TLS client,
//! certificates.

pub(crate) mod certs;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod disk;
pub(crate) mod gateway;
pub(crate) mod payload;
pub(crate) mod process;
pub(crate) mod senders;
pub(crate) mod upstream;

use std::future::Future;
use std::time::Duration;

/// How long anything may take before a test gives up; long, because it only matters when something
/// is broken.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The value of `future`, or a failed test that says what was waited for.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let value = tokio::time::timeout(PATIENCE, future).await;
    value.unwrap_or_else(|elapsed| panic!("gave up waiting for {what}: {elapsed}"))
}

/// The number that an environment variable holds, where there is one.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}
