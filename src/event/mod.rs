//! Conversion. In: the bytes of a request. Out: an [`Event`], or why there is none. Never: I/O,
//! clocks, or anything else of this crate.
//!
//! ```text
//! bytes ──detect──▶ Format ──json, xml, form──▶ Node ──section──▶ Record ──canonical──▶ bytes
//! ```
//! A parser makes a tree of borrowed text; a section gives every leaf of the tree its place, a
//! known field, a row of `items` or `custom`; the writer puts the places in order.

mod canonical;
mod check;
mod custom;
mod detect;
mod dictionary;
mod fields;
mod form;
mod json;
mod kind;
mod malformed;
mod names;
mod node;
mod path;
mod plain;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reference;
mod remarks;
mod rows;
mod section;
mod source;
mod spelling;
mod template;
mod warnings;
mod xml;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use dictionary::pascal;
pub use kind::{Format, Kind};
pub use malformed::{Malformed, Position};
pub use remarks::{By, Origin};
pub use spelling::unknown_field;
pub use template::{ComposeError, Finding, Macro, Template, TemplateError, Weight, compose};

use canonical::Record;
use node::Budget;
use remarks::Remarks;
use section::Section;
use source::Source;
use template::Settled;

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
    /// What the route receives.
    pub kind: Kind,
    /// `None`: by content type, and by looking where that is missing or wrong.
    pub format: Option<Format>,
    /// The route's own names: input key, or dotted path → canonical name. An entry whose canonical
    /// name [`unknown_field`] objects to has no effect.
    pub fields: BTreeMap<String, String>,
    /// The canonical field that keeps events in order; `None`: the default of the kind.
    pub key: Option<String>,
    /// The query parameter that carries the secret: never part of the event, in a form body too.
    pub secret_parameter: Option<String>,
    /// Bounds on one input.
    pub limits: Limits,
    /// The text that was pasted into impact.com.
    pub template: Option<Arc<Template>>,
}

impl Rules {
    /// The rules of a route that says nothing but its kind.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        Self {
            kind,
            format: None,
            fields: BTreeMap::new(),
            key: None,
            secret_parameter: None,
            limits: Limits::USUAL,
            template: None,
        }
    }
}

/// Bounds on one input (`[limits]`).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// JSON and XML nesting. The outermost object or element is level 1. More than
    /// [`Limits::DEEPEST`] counts as that.
    pub depth: usize,
    /// Pairs, elements, attributes, keys and list entries of one event, body and query together.
    /// The XML root is not counted.
    pub fields: usize,
}

impl Limits {
    /// What `depth` is capped at, because trees are walked by recursion.
    pub const DEEPEST: usize = 128;

    /// The defaults of `[limits]`: no template of impact.com nests or holds that much.
    pub const USUAL: Self = Self { depth: 32, fields: 1000 };
}

/// A converted postback.
#[derive(Debug)]
pub struct Event<'a> {
    kind: Kind,
    format: Format,
    record: Record<'a>,
    warnings: Vec<String>,
    key: Option<Cow<'static, str>>,
}

impl Event<'_> {
    /// The format that was read: that of the body where there is one.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The value of the field that keeps events in order, where it was received and is not empty.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.record.value(self.key.as_deref()?)
    }

    /// What a person should look at, in words: names of fields, never values. Twenty at most, and
    /// then that there are more.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The canonical body: same event, same bytes, always (README, "What your system gets").
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        canonical::write(self.kind, &self.record, &self.warnings)
    }
}

/// Converts one input. A canonical body converts to itself.
///
/// The body is the event. The query is the event where there is no body; beside a body it adds what
/// the body does not say.
///
/// # Errors
/// [`Malformed`] when the input cannot be understood, is ambiguous, or exceeds a limit.
pub fn convert<'a>(input: &Input<'a>, rules: &Rules) -> Result<Event<'a>, Malformed> {
    converted(input, rules, &mut Remarks::default())
}

/// Converts as [`convert`] does, and tells which input gave each value, in canonical order.
///
/// # Errors
/// As [`convert`].
pub fn explain<'a>(
    input: &Input<'a>,
    rules: &Rules,
) -> Result<(Event<'a>, Vec<Origin>), Malformed> {
    let mut remarks = Remarks::explaining();
    let event = converted(input, rules, &mut remarks)?;
    Ok((event, remarks.into_origins()))
}

fn converted<'a>(
    input: &Input<'a>,
    rules: &Rules,
    remarks: &mut Remarks,
) -> Result<Event<'a>, Malformed> {
    let format = format(input, rules)?;
    read(input, rules, format, remarks).map_err(|malformed| malformed.read_as(format))
}

/// A body that looks like nothing is what the template makes.
fn format(input: &Input<'_>, rules: &Rules) -> Result<Format, Malformed> {
    let has_body = !input.body.trim_ascii().is_empty();
    let template = rules.template.as_deref().filter(|_| has_body && rules.format.is_none());
    detect::format(input, rules.format).or_else(|malformed| match template {
        Some(template) if template.format() != Format::Query => Ok(template.format()),
        Some(_) | None => Err(malformed),
    })
}

fn read<'a>(
    input: &Input<'a>,
    rules: &Rules,
    format: Format,
    remarks: &mut Remarks,
) -> Result<Event<'a>, Malformed> {
    let mut budget = Budget::new(rules.limits);
    let Settled { members, warning } = settled(input, rules, format, &mut budget)?;
    if members.is_empty() {
        return Err(Malformed::new("there is no field in it"));
    }
    let beside = match format {
        Format::Query => Vec::new(),
        _ => form::parse(query(input), secret(rules), &mut budget)?,
    };

    let mut section = Section::of_event(rules, format);
    section.absorb(members)?;
    section.absorb_beside(beside)?;
    if let Some(warning) = warning {
        remarks.warnings.add(|| warning.to_owned());
    }
    let carried = section.take_carried();
    let record = section.finish("", remarks)?;
    let warnings = std::mem::take(&mut remarks.warnings);
    Ok(Event {
        kind: rules.kind,
        format,
        record,
        warnings: warnings.behind(carried),
        key: key(rules),
    })
}

/// The body, or the query where there is none: as it was parsed, or as the template has it.
fn settled<'a>(
    input: &Input<'a>,
    rules: &Rules,
    format: Format,
    budget: &mut Budget,
) -> Result<Settled<'a>, Malformed> {
    let source = Source::of(input, format)?;
    let parsed = source.parse(secret(rules), budget);
    match rules.template.as_deref() {
        None => parsed.map(Settled::as_parsed),
        Some(template) if !template.makes(format) => parsed.map(Settled::as_foreign),
        Some(template) => {
            let was_parsed = parsed.is_ok();
            let settled = template.settle(parsed, &source, rules)?;
            if !was_parsed {
                // What was counted before the fault is not in the event.
                *budget = Budget::new(rules.limits);
                budget.take(settled.members.len())?;
            }
            Ok(settled)
        }
    }
}

fn query<'a>(input: &Input<'a>) -> &'a [u8] {
    input.query.unwrap_or_default()
}

/// The parameter that is never part of the event.
fn secret(rules: &Rules) -> Option<&str> {
    rules.secret_parameter.as_deref()
}

fn key(rules: &Rules) -> Option<Cow<'static, str>> {
    match &rules.key {
        Some(name) => Some(Cow::Owned(name.clone())),
        None => rules.kind.default_key().map(Cow::Borrowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(kind: Kind) -> Rules {
        Rules {
            kind,
            format: None,
            fields: BTreeMap::new(),
            key: None,
            secret_parameter: None,
            limits: Limits { depth: 32, fields: 3 },
            template: None,
        }
    }

    fn input<'a>(query: &'a str, body: &'a str) -> Input<'a> {
        Input { content_type: None, query: Some(query.as_bytes()), body: body.as_bytes() }
    }

    #[test]
    fn the_key_is_the_field_that_the_kind_or_the_route_names() {
        let action = input("Oid=o-1&txid=a-1", "");
        let key = |rules: &Rules, input: &Input<'_>| {
            let event = convert(input, rules).unwrap();
            event.key().map(str::to_owned)
        };
        assert_eq!(key(&rules(Kind::Action), &action).as_deref(), Some("a-1"));
        assert_eq!(key(&rules(Kind::Inquiry), &action), None);
        assert_eq!(key(&rules(Kind::Action), &input("action_id=", "")), None);
        let by_order = Rules { key: Some("order_id".to_owned()), ..rules(Kind::Action) };
        assert_eq!(key(&by_order, &action).as_deref(), Some("o-1"));
        // A custom route has no fields but its own, so its key can be any name.
        let custom = Rules { key: Some("Oid".to_owned()), ..rules(Kind::Custom) };
        assert_eq!(key(&custom, &action).as_deref(), Some("o-1"));
        assert_eq!(key(&rules(Kind::Custom), &action), None);
    }

    #[test]
    fn body_and_query_share_one_limit() {
        let at = convert(&input("c=1", r#"{"a":1,"b":2}"#), &rules(Kind::Action));
        assert_eq!(at.unwrap().format(), Format::Json);
        let past = convert(&input("c=1&d=2", r#"{"a":1,"b":2}"#), &rules(Kind::Action));
        assert!(past.unwrap_err().reason.contains("more than 3 fields"));
    }

    #[test]
    fn a_refusal_says_as_what_the_input_was_read() {
        let refused = |body| convert(&input("", body), &rules(Kind::Action)).unwrap_err();
        assert_eq!(refused("{").format, Some(Format::Json));
        assert_eq!(refused("<").format, Some(Format::Xml));
        assert_eq!(refused("?").format, None);
    }

    #[test]
    fn new_warnings_follow_those_that_were_carried() {
        let body = r#"{"payout":"x","warnings":["a"]}"#;
        let event = convert(&input("", body), &rules(Kind::Action)).unwrap();
        assert_eq!(event.warnings(), ["a", "`payout` is not a decimal number"]);
    }

    #[test]
    fn a_thousand_macros_below_long_names_are_not_a_thousand_long_warnings() {
        let name = "n".repeat(64);
        let lost = vec![r#""{A}""#; 900].join(",");
        let body = format!("{}[{lost}]{}", format!("{{\"{name}\":").repeat(30), "}".repeat(30));
        let rules = Rules::of(Kind::Action);
        let event = convert(&input("", &body), &rules).unwrap();
        let canonical = event.to_canonical();
        assert!(canonical.len() < 10 * body.len(), "{} of {}", canonical.len(), body.len());
        let again = Input { body: &canonical, ..Input::default() };
        assert_eq!(convert(&again, &rules).unwrap().to_canonical(), canonical);
    }
}
