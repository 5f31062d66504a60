//! The configuration, taken over while the gateway runs: whole, or not at all. Certificates,
//! keys and authorities that cannot be used are the exception: the last good ones stay, and everything
//! else is taken.
//!
//! Files are looked at when the kernel tells of a change, and every few seconds all the same: a look at
//! a dozen files costs nothing, and finds what nobody is told of, as on network file systems.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::changes;
use super::delivery::{self, Deliveries};
use super::notice::Noticing;
use super::{StartError, fixed};
use crate::clock::{self, Timestamp};
use crate::config::{self, Certificate, InForce, Marks, Problem, Problems, Settings};
use crate::ingress::{Front, FrontSettings};
use crate::net::Tls;
use crate::telemetry::{ReloadMetrics, Telemetry, causes};

const DAY_MILLIS: i64 = 24 * 3600 * 1000;
/// A look is a matter of milliseconds. A file system that does not answer may hold it up for ever, and
/// with it whatever would have to be taken over, such as an address that is taken off the list.
const LOOK_TIME: Duration = Duration::from_secs(30);

/// The parts that a new configuration reaches, and the one in force.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) started: Settings,
    pub(super) current: Settings,
    /// The one that is shown, where it is from files.
    pub(super) certificate: Option<Certificate>,
    pub(super) marks: Marks,
    pub(super) tls: Tls,
    pub(super) front: Arc<Front>,
    pub(super) deliveries: Deliveries,
    pub(super) telemetry: Arc<Telemetry>,
}

/// What a look at the files has found.
struct Look {
    marks: Marks,
    /// The files; `None`: none has.
    changed: Option<String>,
    found: Result<Settings, Problems>,
}

/// What the last reload came to: what is wrong with files for which the last good ones were kept; or
/// with all of it, so that nothing was taken.
type Outcome = Result<Vec<String>, Vec<String>>;

/// Takes over what stands at `path` whenever a watched file changes, and when `asked`; until
/// `stop`. While some of it cannot be used it is tried again at every look: what is missing may lie in
/// a file that is not watched yet, or be a matter of time.
pub(super) async fn watch(
    mut live: Live,
    path: PathBuf,
    every: Duration,
    asked: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut days = live.note_certificate(None);
    let mut last: Outcome = Ok(Vec::new());
    let mut notices = Noticing::of(live.marks.clone());
    loop {
        let is_asked = tokio::select! {
            () = stop.cancelled() => return,
            () = asked.notified() => true,
            () = occasion(&mut notices, every) => false,
        };
        days = live.note_certificate(days);
        let must = is_asked || last != Ok(Vec::new());
        let look = tokio::select! {
            () = stop.cancelled() => return,
            look = live.look(&path, must) => look,
        };
        let Some(Look { marks, changed, found }) = look else { continue };
        live.marks = marks;
        let found = found.map_err(|problems| listed(&problems));
        // Tried again, and nothing is better.
        if let (false, None, Ok(settings), Ok(problems)) = (is_asked, &changed, &found, &last)
            && listed(&settings.kept) == *problems
        {
            continue;
        }
        let cause = if is_asked { "SIGHUP" } else { changed.as_deref().unwrap_or("tried again") };
        let outcome = found.and_then(|settings| live.take(settings));
        match &outcome {
            Ok(problems) => {
                live.telemetry.reload.done(cause, problems);
                notices.renew(live.marks.clone());
            }
            Err(problems) if is_asked || outcome != last => {
                live.telemetry.reload.refused(cause, problems);
            }
            Err(_) => {}
        }
        last = outcome;
    }
}

/// Waits for a look; where it takes too long, that is told until it ends.
async fn patiently<T>(look: impl Future<Output = T>, log: &ReloadMetrics) -> T {
    let mut look = std::pin::pin!(look);
    tokio::select! {
        done = &mut look => done,
        () = tokio::time::sleep(LOOK_TIME) => {
            let _stuck = log.stuck(LOOK_TIME);
            look.await
        }
    }
}

/// Resolves when it is time to look at the files.
async fn occasion(notices: &mut Noticing, every: Duration) {
    tokio::select! {
        () = notices.changed() => (),
        () = tokio::time::sleep(every) => (),
    }
}

/// What touches the disk is done beside the runtime's own work.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

/// Whole days until the moment, rounded down.
pub(super) fn days_until(moment: Timestamp, now: Timestamp) -> i64 {
    let millis = |moment: Timestamp| i64::try_from(moment.as_millis()).unwrap_or(i64::MAX);
    millis(moment).saturating_sub(millis(now)).div_euclid(DAY_MILLIS)
}

impl Live {
    /// Reads the configuration again if a file has changed or if it `must` be.
    async fn look(&mut self, path: &Path, must: bool) -> Option<Look> {
        let before = std::mem::take(&mut self.marks);
        let path = path.to_owned();
        let in_force = InForce {
            certificate: self.certificate.clone(),
            files: self.current.tls_files.clone(),
        };
        let look = move || {
            let marks = before.again();
            let changed = marks.differing(&before).map(|file| file.display().to_string());
            let changed = changed.collect::<Vec<_>>().join(", ");
            let changed = (!changed.is_empty()).then_some(changed);
            if changed.is_none() && !must {
                return Err(marks);
            }
            Ok(Look { marks, changed, found: config::reload(&path, in_force) })
        };
        match patiently(beside(look), &self.telemetry.reload).await {
            Ok(look) => Some(look),
            Err(marks) => {
                self.marks = marks;
                None
            }
        }
    }

    /// Puts `settings` in force. Everything that can fail is done before anything is changed. Answers
    /// with what is wrong with files for which the last good ones were kept.
    fn take(&mut self, settings: Settings) -> Result<Vec<String>, Vec<String>> {
        let fixed = fixed::differing(&self.started, &settings);
        let guarded = fixed::guarded(&fixed);
        if !guarded.is_empty() {
            return Err(guarded);
        }
        let identity = self.tls.prepare(&settings.tls).map_err(StartError::from);
        let identity = identity.map_err(|error| vec![causes(&error)])?;
        let upstreams = delivery::upstreams(&settings, self.deliveries.upstreams());
        let upstreams = upstreams.map_err(|error| vec![causes(&error)])?;

        let shown = self.tls.certificate();
        let clients = self.tls.clients();
        if let Some(identity) = identity {
            self.tls.replace(identity);
            self.certificate.clone_from(&settings.certificate);
        }
        self.deliveries.take(&settings, upstreams);
        let forwards = self.deliveries.forwards(&settings);
        self.front.replace(&front(&settings), self.tls.client_rule(), forwards);
        self.marks = settings.watched.clone();

        let log = &self.telemetry.reload;
        if self.tls.certificate() != shown {
            log.certificate_replaced();
        }
        if self.tls.clients() != clients {
            changes::tell_clients(log, self.tls.clients());
        }
        changes::tell(log, &self.current, &settings);
        if !fixed.is_empty() {
            log.restart_needed(&fixed);
        }
        let problems = listed(&settings.kept);
        self.current = settings;
        Ok(problems)
    }

    /// Sets the metric, and answers with the days that are left.
    fn note_certificate(&self, last: Option<i64>) -> Option<i64> {
        let certificate = self.certificate.as_ref()?;
        let days = days_until(certificate.not_after, clock::now());
        self.telemetry.reload.certificate_days(days, last);
        Some(days)
    }
}

/// What the front door is made of.
pub(super) fn front(settings: &Settings) -> FrontSettings {
    FrontSettings {
        allowlist: settings.allowlist.clone(),
        server_names: settings.server_names.clone(),
        limits: settings.limits,
        routes: settings.routes.iter().map(|route| route.ingress.clone()).collect(),
    }
}

fn listed<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> Vec<String> {
    problems.into_iter().map(|problem| format!("{problem}; {}", problem.mend)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn files_are_looked_at_where_nobody_tells_of_a_change() {
        let mut notices = Noticing::of(Marks::default());
        notices.changed().await;
        let (every, began) = (Duration::from_secs(5), tokio::time::Instant::now());
        occasion(&mut notices, every).await;
        assert_eq!(began.elapsed(), every);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_takes_too_long_is_told_until_it_ends() {
        let telemetry = Telemetry::new();
        let failed = |value: u8| {
            let text = telemetry.encode();
            text.contains(&format!("postgate_reload_failed {value}\n"))
        };
        let look = async {
            tokio::time::sleep(LOOK_TIME.mul_f32(0.9)).await;
            assert!(failed(0));
            tokio::time::sleep(LOOK_TIME.mul_f32(0.2)).await;
            assert!(failed(1));
        };
        patiently(look, &telemetry.reload).await;
        assert!(failed(0), "nothing else is wrong");
        telemetry.reload.refused("", ["something"]);
        patiently(tokio::time::sleep(LOOK_TIME * 2), &telemetry.reload).await;
        assert!(failed(1));
    }

    #[test]
    fn days_are_whole_and_negative_after_the_end() {
        let day = u64::try_from(DAY_MILLIS).unwrap();
        let end = Timestamp::from_millis(100 * day);
        for (now, days) in [
            (0, 100),
            (99 * day, 1),
            (99 * day + 1, 0),
            (100 * day, 0),
            (100 * day + 1, -1),
            (101 * day, -1),
            (101 * day + 1, -2),
        ] {
            assert_eq!(days_until(end, Timestamp::from_millis(now)), days, "{now}");
        }
    }
}
