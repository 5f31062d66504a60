//! `postgate spool show`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;
use serde_json::value::RawValue;

use super::desk::Asked;
use super::list::cell;
use super::{Output, field};
use crate::spool::EventId;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The event's id, as in the list and in the answer to the sender.
    #[arg(value_parser = super::id)]
    id: EventId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Prints all of one event.
pub(super) async fn run(desk: &Asked, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let answer = desk.get(&format!("/spool/events/{}", arguments.id)).await?;
    let mut out = Output;
    if arguments.json {
        out.write_all(&answer.body)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (story, body) = apart(&answer.body)?;
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
    if let Some(body) = body {
        writeln!(out, "\ncanonical\n\n{body}")?;
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

/// What is told of an event, and the canonical body as it will be sent. A value would sort the names
/// in it, and some names that a sender may choose mean something to `serde_json` itself.
fn apart(answer: &[u8]) -> serde_json::Result<(Value, Option<&RawValue>)> {
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_slice(answer)?;
    let body = members.remove("body");
    let rest =
        members.into_iter().map(|(name, text)| Ok((name, serde_json::from_str(text.get())?)));
    Ok((Value::Object(rest.collect::<serde_json::Result<_>>()?), body))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_as_it_is_whatever_its_names() {
        let body = r#"{"event":"job","custom":{"$serde_json::private::RawValue":"]["},"a":"1"}"#;
        let answer = format!(r#"{{"id":"7","body":{body},"status":404}}"#);
        let (story, shown) = apart(answer.as_bytes()).expect("an answer");
        assert_eq!(story, serde_json::json!({ "id": "7", "status": 404 }));
        assert_eq!(shown.map(RawValue::get), Some(body));
    }
}
