//! The log on stderr: text for people, JSON for collectors.

use std::io::{self, IsTerminal as _};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

use super::lines::Lines;

/// How long the end of the process waits for what reads stderr.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The library of HTTP/2 warns of every connection that it ends for a flood, as often as strangers like:
/// connections that end so are told and counted by us. Whoever names it hears it.
const UNASKED: &str = "h2=off";

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
    /// The filter that `level` stands for. `debug` and `trace` alone are everything.
    ///
    /// # Errors
    /// When `level` is neither a level (`error`, `warn`, `info`, `debug`, `trace`) nor a list of
    /// `target=level`.
    pub fn filter(&self) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
        let filter = EnvFilter::builder();
        match &*self.level {
            all @ ("debug" | "trace") => filter.parse(all),
            level => filter.parse(format!("{UNASKED},{level}")),
        }
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
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
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
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn strangers_cannot_make_the_library_of_http2_talk() {
        let is_heard = |level: &str| {
            let settings = LogSettings { format: LogFormat::Text, level: level.to_owned() };
            let subscriber = tracing_subscriber::registry().with(settings.filter().unwrap());
            tracing::subscriber::with_default(subscriber, || {
                let library = tracing::enabled!(target: "h2::proto", tracing::Level::WARN);
                (library, tracing::enabled!(target: "postgate", tracing::Level::WARN))
            })
        };
        for (level, expected) in [
            ("off", (false, false)),
            ("error", (false, false)),
            ("warn", (false, true)),
            ("info", (false, true)),
            ("info,hyper=debug", (false, true)),
            ("info,h2=warn", (true, true)),
            ("debug", (true, true)),
            ("trace", (true, true)),
        ] {
            assert_eq!(is_heard(level), expected, "{level}");
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
