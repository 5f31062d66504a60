//! What the demo prints.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use comfy_table::{Attribute, Cell, CellAlignment, Color, Table, presets};
use http::StatusCode;

use crate::event::{Format, Kind};

/// One postback's way through the gateway.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) format: Format,
    pub(super) sent_bytes: usize,
    pub(super) status: StatusCode,
    /// From the first byte sent to the whole answer.
    pub(super) answered: Duration,
    /// From the first byte sent to the upstream having it; `None`: it never arrived.
    pub(super) delivered: Option<Duration>,
    pub(super) canonical: Option<Bytes>,
}

impl Row {
    /// Acknowledged, and delivered.
    pub(super) fn arrived(&self) -> bool {
        self.status.is_success() && self.canonical.is_some()
    }
}

pub(super) fn opening(gateway: SocketAddr, upstream: SocketAddr, folder: &Path) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "postgate listens on https://{gateway} with a certificate made for this run.")?;
    writeln!(out, "It spools to {} and delivers to http://{upstream}.\n", folder.display())
}

pub(super) fn table(rows: &[Row]) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "kind",
        "format",
        "sent",
        "answer",
        "answered in",
        "delivered in",
        "came out",
    ]);
    for index in [2, 4, 5, 6] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in rows {
        table.add_row([
            Cell::new(row.kind.as_str()).add_attribute(Attribute::Bold),
            Cell::new(row.format.as_str()),
            Cell::new(format!("{} B", row.sent_bytes)),
            Cell::new(row.status.as_u16()).fg(colour(row.status.is_success())),
            Cell::new(millis(row.answered)),
            match row.delivered {
                Some(time) => Cell::new(millis(time)),
                None => Cell::new("never").fg(Color::Red),
            },
            match &row.canonical {
                Some(body) => Cell::new(format!("{} B", body.len())),
                None => Cell::new("nothing").fg(Color::Red),
            },
        ]);
    }
    writeln!(anstream::stdout().lock(), "{table}")
}

/// Shows one body as the upstream got it.
pub(super) fn canonical(body: &[u8]) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "\nThe first one, as your system gets it:\n{}", String::from_utf8_lossy(body))
}

pub(super) fn closing(
    arrived: usize,
    sent: usize,
    identical: usize,
    kinds: usize,
) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "\n{arrived} of {sent} postbacks arrived.")?;
    writeln!(out, "{identical} of {kinds} kinds gave the same bytes in all four formats.")
}

pub(super) fn kept(gateway: SocketAddr) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "\nStill running. Send something by hand, and end it with Ctrl-C:")?;
    writeln!(out, "  curl -k 'https://{gateway}/postback/action?ActionId=1.2.3&Payout=0.10'")
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn colour(good: bool) -> Color {
    if good { Color::Green } else { Color::Red }
}
