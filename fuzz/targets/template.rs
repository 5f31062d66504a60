//! Templates: recovery never invents. Values are put textually into a template, as impact.com does;
//! what is taken out again is what was put in, or the input is malformed.
//!
//! The input is pieces between NUL bytes: the number of a template or the text of one, then the
//! values of its macros.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use oracle::{Body, converted, is_macro};
use percent_encoding::percent_decode;
use postgate::event::{Format, Input, Kind, Rules, Template};

/// Every way to write a value, in JSON, XML, pairs, and in what is no JSON once it is filled.
const TEMPLATES: &[&str] = &[
    r#"{"a":"{ActionId}","p":{Payout},"n":"{Note}","s":"{Status}","u":"{SubId1}"}"#,
    "{\n  \"x\": {\"a\": \"{ActionId}\"},\n  \"n\": \"{Note}\",\n  \"p\": \"{Payout}\",\n  \
     \"u\": \"{SubId1}\",\n  \"s\": \"{Status}\"\n}",
    r#"{ "postback", "a":"{ActionId}", "p":"{Payout}", "n":"{Note}", "u":"{SubId1}", "s":"{Status}" }"#,
    "<r><a>{ActionId}</a><p>{Payout}</p><n>{Note}</n><s>{Status}</s><u>{SubId1}</u></r>",
    "<r a=\"{ActionId}\" p='{Payout}'><n><![CDATA[{Note}]]></n><s u=\"{SubId1}\">{Status}</s></r>",
    "a={ActionId}&n={Note}&p={Payout}&s={Status}&u={SubId1}",
    "n={Note}&u={SubId1}&k=1&a={ActionId}&s={Status}&p={Payout}",
];

/// The macros in their order of the input, and the fields they fill.
const MACROS: [(&str, &str); 5] = [
    ("{ActionId}", "action_id"),
    ("{Note}", "note"),
    ("{SubId1}", "sub_id1"),
    ("{Payout}", "payout"),
    ("{Status}", "status"),
];

const STATUSES: [&str; 4] = ["PENDING", "Approved", "reversed", ""];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let (template, values) = text.split_once('\0').unwrap_or((text, ""));
    match template.parse().ok().and_then(|index: usize| TEMPLATES.get(index)) {
        Some(template) => fill(template, &Values::read(values)),
        None => stray(template, values),
    }
});

/// A template of which everything is known.
fn fill(source: &str, values: &Values) {
    let template = Template::parse(source, Kind::Action, None).expect("it has macros");
    let format = template.format();
    let sent = values.put_into(source);
    let Ok(body) = read(template, &sent) else { return };
    if body.warnings.iter().any(|warning| warning.contains("taken out by the template")) {
        values.came_out(&body, format, &sent);
    }
}

/// Any text for a template, and any text that came in: nothing is known but the promises of every
/// canonical body.
fn stray(source: &str, sent: &str) {
    let Ok(template) = Template::parse(source, Kind::Action, None) else { return };
    drop(template.lint(Some("action_id")));
    drop(read(template, sent));
}

fn read(template: Template, sent: &str) -> Result<Body, postgate::event::Malformed> {
    let input = match template.format() {
        Format::Query => Input { query: Some(sent.as_bytes()), ..Input::default() },
        _ => Input { body: sent.as_bytes(), ..Input::default() },
    };
    let rules = Rules { template: Some(Arc::new(template)), ..Rules::of(Kind::Action) };
    converted(&input, &rules)
}

/// The value of each macro, in the order of [`MACROS`].
struct Values([String; 5]);

impl Values {
    /// Texts are anything; a payout is a decimal and a status a word, as impact.com sends them:
    /// where two readings are possible, those types decide.
    fn read(text: &str) -> Self {
        let mut pieces = text.split('\0');
        let mut next = || pieces.next().unwrap_or_default().to_owned();
        let (action, note, sub, payout, status) = (next(), next(), next(), next(), next());
        let digits: String = payout.chars().filter(char::is_ascii_digit).take(6).collect();
        let payout = if digits.is_empty() { digits } else { format!("{digits}.50") };
        let status = STATUSES[status.len() % STATUSES.len()].to_owned();
        Self([action, note, sub, payout, status])
    }

    fn put_into(&self, template: &str) -> String {
        let mut sent = String::new();
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            sent.push_str(before);
            let found = MACROS.iter().zip(&self.0).find(|((name, _), _)| from.starts_with(name));
            let length = match found {
                Some(((name, _), value)) => {
                    sent.push_str(value);
                    name.len()
                }
                None => {
                    sent.push('{');
                    1
                }
            };
            rest = &from[length..];
        }
        sent + rest
    }

    fn came_out(&self, body: &Body, format: Format, sent: &str) {
        for ((_, field), value) in MACROS.iter().zip(&self.0) {
            let value = decoded(value, format);
            let value = if *field == "status" { value.to_ascii_uppercase() } else { value };
            let wanted = (!value.is_empty() && !is_macro(&value)).then_some(value.as_str());
            assert_eq!(body.value[*field].as_str(), wanted, "{field} of {sent:?}");
        }
    }
}

/// A value of a pair is decoded, unless a `&` in it says that the sender did not encode it.
fn decoded(value: &str, format: Format) -> String {
    if !matches!(format, Format::Form | Format::Query) || value.contains('&') {
        return value.to_owned();
    }
    let spaced = value.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8();
    decoded.map_or_else(|_| value.to_owned(), |text| text.into_owned())
}
