//! How the spool's records read in JSON.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::spool::{
    Compaction, Contents, EventId, Inspection, Operated, Received, Record, State, Story,
};

/// A line of a list. What does not apply is left out.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    id: String,
    state: &'static str,
    route: &'a str,
    accepted: String,
    attempts: u32,
    replays: u32,
    repeats: u32,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Line<'a> {
    pub(super) fn new(record: &'a Record) -> Self {
        Self {
            id: record.id.to_string(),
            state: record.state.as_str(),
            route: &record.route,
            accepted: moment(record.accepted),
            attempts: record.attempts,
            replays: record.replays,
            repeats: record.repeats,
            bytes: record.bytes,
            due: record.due.map(moment),
            settled: record.settled.map(moment),
            status: record.status,
            reason: record.reason.as_deref(),
        }
    }
}

/// All of one event.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    #[serde(flatten)]
    record: Line<'a>,
    #[serde(flatten)]
    contents: Holding<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Holding<'a> {
    Event {
        body: Text<'a>,
        history: Vec<Attempted<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key_hash: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        received: Option<Came<'a>>,
    },
    Malformed {
        received: Came<'a>,
    },
}

#[derive(Serialize)]
struct Attempted<'a> {
    attempt: u32,
    at: String,
    status: Option<u16>,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Text<'a>>,
}

/// A request as it came.
#[derive(Serialize)]
struct Came<'a> {
    client: &'a str,
    method: &'a str,
    content_type: Option<Text<'a>>,
    query: Option<Text<'a>>,
    headers: Vec<(&'a str, Text<'a>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
    body: Text<'a>,
}

impl<'a> Came<'a> {
    fn new(received: &'a Received) -> Self {
        let headers = received.headers.iter();
        Self {
            client: &received.client,
            method: &received.method,
            content_type: received.content_type.as_ref().map(Text::new),
            query: received.query.as_ref().map(Text::new),
            headers: headers.map(|header| (&*header.name, Text::new(&header.value))).collect(),
            format: received.format.as_deref(),
            body: Text::new(&received.body),
        }
    }
}

/// Bytes as they are, where JSON can hold them.
#[derive(Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Json(&'a RawValue),
    Plain(&'a str),
    Base64 { base64: String },
}

impl<'a> Told<'a> {
    pub(super) fn new(story: &'a Story) -> Self {
        let contents = match &story.contents {
            Contents::Event { body, key, attempts, received } => Holding::Event {
                body: Text::json(body),
                key_hash: key.map(|key| key.to_string()),
                history: attempts
                    .iter()
                    .map(|(number, attempt)| Attempted {
                        attempt: *number,
                        at: moment(attempt.at),
                        status: attempt.status,
                        outcome: &attempt.outcome,
                        answer: (!attempt.answer.is_empty()).then(|| Text::new(&attempt.answer)),
                    })
                    .collect(),
                received: received.as_ref().map(Came::new),
            },
            Contents::Malformed(malformed) => {
                Holding::Malformed { received: Came::new(&malformed.received) }
            }
        };
        Self { record: Line::new(&story.record), contents }
    }
}

impl<'a> Text<'a> {
    /// A canonical body is an object in one line; anything else would break the line of the
    /// answer, or read as something else when it is imported.
    fn json(bytes: &'a Bytes) -> Self {
        match serde_json::from_slice(bytes) {
            Ok(value) if bytes.starts_with(b"{") && !bytes.contains(&b'\n') => Self::Json(value),
            _ => Self::new(bytes),
        }
    }

    fn new(bytes: &'a Bytes) -> Self {
        use base64::Engine as _;
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Plain(text),
            Err(_) => {
                Self::Base64 { base64: base64::engine::general_purpose::STANDARD.encode(bytes) }
            }
        }
    }
}

/// What became of one id.
#[derive(Serialize)]
pub(super) struct Outcome<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(rename = "outcome")]
    word: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Outcome<'a> {
    pub(super) fn new(id: EventId, done: &'a Operated) -> Self {
        let (word, reason) = match done {
            Operated::Replayed => ("replayed", None),
            Operated::Dropped => ("dropped", None),
            Operated::Undelivered => {
                ("undelivered", Some("it is pending, and delivered by itself"))
            }
            Operated::NotUnderstood(reason) => ("not understood", Some(reason.as_str())),
            Operated::Unknown => ("unknown", Some("there is no such event, or no longer")),
            Operated::Imported => ("imported", None),
            Operated::Known => ("known", Some("it is in the spool already")),
        };
        Self { id: id.to_string(), word, reason }
    }

    /// A line that is no event.
    pub(super) const fn unreadable(reason: &'a str) -> Self {
        Self { id: String::new(), word: "unreadable", reason: Some(reason) }
    }
}

/// What is in the file, and what is wrong with it.
#[derive(Serialize)]
pub(super) struct Found<'a> {
    ok: bool,
    pending: u64,
    delivered: u64,
    dead: u64,
    quarantined: u64,
    bytes: u64,
    problems: &'a [String],
}

impl<'a> Found<'a> {
    pub(super) fn new(found: &'a Inspection) -> Self {
        let count = |state| {
            let counted = State::ALL.iter().zip(found.counts);
            counted.filter(|(counted, _)| **counted == state).map(|(_, count)| count).sum()
        };
        Self {
            ok: found.problems.is_empty(),
            pending: count(State::Pending),
            delivered: count(State::Delivered),
            dead: count(State::Dead),
            quarantined: count(State::Quarantined),
            bytes: found.bytes,
            problems: &found.problems,
        }
    }
}

/// What a step of compacting has come to.
#[derive(Serialize)]
pub(super) struct Compacted {
    file_bytes: u64,
    left_bytes: u64,
    goes_on: bool,
}

impl Compacted {
    pub(super) const fn new(compaction: Compaction) -> Self {
        let Compaction { file_bytes, left_bytes, goes_on } = compaction;
        Self { file_bytes, left_bytes, goes_on }
    }
}

/// RFC 3339, UTC. A number past the calendar stays a number.
fn moment(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis);
    moment.map_or_else(|_| at.as_millis().to_string(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &Text<'_>) -> String {
        serde_json::to_string(text).unwrap()
    }

    #[test]
    fn bytes_are_shown_as_they_are_where_json_can_hold_them() {
        let body = Bytes::from_static(br#"{"payout":"0.10","n":1.50}"#);
        assert_eq!(shown(&Text::json(&body)).as_bytes(), &body[..]);
        assert_eq!(shown(&Text::json(&Bytes::from_static(b"{\n}"))), r#""{\n}""#);
        assert_eq!(shown(&Text::new(&Bytes::from_static(b"{}"))), r#""{}""#);
        assert_eq!(shown(&Text::new(&Bytes::from_static(b"\xff"))), r#"{"base64":"/w=="}"#);
    }
}
