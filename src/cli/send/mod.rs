//! `postgate send`: a test sender. Realistic postbacks of any kind in any format, or the user's own
//! template filled as impact.com fills it, at a steady rate or as fast as answers come.

mod arguments;
mod drive;
mod pace;
mod plan;
mod report;
mod tally;

use std::convert::Infallible;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::ProgressBar;
use tokio::time::Instant;

pub(super) use self::arguments::Arguments;
use self::arguments::Several;
use self::drive::{Load, Stop, Task};
use self::pace::Pace;
use self::plan::{Content, Plan};
use self::report::Sum;
use self::tally::Tally;
use super::convert;
use super::sample::Taste;
use super::sender::{Answer, Fault, FaultKind, Sender, Trust};
use crate::event::{Format, Kind, Template};

/// Exits 0 only if every event was acknowledged.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(what) = arguments.contradiction() {
        return super::wrong_usage(&["send"], what);
    }
    let plan = plan(arguments)?;
    if arguments.dry_run {
        return show(&plan, arguments.count);
    }
    let sender = sender(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sum = runtime.block_on(send(arguments, plan, sender));
    runtime.shutdown_background();
    let mut out = anstream::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", sum.json())?;
    } else {
        sum.write(&mut out)?;
    }
    Ok(if sum.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(arguments: &Arguments) -> anyhow::Result<Plan> {
    let formats = arguments.format.as_ref().map(|Several(formats)| formats.as_slice());
    let content = if let Some(path) = &arguments.template {
        let text = String::from_utf8(convert::read(Some(path))?)
            .with_context(|| format!("{} is not text in UTF-8", path.display()))?;
        let kind = arguments.kind.0.first().copied().unwrap_or(Kind::Action);
        let format = formats.and_then(|formats| formats.first().copied());
        let template = Template::parse(&text, kind, format)
            .with_context(|| format!("{} is no template", path.display()))?;
        Content::Template(kind, Box::new(template))
    } else {
        let formats = formats.unwrap_or(&[Format::Json]);
        let each = |kind| formats.iter().map(move |&format| (kind, format));
        Content::Samples(arguments.kind.0.iter().copied().flat_map(each).collect())
    };
    Ok(Plan {
        url: arguments.url.clone(),
        method: arguments.method.clone(),
        // Short enough to be typed again.
        seed: arguments.seed.unwrap_or_else(|| fastrand::u32(..).into()),
        taste: if arguments.nasty { Taste::Nasty } else { Taste::Usual },
        content,
    })
}

fn show(plan: &Plan, count: u32) -> anyhow::Result<ExitCode> {
    let mut out = anstream::stdout().lock();
    for event in 0..count {
        writeln!(out, "{}", report::dry(event, &plan.event(event)?))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn sender(arguments: &Arguments) -> anyhow::Result<Sender> {
    let trust = match &arguments.ca {
        Some(path) => Trust::File(path.clone()),
        None if arguments.insecure => Trust::Anybody,
        None => Trust::Public,
    };
    Sender::new(&trust, arguments.header.iter().cloned().collect(), arguments.timeout)
}

async fn send(arguments: &Arguments, plan: Plan, sender: Sender) -> Sum {
    let seed = plan.seed;
    let bar = report::progress(arguments.count);
    let run = Arc::new(Run { plan, sender, tally: Mutex::new(Tally::new()), bar });
    let load = Load {
        count: arguments.count,
        concurrency: arguments.concurrency,
        pace: Pace::new(Instant::now(), arguments.rate),
    };
    let stop = Stop::default();
    let started = tokio::select! {
        started = drive::drive(load, Arc::clone(&run), &stop) => started,
        never = interrupts(&stop) => match never {},
    };
    let elapsed = load.pace.start().elapsed();
    run.bar.finish_and_clear();
    let tally = std::mem::replace(&mut *run.lock(), Tally::new());
    Sum { seed, wanted: arguments.count, started, elapsed, tally }
}

/// The first Ctrl-C waits for what is under way, the second does not.
async fn interrupts(stop: &Stop) -> Infallible {
    for token in [&stop.soon, &stop.now] {
        if tokio::signal::ctrl_c().await.is_ok() {
            token.cancel();
        }
    }
    std::future::pending().await
}

/// A run under way.
struct Run {
    plan: Plan,
    sender: Sender,
    tally: Mutex<Tally>,
    bar: ProgressBar,
}

impl Run {
    fn lock(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task for Run {
    type Outcome = Result<Answer, Fault>;

    async fn send(&self, event: u32) -> Self::Outcome {
        match self.plan.event(event) {
            Ok(prepared) => self.sender.send(prepared.request).await,
            Err(error) => Err(Fault { kind: FaultKind::Unsendable, cause: error.to_string() }),
        }
    }

    fn done(&self, event: u32, outcome: Self::Outcome, took: Duration) {
        self.lock().count(event, outcome, took);
        self.bar.inc(1);
    }
}
