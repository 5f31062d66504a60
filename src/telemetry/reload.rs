//! What happens when the configuration changes under a running gateway, and how long the
//! certificate lasts.

use std::fmt::Display;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Ranges named in one log line; the counts tell the rest.
const MOST_NAMED: usize = 50;
/// Let's Encrypt renews 30 days before the end; at 14 the renewal has failed for two weeks.
pub const WARN_DAYS: u16 = 14;

/// Reloads, and the certificate.
#[derive(Debug)]
pub struct ReloadMetrics {
    failed: Gauge,
    reloads: Family<Outcome, Counter>,
    /// Absent where the certificate is not in a file.
    certificate_days: Family<Certificate, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Which certificate, by the key that names its file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Certificate {
    key: &'static str,
}

impl ReloadMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            failed: Gauge::default(),
            reloads: Family::default(),
            certificate_days: Family::default(),
        };
        let failed = metrics.failed.clone();
        registry.register(
            "reload_failed",
            "1: the configuration on disk, or a certificate that it names, is not in force, because it has problems or cannot be looked at",
            failed,
        );
        let reloads = metrics.reloads.clone();
        registry.register("reloads", "Configurations read while running", reloads);
        let days = metrics.certificate_days.clone();
        registry.register(
            "certificate_days",
            "Whole days until the certificate expires; negative afterwards",
            days,
        );
        metrics
    }

    /// The configuration on disk is in force, but for certificates, keys and authorities that have
    /// `problems`. `cause` is what made us read it: the files that changed, or a signal.
    pub fn done<P: Display>(&self, cause: &str, problems: &[P]) {
        let outcome = if problems.is_empty() { "done" } else { "failed" };
        self.failed.set(i64::from(!problems.is_empty()));
        self.reloads.get_or_create(&Outcome { outcome }).inc();
        tracing::info!(cause, "configuration reloaded");
        for problem in problems {
            tracing::error!(cause, %problem, "TLS file not reloaded; what was last good stays in force");
        }
    }

    /// The configuration on disk cannot be used; what was in force stays so.
    pub fn refused<P: Display>(&self, cause: &str, problems: impl IntoIterator<Item = P>) {
        self.failed.set(1);
        self.reloads.get_or_create(&Outcome { outcome: "failed" }).inc();
        for problem in problems {
            tracing::error!(cause, %problem, "configuration not reloaded; the last good one stays in force");
        }
    }

    /// The files are still being looked at, `after` that long. Lasts as long as what it answers with.
    pub fn stuck(&self, after: Duration) -> Stuck<'_> {
        let before = self.failed.set(1);
        tracing::error!(
            ?after,
            "the files of the configuration do not answer; nothing is reloaded until they do: is a file system away?"
        );
        Stuck { failed: &self.failed, before }
    }

    /// Others may send, or speak for others, than before.
    pub fn allowlist<R: Display>(&self, list: &str, added: &[R], removed: &[R]) {
        tracing::info!(
            list,
            added = added.len(),
            removed = removed.len(),
            added_ranges = named(added),
            removed_ranges = named(removed),
            "allowlist changed"
        );
    }

    /// Whoever may send at all may send to this route, from now on.
    pub fn widened(&self, list: &str) {
        tracing::warn!(
            list,
            "the route has no list of its own any more: whoever is on the list for all may send to it"
        );
    }

    /// Of those who may send at all, these alone may send to this route, from now on.
    pub fn narrowed(&self, list: &str, ranges: &[impl Display]) {
        tracing::info!(
            list,
            ranges = named(ranges),
            "the route has a list of its own from now on: of those on the list for all, these alone may send to it"
        );
    }

    /// The list for all is switched off.
    pub fn opened(&self) {
        tracing::warn!("allow_any was switched on: everybody may send, from any address");
    }

    /// It is switched on again.
    pub fn closed(&self) {
        tracing::info!("allow_any was switched off: the ranges decide again who may send");
    }

    /// Trusted proxies have to speak otherwise from now on.
    pub fn proxy_protocol(&self, now: &'static str) {
        tracing::info!(
            now,
            "listen.proxy_protocol was switched; open connections of trusted proxies are let in no longer"
        );
    }

    /// Routes came or went.
    pub fn routes(&self, added: &[impl Display], removed: &[impl Display]) {
        tracing::info!(added = named(added), removed = named(removed), "routes changed");
        if !removed.is_empty() {
            tracing::warn!(
                routes = named(removed),
                "routes removed: nothing more is received; what they have left is delivered until the next start"
            );
        }
    }

    /// A new certificate is shown from now on.
    pub fn certificate_replaced(&self) {
        tracing::info!("certificate replaced");
    }

    /// Other clients come in than before: those that show a certificate of one of so many authorities
    /// (0: nobody has to), and of one of these names, where there are any.
    pub fn clients(&self, authorities: usize, names: &[impl Display]) {
        let names = named(names);
        tracing::info!(authorities, names, "rule for client certificates changed");
    }

    /// Keys whose new value is not in force before the next start.
    pub fn restart_needed(&self, keys: &[&'static str]) {
        tracing::warn!(keys = keys.join(", "), "changed, and needs a restart");
    }

    /// How many whole days the certificate has left. Called again and again; `last` is what it was
    /// called with before, so that the log says it once a day.
    pub fn certificate_days(&self, days: i64, last: Option<i64>) {
        self.certificate_days.get_or_create(&Certificate { key: "tls.certificate" }).set(days);
        if last == Some(days) {
            return;
        }
        if days < 0 {
            tracing::error!(days, "the certificate has expired; senders may refuse it");
        } else if days < i64::from(WARN_DAYS) {
            tracing::warn!(days, "the certificate expires soon; renew it");
        }
    }
}

/// See [`ReloadMetrics::stuck`].
#[derive(Debug)]
#[must_use]
pub struct Stuck<'a> {
    failed: &'a Gauge,
    before: i64,
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        self.failed.set(self.before);
        tracing::info!("the files of the configuration answer again");
    }
}

fn named<R: Display>(all: &[R]) -> String {
    let mut names: Vec<String> = all.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    if all.len() > MOST_NAMED {
        names.push("...".to_owned());
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_gauge_tells_whether_the_disk_is_in_force() {
        let mut registry = Registry::with_prefix("postgate");
        let metrics = ReloadMetrics::new(&mut registry);
        let has = |line: &str| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text.lines().any(|found| found == line)
        };
        assert!(has("postgate_reload_failed 0"));
        metrics.refused("SIGHUP", ["one", "two"]);
        assert!(has("postgate_reload_failed 1"));
        assert!(has("postgate_reloads_total{outcome=\"failed\"} 1"));
        metrics.done("SIGHUP", &["the certificate has expired"]);
        assert!(has("postgate_reload_failed 1"));
        assert!(has("postgate_reloads_total{outcome=\"failed\"} 2"));
        metrics.done("SIGHUP", &[""; 0]);
        assert!(has("postgate_reload_failed 0"));
        assert!(has("postgate_reloads_total{outcome=\"done\"} 1"));
        metrics.certificate_days(-1, None);
        assert!(has("postgate_certificate_days{key=\"tls.certificate\"} -1"));
    }

    #[test]
    fn the_log_tells_once_a_day_that_a_certificate_is_about_to_expire() {
        let metrics = ReloadMetrics::new(&mut Registry::default());
        let soon = i64::from(WARN_DAYS);
        for (days, last, expected) in [
            (soon, None, ""),
            (soon - 1, Some(soon), "WARN"),
            (soon - 1, None, "WARN"),
            (soon - 1, Some(soon - 1), ""),
            (0, Some(1), "WARN"),
            (-1, Some(0), "ERROR"),
            (-1, Some(-1), ""),
        ] {
            let lines = Arc::new(tempfile::tempfile().unwrap());
            let log = tracing_subscriber::fmt().without_time().with_ansi(false);
            let log = log.with_writer(Arc::clone(&lines)).finish();
            tracing::subscriber::with_default(log, || metrics.certificate_days(days, last));
            let mut line = String::new();
            (&*lines).rewind().unwrap();
            (&*lines).read_to_string(&mut line).unwrap();
            assert_eq!(line.split_whitespace().next().unwrap_or_default(), expected, "{line}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let numbers: Vec<usize> = (0..=MOST_NAMED).collect();
        assert!(named(&numbers).ends_with("49, ..."));
        assert!(named(&numbers[1..]).ends_with(", 50"));
    }
}
