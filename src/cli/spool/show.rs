//! `postgate spool show`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;

use super::desk::Asked;
use super::field;
use super::list::cell;
use crate::spool::EventId;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The event's id, as in the list and in the answer to the sender.
    id: EventId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Prints all of one event.
pub(super) async fn run(desk: &Asked, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let answer = desk.get(&format!("/spool/events/{}", arguments.id)).await?;
    let mut out = anstream::stdout();
    if arguments.json {
        out.write_all(&answer.body)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let story: Value = serde_json::from_slice(&answer.body)?;
    for name in [
        "id", "state", "route", "accepted", "attempts", "replays", "repeats", "bytes", "due",
        "settled", "status", "reason",
    ] {
        if !field(&story, name).is_null() {
            writeln!(out, "{name:<9} {}", cell(field(&story, name)))?;
        }
    }
    for attempt in field(&story, "history").as_array().into_iter().flatten() {
        let [number, at, outcome] =
            ["attempt", "at", "outcome"].map(|name| cell(field(attempt, name)));
        writeln!(out, "attempt {number} at {at}: {outcome}")?;
        let answer = field(attempt, "answer");
        if !answer.is_null() {
            for line in readable(answer).lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    let received = field(&story, "received");
    if !received.is_null() {
        write_received(&mut out, received)?;
    }
    if !field(&story, "body").is_null() {
        writeln!(out, "\ncanonical\n\n{}", body_text(&answer.body))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The request as it came. That of a GET has no body.
fn write_received(out: &mut impl Write, received: &Value) -> io::Result<()> {
    writeln!(out, "\nreceived")?;
    for name in ["client", "method", "content_type", "format", "query"] {
        if !field(received, name).is_null() {
            writeln!(out, "{name:<9} {}", cell(field(received, name)))?;
        }
    }
    for header in field(received, "headers").as_array().into_iter().flatten() {
        if let Some([name, value]) = header.as_array().map(Vec::as_slice) {
            writeln!(out, "header    {}: {}", cell(name), cell(value))?;
        }
    }
    match readable(field(received, "body")) {
        empty if empty.is_empty() => Ok(()),
        body => writeln!(out, "\n{body}"),
    }
}

/// The canonical body as it will be sent: parsing it into a value would sort its keys.
fn body_text(answer: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Told<'a> {
        #[serde(borrow)]
        body: &'a serde_json::value::RawValue,
    }
    let told = serde_json::from_slice::<Told<'_>>(answer);
    told.map_or_else(|_| String::new(), |told| told.body.get().to_owned())
}

/// The lines of a text stay, so that XML can be read; nothing else reaches the terminal.
fn readable(value: &Value) -> String {
    match value {
        Value::String(text) => {
            text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
        }
        other => other.to_string(),
    }
}
