//! Templates: recovery never invents. Values are put textually into a template, as impact.com does;
//! what comes out is what was put in, or the input is malformed. Without a word about recovery it is
//! what the format makes of each value alone, in such a place as it has in the template.
//!
//! The input is pieces between NUL bytes: the number of a template or the text of one, then the
//! values of its macros, then a text whose length says in which encoding XML is sent.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use oracle::{Body, converted, is_macro};
use percent_encoding::percent_decode;
use postgate::event::{Format, Input, Kind, Malformed, Rules, Template};

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
    "<r a=\"{ActionId}\" n=\"{Note}\" p=\"{Payout}\" u='{SubId1}' s=\"{Status}\"/>",
    r#"{"l":["{ActionId}","{Note}",{Payout},"{SubId1}","{Status}"]}"#,
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
    let bytes =
        if format == Format::Xml { values.encoded(&sent) } else { sent.clone().into_bytes() };
    let Ok(body) = read(template, &bytes) else { return };
    let has = |words: &str| body.warnings.iter().any(|warning| warning.contains(words));
    assert!(!has("not made by the template"), "{sent:?}");
    if has("taken out by the template") {
        values.came_out(&body, format, &sent);
    } else {
        values.were_read(&body, source, format, &sent);
    }
}

/// Any text for a template, and any text that came in: nothing is known but the promises of every
/// canonical body.
fn stray(source: &str, sent: &str) {
    let Ok(template) = Template::parse(source, Kind::Action, None) else { return };
    drop(template.lint(&Rules::of(Kind::Action)));
    drop(read(template, sent.as_bytes()));
}

fn read(template: Template, sent: &[u8]) -> Result<Body, Malformed> {
    let input = input(sent, template.format());
    let rules = Rules { template: Some(Arc::new(template)), ..Rules::of(Kind::Action) };
    converted(&input, &rules)
}

fn input(sent: &[u8], format: Format) -> Input<'_> {
    match format {
        Format::Query => Input { query: Some(sent), ..Input::default() },
        _ => Input { body: sent, ..Input::default() },
    }
}

struct Values {
    /// Of each macro, in the order of [`MACROS`].
    texts: [String; 5],
    /// UTF-8, or UTF-16 in one of its two orders.
    encoding: usize,
}

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
        Self { texts: [action, note, sub, payout, status], encoding: next().len() % 3 }
    }

    fn put_into(&self, template: &str) -> String {
        let mut sent = String::new();
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            sent.push_str(before);
            let found =
                MACROS.iter().zip(&self.texts).find(|((name, _), _)| from.starts_with(name));
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

    fn encoded(&self, text: &str) -> Vec<u8> {
        match self.encoding {
            0 => text.as_bytes().to_vec(),
            1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }

    /// The format makes the same of each value where nothing else is, that could hide or be hidden.
    fn were_read(&self, body: &Body, source: &str, format: Format, sent: &str) {
        for ((name, field), value) in MACROS.iter().zip(&self.texts) {
            let alone = alone(source, format, name, field, value);
            match converted(&input(alone.as_bytes(), format), &oracle::rules(Kind::Action, format))
            {
                Ok(other) => {
                    assert_eq!(
                        body.value[*field].as_str(),
                        other.value[*field].as_str(),
                        "{field} of {sent:?}"
                    );
                }
                Err(malformed) => panic!("{field} of {sent:?} has no end of its own: {malformed}"),
            }
        }
    }

    fn came_out(&self, body: &Body, format: Format, sent: &str) {
        for ((_, field), value) in MACROS.iter().zip(&self.texts) {
            let value = decoded(value, format);
            let value = if *field == "status" { value.to_ascii_uppercase() } else { value };
            let wanted = (!value.is_empty() && !is_macro(&value)).then_some(value.as_str());
            assert_eq!(body.value[*field].as_str(), wanted, "{field} of {sent:?}");
        }
    }
}

/// The value under the name of its field, in such a place as its macro has.
fn alone(source: &str, format: Format, name: &str, field: &str, value: &str) -> String {
    let before = source.split(name).next().and_then(|before| before.chars().last());
    match (format, before) {
        (Format::Json, Some('"')) => format!("{{\"{field}\":\"{value}\"}}"),
        (Format::Json, _) => format!("{{\"{field}\":{value}}}"),
        (Format::Xml, Some('[')) => format!("<r><{field}><![CDATA[{value}]]></{field}></r>"),
        (Format::Xml, Some(quote @ ('"' | '\''))) => {
            format!("<r {field}={quote}{value}{quote}/>")
        }
        (Format::Xml, _) => format!("<r><{field}>{value}</{field}></r>"),
        (Format::Form | Format::Query, _) => format!("{field}={value}"),
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
