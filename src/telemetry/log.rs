//! The log on stderr: text for people, JSON for collectors.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

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

/// Starts logging to stderr. A second call in one process changes nothing: tests start several
/// gateways.
///
/// # Errors
/// When the level cannot be read; see [`LogSettings::filter`].
pub fn start_log(settings: &LogSettings) -> Result<(), tracing_subscriber::filter::ParseError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(settings.filter()?)
        .with_writer(std::io::stderr)
        .with_target(false);
    let started = match settings.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was started before; it keeps its first settings");
    }
    Ok(())
}
