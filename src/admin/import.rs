//! Reads a line of an export back. What it does not know it passes over: a later version may tell
//! more of an event.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::spool::{
    Attempt, Contents, EventId, Header, Malformed, Place, Received, Record, State, Story,
};

#[derive(Deserialize)]
struct Line<'a> {
    id: String,
    state: String,
    route: String,
    accepted: String,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    replays: u32,
    #[serde(default)]
    repeats: u32,
    due: Option<String>,
    settled: Option<String>,
    status: Option<u16>,
    reason: Option<String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow, default)]
    history: Vec<Attempted<'a>>,
    key_hash: Option<String>,
    #[serde(borrow)]
    received: Option<Came<'a>>,
}

#[derive(Deserialize)]
struct Attempted<'a> {
    attempt: u32,
    at: String,
    status: Option<u16>,
    outcome: String,
    #[serde(borrow)]
    answer: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Came<'a> {
    #[serde(default)]
    client: String,
    method: String,
    #[serde(borrow)]
    content_type: Option<&'a RawValue>,
    #[serde(borrow)]
    query: Option<&'a RawValue>,
    #[serde(borrow, default)]
    headers: Vec<(String, &'a RawValue)>,
    format: Option<String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// It is one line, and which one the caller tells.
fn unreadable(error: &serde_json::Error) -> String {
    let (text, column) = (error.to_string(), error.column());
    let what = text.strip_suffix(&format!(" at line 1 column {column}")).unwrap_or(&text);
    format!("{what}, in column {column}")
}

/// The event that the line tells of, or what is wrong with the line.
pub(super) fn story(line: &str) -> Result<Story, String> {
    // An array would be taken for the members in their order.
    if !line.trim_start().starts_with('{') {
        return Err("not a JSON object, as each line of an export is".to_owned());
    }
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| unreadable(&error))?;
    if line.route.is_empty() {
        return Err("route: empty".to_owned());
    }
    let state = State::of_word(&line.state).ok_or("state: not one that there is")?;
    let mut record = Record {
        place: Place::default(),
        id: read::<EventId>("id", &line.id)?,
        state,
        route: line.route.into(),
        accepted: moment("accepted", &line.accepted)?,
        attempts: line.attempts,
        replays: line.replays,
        repeats: line.repeats,
        bytes: 0,
        due: line.due.map(|due| moment("due", &due)).transpose()?,
        settled: line.settled.map(|settled| moment("settled", &settled)).transpose()?,
        status: line.status,
        reason: line.reason,
    };
    let contents = match (state, line.body, line.received) {
        (State::Quarantined, None, Some(came)) => Contents::Malformed(Malformed {
            id: record.id,
            route: record.route.clone(),
            at: record.accepted,
            reason: record.reason.clone().unwrap_or_default(),
            received: received(&came)?,
        }),
        (State::Quarantined, ..) => return Err("received: missing".to_owned()),
        (_, Some(body), came) => Contents::Event {
            body: canonical(body)?,
            key: line.key_hash.map(|hash| read("key_hash", &hash)).transpose()?,
            attempts: line.history.iter().map(attempt).collect::<Result<_, _>>()?,
            received: came.as_ref().map(received).transpose()?,
        },
        _ => return Err("body: missing".to_owned()),
    };
    let (Contents::Event { body, .. }
    | Contents::Malformed(Malformed { received: Received { body, .. }, .. })) = &contents;
    record.bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
    Ok(Story { record, contents })
}

/// None is empty: an export shows it so where its spool has lost it, and there it is a dead letter at its
/// next attempt.
fn canonical(body: &RawValue) -> Result<Bytes, String> {
    let body = bytes("body", body)?;
    if body.is_empty() {
        return Err("body: empty, so the spool that exported it had lost it".to_owned());
    }
    Ok(body)
}

fn received(came: &Came<'_>) -> Result<Received, String> {
    let optional = |name, text: Option<&RawValue>| text.map(|text| bytes(name, text)).transpose();
    Ok(Received {
        client: came.client.clone(),
        method: came.method.clone(),
        content_type: optional("received.content_type", came.content_type)?,
        query: optional("received.query", came.query)?,
        headers: came.headers.iter().map(header).collect::<Result<_, _>>()?,
        format: came.format.clone(),
        body: bytes("received.body", came.body)?,
    })
}

fn header((name, value): &(String, &RawValue)) -> Result<Header, String> {
    Ok(Header { name: name.clone(), value: bytes("received.headers", value)? })
}

fn attempt(told: &Attempted<'_>) -> Result<(u32, Attempt), String> {
    let at = moment("history", &told.at)?;
    let answer = told.answer.map(|answer| bytes("answer", answer)).transpose()?;
    let (outcome, answer) = (told.outcome.clone(), answer.unwrap_or_default());
    let attempt = Attempt { at, status: told.status, outcome, answer };
    Ok((told.attempt, attempt))
}

/// The three ways in which an export writes bytes.
fn bytes(name: &str, value: &RawValue) -> Result<Bytes, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Base64 {
        base64: String,
    }
    let text = value.get();
    if let Ok(plain) = serde_json::from_str::<String>(text) {
        return Ok(Bytes::from(plain));
    }
    if let Ok(encoded) = serde_json::from_str::<Base64>(text) {
        let decoded = STANDARD.decode(encoded.base64);
        return decoded.map(Bytes::from).map_err(|error| format!("{name}: {error}"));
    }
    if text.starts_with('{') {
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    }
    Err(format!("{name}: neither an object nor text"))
}

fn read<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{name}: {error}"))
}

/// RFC 3339, or the number of milliseconds of a moment past the calendar.
fn moment(name: &str, text: &str) -> Result<Timestamp, String> {
    if let Ok(millis) = text.parse() {
        return Ok(Timestamp::from_millis(millis));
    }
    let moment: jiff::Timestamp = read(name, text)?;
    let millis = u64::try_from(moment.as_millisecond());
    millis.map(Timestamp::from_millis).map_err(|_| format!("{name}: before 1970"))
}

#[cfg(test)]
mod tests {
    use super::super::record::Told;
    use super::*;

    const EVENT: &str = r#"{"id":"018bcfe5-6800-7000-8000-00000000000b","state":"dead","route":"actions","accepted":"2023-11-14T22:13:20.005Z","attempts":2,"replays":1,"repeats":3,"bytes":26,"settled":"2023-11-14T22:13:21Z","status":404,"reason":"answered 404 Not Found","body":{"payout":"0.10","n":1.50},"history":[{"attempt":2,"at":"2023-11-14T22:13:21Z","status":404,"outcome":"answered 404 Not Found","answer":"{\"no\":1}"}],"key_hash":"00010203040506ff","received":{"client":"192.0.2.1","method":"GET","content_type":null,"query":"a=1","headers":[],"format":"query","body":""}}"#;
    /// One of a version that kept no request beside an event.
    const BARE: &str = r#"{"id":"018bcfe5-6800-7000-8000-00000000000c","state":"pending","route":"actions","accepted":"2023-11-14T22:13:20Z","attempts":0,"replays":0,"repeats":0,"bytes":2,"body":{},"history":[]}"#;
    const MALFORMED: &str = r#"{"id":"018bcfe5-6800-7000-8000-00000000000d","state":"quarantined","route":"actions","accepted":"2023-11-14T22:13:20Z","attempts":0,"replays":0,"repeats":3,"bytes":2,"reason":"neither","received":{"client":"192.0.2.1","method":"POST","content_type":"a/b","query":null,"headers":[["via","x"]],"body":{"base64":"/w4="}}}"#;

    #[test]
    fn what_was_exported_reads_as_it_was() {
        for line in [EVENT, BARE, MALFORMED] {
            let story = story(line).unwrap();
            assert_eq!(serde_json::to_string(&Told::new(&story)).unwrap(), line);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, wrong) in [
            ("018bcfe5", "x", "id: "),
            ("\"dead\"", "\"gone\"", "state: not one that there is"),
            ("2023-11-14T22:13:20.005Z", "noon", "accepted: "),
            ("00010203040506ff", "zz", "key_hash: "),
            ("{\"payout\":\"0.10\",\"n\":1.50}", "7", "body: neither an object nor text"),
            ("\"body\":{", "\"bodies\":{", "body: missing"),
            ("{\"payout\":\"0.10\",\"n\":1.50}", "\"\"", "body: empty, so the spool"),
            ("{\"payout\":\"0.10\",\"n\":1.50}", "{\"base64\":\"\"}", "body: empty"),
            ("\"query\":\"a=1\"", "\"query\":7", "received.query: neither"),
            ("\"route\":", "\"way\":", "missing field `route`"),
            ("\"route\":\"actions\"", "\"route\":\"\"", "route: empty"),
        ] {
            let wrong_line = EVENT.replacen(from, to, 1);
            let told = story(&wrong_line).unwrap_err();
            assert!(told.starts_with(wrong), "{told}");
        }
        assert!(story("{").unwrap_err().starts_with("EOF while parsing"));
        for none in ["", "[]", "nonsense", "7", "\u{fffd}"] {
            assert!(story(none).unwrap_err().starts_with("not a JSON object"), "{none}");
        }
    }
}
