//! Conversion as a whole: any kind, any format, body and query together. [`oracle::converted`] holds
//! the body against its promises.
//!
//! The first line is `KIND FORMAT QUERY`, the rest is the body. What is no kind is `action`, and
//! what is no format is found out.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use oracle::converted;
use postgate::event::{Format, Input, Kind, Rules};

fuzz_target!(|data: &[u8]| {
    let (head, body) = split(data, b'\n');
    let (kind, rest) = split(head, b' ');
    let (format, query) = split(rest, b' ');
    let kind = Kind::ALL.into_iter().find(|known| known.as_str().as_bytes() == kind);
    let rules = Rules {
        format: Format::ALL.into_iter().find(|known| known.as_str().as_bytes() == format),
        fields: BTreeMap::from([("My Key".to_owned(), "note".to_owned())]),
        secret_parameter: Some("token".to_owned()),
        ..Rules::of(kind.unwrap_or(Kind::Action))
    };
    // What is malformed says why, and no more is asked of it.
    drop(converted(&Input { content_type: None, query: Some(query), body }, &rules));
});

/// What stands before and after the first `mark`.
fn split(data: &[u8], mark: u8) -> (&[u8], &[u8]) {
    let at = data.iter().position(|&byte| byte == mark).unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}
