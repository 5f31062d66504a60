//! The log on stderr: text for people, JSON for collectors.

use std::io::{self, IsTerminal as _};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::lines::Lines;

/// How long the end of the process waits for what reads stderr.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The library of HTTP/2 repeats targets and values of fields that it refuses, with secrets and customer
/// data in them, and warns of every connection that it ends, as often as strangers like: those are told
/// and counted by us. Nobody hears it.
const REPEATS_SENDERS: &str = "h2";
/// Lines that were lost, in this process: it has one log, however many gateways.
static LOST: LazyLock<Counter> = LazyLock::new(Counter::default);

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured on a terminal only.
    Text,
    /// One JSON object a line.
    Json,
}

/// The `[log]` section.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// How a line is written.
    pub format: LogFormat,
    /// The lowest level written; any `tracing` filter, checked by [`LogSettings::filter`].
    pub level: String,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// See [`LogSettings::filter`].
    #[error("the level cannot be read")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// The thread that writes it.
    #[error("cannot start its thread")]
    Thread(#[from] io::Error),
}

/// The log of the process. Dropped at the end, it waits a moment until everything is written.
#[derive(Debug)]
#[must_use]
pub struct Log(Arc<Lines>);

impl LogSettings {
    /// The filter that `level` stands for.
    ///
    /// # Errors
    /// When `level` is neither a level (`error`, `warn`, `info`, `debug`, `trace`) nor a list of
    /// `target=level`.
    pub fn filter(&self) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
        EnvFilter::builder().parse(&self.level)
    }
}

/// Starts logging to stderr. A second call in one process changes nothing, and what it
/// returns has nothing to wait for.
///
/// # Errors
/// See [`LogError`].
pub fn start_log(settings: &LogSettings) -> Result<Log, LogError> {
    let lines = Lines::new(LOST.clone());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(settings.filter()?)
        .with_writer(Arc::clone(&lines))
        .with_target(false);
    let started = match settings.format {
        LogFormat::Text => {
            builder.with_ansi(io::stderr().is_terminal()).finish().with(discreet()).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).finish().with(discreet()).try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was started before; it keeps its first settings");
        return Ok(Log(lines));
    }
    let writer = Arc::clone(&lines);
    let write = move || writer.write_to(io::stderr(), tell_lost);
    thread::Builder::new().name("log".to_owned()).spawn(write)?;
    Ok(Log(lines))
}

/// Whatever `level` asks for.
fn discreet() -> FilterFn {
    filter_fn(|line| line.target().split("::").next() != Some(REPEATS_SENDERS))
}

/// An error and its causes in one line.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line
}

/// Registers what the log counts.
pub(super) fn register(registry: &mut Registry) {
    registry.register("log_lines_lost", "Log lines that stderr was too slow for", LOST.clone());
}

fn tell_lost(lines: u64) {
    tracing::warn!(lines, "log lines lost: what reads stderr is too slow, or stood still");
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(LAST_WORDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_hears_the_library_of_http2() {
        for level in ["info", "debug", "trace", "info,h2=warn", "h2::server=trace"] {
            let settings = LogSettings { format: LogFormat::Text, level: level.to_owned() };
            let filter = settings.filter().unwrap();
            let subscriber = tracing_subscriber::registry().with(filter).with(discreet());
            tracing::subscriber::with_default(subscriber, || {
                assert!(!tracing::enabled!(target: "h2", tracing::Level::ERROR), "{level}");
                assert!(!tracing::enabled!(target: "h2::server", tracing::Level::TRACE), "{level}");
                let is_heard = tracing::enabled!(target: "hyper", tracing::Level::INFO);
                assert_eq!(is_heard, !level.starts_with("h2"), "{level}");
            });
        }
    }

    #[test]
    fn a_second_start_leaves_nothing_behind() {
        let settings = LogSettings { format: LogFormat::Text, level: "off".to_owned() };
        let first = start_log(&settings).unwrap();
        let second = start_log(&settings).unwrap();
        assert!(Arc::strong_count(&first.0) > 1, "its thread has the lines");
        assert_eq!(Arc::strong_count(&second.0), 1, "there is no second thread");
    }
}
