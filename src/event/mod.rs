//! Conversion. In: the bytes of a request. Out: an [`Event`], or why there is none. Never: I/O, clocks, or anything else
//! of this crate.

use std::collections::BTreeMap;
use std::fmt;

/// What a route receives; decides the dictionary and the default key (IMPACT.md "Who sends what").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Action,
    Clearing,
    Inquiry,
    Catalog,
    Tracking,
    Job,
    Custom,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Action,
        Self::Clearing,
        Self::Inquiry,
        Self::Catalog,
        Self::Tracking,
        Self::Job,
        Self::Custom,
    ];
    /// The word for it in `config.toml`, in `event` and in `ce-type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        "action"
    }
}

/// A format a postback can arrive in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    Xml,
    Form,
    Query,
}

/// A request as far as conversion looks at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    /// The `Content-Type` header, as sent.
    pub content_type: Option<&'a [u8]>,
    /// The query string without `?`, as sent.
    pub query: Option<&'a [u8]>,
    /// The body, as sent.
    pub body: &'a [u8],
}

/// How a route reads its input. Built once at start-up.
#[derive(Clone, Debug)]
pub struct Rules {
    pub kind: Kind,
    /// `None`: by content type, and by looking where that is missing or wrong.
    pub format: Option<Format>,
    /// The route's own names: input key → canonical name.
    pub fields: BTreeMap<String, String>,
    /// The canonical field that keeps events in order; `None`: the default of the kind.
    pub key: Option<String>,
    /// The query parameter that carries the secret: never part of the event.
    pub secret_parameter: Option<String>,
    pub limits: Limits,
}

/// Bounds on one input (`[limits]`).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// JSON and XML nesting.
    pub depth: usize,
    /// Pairs, elements and attributes of one event.
    pub fields: usize,
}

/// A converted postback.
#[derive(Debug)]
pub struct Event<'a> {
    _marker: std::marker::PhantomData<&'a ()>,
}

impl Event<'_> {
    /// The format that was read.
    #[must_use]
    pub fn format(&self) -> Format {
        Format::Json
    }
    /// The value of the field that keeps events in order, where it was received and is not empty.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        None
    }
    /// What a person should look at, in words.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &[]
    }
    /// The canonical body: same event, same bytes, always.
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// Why an input is not an event: what is wrong and where. Never quotes values of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The format it was read as, as far as that was known.
    pub format: Option<Format>,
    /// What is wrong, for a person.
    pub reason: String,
    /// Line and column (from 1, in characters), where the format has them.
    pub at: Option<Position>,
}
/// A place in the input, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
impl std::error::Error for Malformed {}

/// Converts one input.
///
/// # Errors
/// [`Malformed`] when the input cannot be understood, is ambiguous, or exceeds a limit.
pub fn convert<'a>(_input: &Input<'a>, _rules: &Rules) -> Result<Event<'a>, Malformed> {
    unimplemented!()
}

/// Why a `fields` entry or a `key` of a route cannot work: for `check`. `None`: it can.
#[must_use]
pub fn unknown_field(_kind: Kind, _canonical: &str) -> Option<String> {
    None
}
