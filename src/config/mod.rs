//! The configuration. In: the embedded defaults, `config.toml`, environment variables. Out: the
//! settings that each stage owns, or every mistake at once. Never: a value guessed, a key ignored,
//! or a secret shown.

mod allowlist;
mod breadth;
mod certificate;
mod chain;
mod descriptors;
mod document;
mod environment;
mod exchange;
mod extract;
mod file;
mod headers;
mod kept;
mod key;
mod limits;
mod marks;
mod part;
mod problem;
mod quantity;
mod raw;
mod report;
mod routes;
mod secret;
mod server;
mod store;
mod target;
mod template;
mod tls;
mod upstream;
mod word;

pub use allowlist::{ListedRange, RangeError, RangePlace, parse_range};
pub use certificate::Certificate;
pub use descriptors::listen;
pub use kept::{InForce, TlsFiles};
pub use marks::Marks;
pub use part::{Admission, SpoolAccess, admin_address, admission, spool_access};
pub use problem::{Problem, Problems};

use std::path::Path;
use std::time::Duration;

use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};

use crate::clock::{self, Timestamp};
use crate::{admin, deliver, ingress, net, spool, telemetry};
use document::Document;
use key::Key;
use report::Report;
use upstream::Draft;

/// The repository's `config.toml`: the documentation of every key is also its default.
pub const DEFAULTS: &str = include_str!("../../config.toml");

/// A file beyond this is not a configuration.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Everything the gateway is told, in the form each stage asks for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[listen]` and the connection limits.
    pub listen: net::ListenSettings,
    /// `listen.server_name`.
    pub server_names: Vec<String>,
    /// `[tls]`.
    pub tls: net::TlsSettings,
    /// `[allowlist]`, with the ranges of its files.
    pub allowlist: ingress::AllowlistSettings,
    /// The ranges again, each with the place that names it; for people.
    pub listed: Vec<ListedRange>,
    /// The part of `[limits]` that concerns requests.
    pub limits: ingress::RequestLimits,
    /// `limits.shutdown_time`: for the requests under way, and again for the deliveries.
    pub shutdown_time: Duration,
    /// `[spool]` and `[dedup]`.
    pub spool: spool::SpoolSettings,
    /// `[log]`.
    pub log: telemetry::LogSettings,
    /// `[admin]`.
    pub admin: admin::AdminSettings,
    /// `[[routes]]`, in the order of the file; at least one.
    pub routes: Vec<Route>,
    /// The certificate of `tls.mode = "files"`.
    pub certificate: Option<Certificate>,
    /// What was read of the files of upstreams and client authorities: where they cannot be used next
    /// time, it stays.
    pub tls_files: TlsFiles,
    /// What is wrong with files of certificates, keys and authorities, where what was in force was kept
    /// in their place.
    pub kept: Vec<Problem>,
    /// What works and the operator should know, in the order of the file.
    pub warnings: Vec<Problem>,
    /// The configuration and the files it names: when one changes, it is time to load again.
    pub watched: Marks,
}

/// One `[[routes]]`, for both sides of the spool.
#[derive(Clone, Debug)]
pub struct Route {
    /// What the front door needs.
    pub ingress: ingress::RouteSettings,
    /// What delivery needs.
    pub deliver: deliver::RouteSettings,
    /// The ranges of its own list, each with the place that names it; for people.
    pub listed: Vec<ListedRange>,
}

/// Reads the configuration at `path`, with the environment of this process over it.
///
/// # Errors
/// Every mistake that can be found, in one list.
pub fn load(path: &Path) -> Result<Settings, Problems> {
    let mut report = open(path, environment_variables(), clock::now())?;
    report.descriptors = Some(net::descriptors());
    finish(report)
}

/// Reads the configuration at `path` with `variables` as its environment. `now` decides whether
/// certificates have expired.
///
/// # Errors
/// Every mistake that can be found, in one list.
pub fn load_from(
    path: &Path,
    variables: impl IntoIterator<Item = (String, String)>,
    now: Timestamp,
) -> Result<Settings, Problems> {
    finish(open(path, variables, now)?)
}

/// Reads the configuration at `path` while this process has the spool open. Like [`load`], but leaves
/// the spool's file alone: SQLite's locks on it are the process's, and end when the process closes
/// *any* handle of that file. Where files of certificates, keys and authorities cannot be used,
/// `in_force` takes their place, and [`Settings::kept`] says why.
///
/// # Errors
/// Every other mistake that can be found, in one list.
pub fn reload(path: &Path, in_force: InForce) -> Result<Settings, Problems> {
    let mut report = open(path, environment_variables(), clock::now())?;
    report.descriptors = Some(net::descriptors());
    report.spool_is_left_alone = true;
    report.in_force = in_force;
    finish(report)
}

/// Reads `text` as if it stood in the file `path`: relative paths in it count from there.
///
/// # Errors
/// Every mistake that can be found, in one list.
pub fn parse(
    text: &str,
    path: &Path,
    variables: impl IntoIterator<Item = (String, String)>,
    now: Timestamp,
) -> Result<Settings, Problems> {
    finish(Report::new(path, Document::parse(text), variables.into_iter().collect(), now))
}

/// Looks at the file, and reads it then.
fn open(
    path: &Path,
    variables: impl IntoIterator<Item = (String, String)>,
    now: Timestamp,
) -> Result<Report, Problems> {
    let mut watched = Marks::default();
    watched.add(path);
    let document = Document::parse(&read(path)?);
    let mut report = Report::new(path, document, variables.into_iter().collect(), now);
    report.watched = watched;
    Ok(report)
}

fn finish(mut report: Report) -> Result<Settings, Problems> {
    let settings = raw(&mut report).and_then(|raw| settings(raw, &mut report));
    if let Some(settings) = &settings {
        descriptors::scarce(settings, &mut report);
    }
    report.faults();
    problem::sort(&mut report.warnings);
    match settings {
        Some(mut settings) if report.problems.is_empty() => {
            settings.warnings = report.warnings;
            settings.watched = report.watched;
            settings.listed = report.listed;
            settings.tls_files = report.tls_files;
            settings.kept = report.kept;
            Ok(settings)
        }
        _ => Err(Problems::new(report.problems)),
    }
}

/// What is typed: the layers, one over the other.
fn raw(report: &mut Report) -> Option<raw::Raw> {
    let defaults = defaults();
    let written = report.values().clone();
    let layers = Figment::from(Layer(defaults.clone())).merge(Layer(written));
    let mut values = layers.extract::<Dict>().ok()?;
    environment::apply(&mut values, &defaults, report);
    extract::extract(values, &defaults, report)
}

/// What is meant. Every section is read before one may fail, so that every mistake is on the list.
fn settings(raw: raw::Raw, report: &mut Report) -> Option<Settings> {
    let limits = limits::limits(&raw.limits, report);
    let listen = server::listen(&raw.listen, &raw.limits, report);
    let address = listen.as_ref().map(|listen| listen.address);
    let server_names = server::names(&raw.listen.server_name, report);
    let (tls, certificate) = tls::tls(&raw.tls, address, &limits, report);
    let allowlist = allowlist::allowlist(&raw.allowlist, report);
    server::proxy_protocol(&raw.listen, &raw.allowlist, report);
    server::crowd(&raw.listen, &raw.allowlist, &raw.limits, report);
    let body_bytes = limits.requests.map(|limits| limits.body_bytes);
    let spool = store::spool(&raw.spool, &raw.dedup, body_bytes, report);
    let admin = server::admin(&raw.admin, address, report);
    let log = server::log(&raw.log, report);
    let (upstream_key, retry_key) = (Key::top("upstream"), Key::top("retry"));
    let base =
        Draft::default().with((&upstream_key, &raw.upstream), (&retry_key, &raw.retry), report);
    let routes = routes::routes(raw.routes, &base, limits.events, report);
    limits::outlasted(limits.shutdown_time, &routes, report);
    Some(Settings {
        listen: listen?,
        server_names,
        tls: tls?,
        allowlist,
        listed: Vec::new(),
        limits: limits.requests?,
        shutdown_time: limits.shutdown_time?,
        spool: spool?,
        log: log?,
        admin: admin?,
        routes,
        certificate,
        tls_files: TlsFiles::default(),
        kept: Vec::new(),
        warnings: Vec::new(),
        watched: Marks::default(),
    })
}

/// The embedded file without its routes: those are an example, and come from the user alone.
fn defaults() -> Dict {
    let mut values = Document::parse(DEFAULTS).values;
    values.remove("routes");
    values
}

/// The environment of the process.
fn environment_variables() -> impl Iterator<Item = (String, String)> {
    // A value that is not UTF-8 is refused where a key or a secret uses it, by the mark it carries.
    std::env::vars_os().filter_map(|(name, value)| {
        let value = value.to_string_lossy().into_owned();
        Some((name.into_string().ok()?, value))
    })
}

fn read(path: &Path) -> Result<String, Problems> {
    file::text(path, MOST_BYTES).map_err(|error| {
        Problems::new(vec![Problem {
            file: path.display().to_string(),
            line: None,
            column: None,
            key: String::new(),
            what: error.to_string(),
            mend: "copy the commented config.toml of postgate there, or name another file with \
                   --config"
                .to_owned(),
        }])
    })
}

/// Values that figment merges; later ones win, key by key.
struct Layer(Dict);

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named("configuration")
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

#[cfg(test)]
mod tests;
