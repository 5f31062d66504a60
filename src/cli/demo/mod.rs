//! `postgate demo`: the whole gateway on loopback, with real TLS, a real spool and a small built-in
//! upstream. One postback of every kind goes in in every format; each must arrive, and the four
//! formats of a kind must arrive as the same bytes.

mod report;
mod upstream;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use http::HeaderMap;
use tokio_util::task::TaskTracker;

use self::report::Row;
use self::upstream::Upstream;
use super::sample::Sample;
use super::sender::{Sender, Trust, request};
use crate::app::{self, Gateway};
use crate::clock;
use crate::config;
use crate::event::{Format, Kind};

/// How long one delivery may take before the demo calls it lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// The kinds that the demo sends, in the order of its table.
const KINDS: [Kind; 7] = Kind::ALL;
const FORMATS: [Format; 4] = [Format::Json, Format::Xml, Format::Form, Format::Query];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Leave gateway and upstream running afterwards, to send to by hand; ends with Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// Exits 0 only if every postback arrived and the four formats of each kind gave identical bytes.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder for the demo")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(demonstrate(folder.path(), arguments));
    runtime.shutdown_background();
    code
}

async fn demonstrate(folder: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let tasks = TaskTracker::new();
    let upstream = Upstream::start(&tasks).await.context("cannot start the demo's upstream")?;
    let gateway = start_gateway(folder, upstream.address()).await?;
    report::opening(gateway.address(), upstream.address(), folder)?;

    let sender = sender(&gateway)?;
    let url = format!("https://{}/postback", gateway.address());
    let mut rows = Vec::new();
    for kind in KINDS {
        let sample = Sample::of(kind);
        for format in FORMATS {
            rows.push(deliver(&sender, &url, &upstream, (&sample, format)).await?);
        }
    }
    report::table(&rows)?;
    let good = verdict(&rows)?;
    if arguments.keep {
        report::kept(gateway.address())?;
        tokio::signal::ctrl_c().await.context("cannot listen for Ctrl-C")?;
    }
    drop(sender);
    gateway.stop().await;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A sender that trusts the gateway's own certificate and nothing else.
fn sender(gateway: &Gateway) -> anyhow::Result<Sender> {
    let certificate = gateway.certificate().context("the demo's gateway has no certificate")?;
    Sender::new(&Trust::Certificate(certificate), HeaderMap::new(), PATIENCE)
}

/// A gateway with one route for each kind, configured as a user would do it, by text.
async fn start_gateway(folder: &Path, upstream: SocketAddr) -> anyhow::Result<Gateway> {
    let file = folder.join("config.toml");
    let settings = config::parse(&configuration(upstream), &file, [], clock::now())?;
    Ok(app::start(settings).await?)
}

fn configuration(upstream: SocketAddr) -> String {
    let mut text = format!(
        r#"[listen]
address = "127.0.0.1:0"
[tls]
mode = "self-signed"
[allowlist]
ranges = ["127.0.0.1/32"]
[upstream]
url = "http://{upstream}/postbacks"
[spool]
path = "spool.db"
[dedup]
window = "0s" # the same event goes in four times on purpose
[admin]
address = "127.0.0.1:0"
"#
    );
    for kind in KINDS.map(Kind::as_str) {
        text.push_str(&route(kind));
    }
    text
}

fn route(kind: &str) -> String {
    format!("\n[[routes]]\nname = \"{kind}\"\npath = \"/postback/{kind}\"\nkind = \"{kind}\"\n")
}

/// Sends one sample in one format and waits until it has come out at the other end.
async fn deliver(
    sender: &Sender,
    url: &str,
    upstream: &Upstream,
    (sample, format): (&Sample, Format),
) -> anyhow::Result<Row> {
    let encoded = sample.encode(format);
    let sent_bytes = encoded.size();
    let url = format!("{url}/{}", sample.kind()).parse()?;
    let request = request(&url, None, encoded)?;
    let sent = clock::instant();
    let answer = sender.send(request).await?;
    let answered = sent.elapsed();
    let delivery = match answer.text("id") {
        Some(id) => tokio::time::timeout(PATIENCE, upstream.delivery(&id)).await.ok(),
        None => None,
    };
    Ok(Row {
        kind: sample.kind(),
        format,
        sent_bytes,
        status: answer.status,
        answered,
        delivered: delivery.as_ref().map(|delivery| delivery.at.saturating_duration_since(sent)),
        canonical: delivery.map(|delivery| delivery.body),
    })
}

/// Prints one canonical body and the sum, and says whether all is well.
fn verdict(rows: &[Row]) -> anyhow::Result<bool> {
    if let Some(body) = rows.iter().find_map(|row| row.canonical.as_ref()) {
        report::canonical(body)?;
    }
    let arrived = rows.iter().filter(|row| row.arrived()).count();
    let identical = KINDS.iter().filter(|&&kind| is_one_body(rows, kind)).count();
    report::closing(arrived, rows.len(), identical, KINDS.len())?;
    Ok(arrived == rows.len() && identical == KINDS.len())
}

/// Whether every format of the kind came out, as the same bytes.
fn is_one_body(rows: &[Row], kind: Kind) -> bool {
    let of_kind = rows.iter().filter(|row| row.kind == kind);
    let bodies: HashSet<_> = of_kind.map(|row| row.canonical.as_ref()).collect();
    bodies.len() == 1 && !bodies.contains(&None)
}
