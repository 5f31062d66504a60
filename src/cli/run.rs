//! `postgate run`: the gateway, until a signal.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::hardening;
use crate::app;
use crate::config;
use crate::telemetry;

/// Runs until SIGTERM or SIGINT, then shuts down in order; a second signal ends the process at
/// once. Nothing that was acknowledged depends on an orderly end. SIGHUP takes the configuration
/// over again.
pub(super) fn run(config: &Path) -> anyhow::Result<ExitCode> {
    // Before a secret is read.
    let exposed = hardening::keep_memory_private();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("data")
        .build()
        .context("cannot start the runtime")?;
    // From here on: while the configuration is read, SIGHUP would end the process.
    let reload = {
        let _here = runtime.enter();
        signal(SignalKind::hangup()).context("cannot listen for signals")?
    };
    let settings = config::load(config)?;
    let _log = telemetry::start_log(&settings.log).context("cannot start the log")?;
    for what in exposed {
        tracing::warn!("{what}");
    }
    for warning in &settings.warnings {
        tracing::warn!(%warning, "configuration");
    }
    let code = runtime.block_on(serve(settings, config, reload));
    // Whatever still runs was given its time, or a second signal said not to wait for it.
    runtime.shutdown_background();
    code
}

async fn serve(
    settings: config::Settings,
    config: &Path,
    mut reload: Signal,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let mut gateway = app::start(settings).await?;
    gateway.watch(config.to_owned(), app::WATCH_EVERY);
    let failed = loop {
        tokio::select! {
            Some(()) = reload.recv() => gateway.reload(),
            name = signals.next() => {
                tracing::info!(signal = name, "stopping; a second signal ends it at once");
                break false;
            }
            () = gateway.failed() => break true,
        }
    };
    tokio::select! {
        () = gateway.stop() => {}
        name = signals.next() => {
            tracing::warn!(signal = name, "ended at once; what was under way is delivered after the next start");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Those that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
