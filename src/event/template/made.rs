//! Recovery never invents, in templates of any make: whatever stands in the places of the macros,
//! what comes out is what was put in, as its format reads it where the whole is valid, or the input
//! is malformed.

mod encoding;
mod forged;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::check::{Check, is_macro};
use super::super::fields::Field;
use super::super::node::{Budget, Node};
use super::super::{
    Format, Input, Kind, Limits, Malformed, Rules, convert, dictionary, form, json, xml,
};
use super::recovery::{FOREIGN, RECOVERED, REJOINED};
use super::{Target, Template, compose};
use encoding::Encoding;

/// Macros and their fields. The first hold any text, the others a value of a type.
const TEXTS: &[(&str, &str)] = &[
    ("ActionId", "action_id"),
    ("Note", "note"),
    ("SubId1", "sub_id1"),
    ("SubId2", "sub_id2"),
    ("LandingPageUrl", "landing_page_url"),
];
const TYPED: &[(&str, &str)] = &[
    ("Payout", "payout"),
    ("Status", "status"),
    ("Currency", "currency"),
    ("EventDate", "event_date"),
];

/// How a macro stands in its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Quoted,
    Bare,
    Element,
    Section,
    Attribute(char),
    Pair,
}

/// A template, and how each of its macros stands in it.
#[derive(Clone, Debug)]
struct Made {
    kind: Kind,
    format: Format,
    encoding: Encoding,
    source: String,
    stands: Vec<(&'static str, &'static str, Stand)>,
}

/// What is drawn for each macro: its place in the order, its key, and its make.
type Draw = (u32, u16, u8);

fn made() -> impl Strategy<Value = Made> {
    let all = TEXTS.len() + TYPED.len();
    let draws = proptest::collection::vec(any::<Draw>(), all);
    (0..3_u8, 0..8_usize, 2..=all, draws).prop_map(|(format, make, count, draws)| {
        let mut macros: Vec<_> = TEXTS.iter().chain(TYPED).zip(draws).collect();
        macros.sort_by_key(|(_, (order, ..))| *order);
        macros.truncate(count);
        let format = [Format::Json, Format::Xml, Format::Query][usize::from(format)];
        let encodings = [Encoding::Little, Encoding::Big, Encoding::Western];
        let encoding = encodings.get(make).copied().unwrap_or(Encoding::Utf8);
        let (kind, source) = (Kind::Action, String::new());
        let mut made = Made { kind, format, encoding, source, stands: vec![] };
        let entries = macros.into_iter().enumerate().map(|(index, (names, (_, key, make)))| {
            // Keys that no dictionary knows, some a part of another.
            (*names, format!("{}{}", ["k", "kk", "u", ""][usize::from(key % 4)], index), make)
        });
        let entries: Vec<_> = entries.collect();
        match format {
            Format::Json if make == 0 => made.list(&entries),
            Format::Json => made.json(&entries),
            Format::Xml => made.xml(&entries),
            Format::Form | Format::Query => made.url(&entries),
        }
        made
    })
}

type Entry = ((&'static str, &'static str), String, u8);

impl Made {
    fn json(&mut self, entries: &[Entry]) {
        let mut members = Vec::new();
        for ((name, field), key, make) in entries {
            let is_bare = TYPED.iter().any(|(typed, _)| typed == name) && make % 3 == 0;
            let value = if is_bare { format!("{{{name}}}") } else { format!("\"{{{name}}}\"") };
            let stand = if is_bare { Stand::Bare } else { Stand::Quoted };
            self.stands.push((name, field, stand));
            members.push(match make % 5 {
                0 => format!("\"o{key}\":{{\"{key}\":{value}}}"),
                1 => format!("\"l{key}\": [ {value} ]"),
                2 => format!("\n  \"{key}\" : {value}"),
                3 => format!("\"c{key}\":\"x\",\"{key}\":{value}"),
                _ => format!("\"{key}\":{value}"),
            });
        }
        self.source = format!("{{{}}}", members.join(","));
    }

    /// Macros are known by their own names there.
    fn list(&mut self, entries: &[Entry]) {
        let mut members = Vec::new();
        for ((name, field), _, make) in entries {
            let is_bare = make % 3 == 0;
            members.push(if is_bare { format!("{{{name}}}") } else { format!("\"{{{name}}}\"") });
            self.stands.push((name, field, if is_bare { Stand::Bare } else { Stand::Quoted }));
        }
        self.source = format!("{{\"l\":[{}]}}", members.join(","));
    }

    fn xml(&mut self, entries: &[Entry]) {
        let (mut attributes, mut elements) = (String::new(), String::new());
        let (mut of_root, mut inside) = (Vec::new(), Vec::new());
        for ((name, field), key, make) in entries {
            let key = format!("e{key}");
            match make % 4 {
                0 => {
                    let quote = if make % 8 == 0 { '\'' } else { '"' };
                    write!(attributes, " {key}={quote}{{{name}}}{quote}").unwrap();
                    of_root.push((*name, *field, Stand::Attribute(quote)));
                }
                1 => {
                    writeln!(elements, "<{key}><![CDATA[{{{name}}}]]></{key}>").unwrap();
                    inside.push((*name, *field, Stand::Section));
                }
                2 => {
                    write!(elements, "<o><{key}>{{{name}}}</{key}></o>").unwrap();
                    inside.push((*name, *field, Stand::Element));
                }
                _ => {
                    write!(elements, "<{key}>{{{name}}}</{key}>").unwrap();
                    inside.push((*name, *field, Stand::Element));
                }
            }
        }
        self.source = format!("<r{attributes}>{elements}<c>x</c></r>");
        self.stands = [of_root, inside].concat();
    }

    fn url(&mut self, entries: &[Entry]) {
        let mut pairs = Vec::new();
        for ((name, field), key, make) in entries {
            if make % 5 == 0 {
                pairs.push(format!("c{key}=x"));
            }
            pairs.push(format!("{key}={{{name}}}"));
            self.stands.push((name, field, Stand::Pair));
        }
        self.source = format!("https://h/p?{}", pairs.join("&"));
    }
}

/// The text that is sent, with these values in the places of the macros.
pub(super) fn filled<V: AsRef<str>>(template: &Template, values: &[V]) -> String {
    let mut text = template.source.get(template.sent.clone()).unwrap().to_owned();
    // From the end, because a value may look like a macro.
    for (slot, value) in template.slots.iter().zip(values).rev() {
        let from = slot.offset - template.sent.start;
        text.replace_range(from..from + slot.own.len(), value.as_ref());
    }
    text
}

/// A piece of a value: of its own, or cut out of the template.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Cut(Index, usize),
    /// What stands between two quotes of the template.
    Inside(Index),
}

fn value() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![
        "[ -~]{0,6}".prop_map(Piece::Text),
        "[\"'&<>%+=#;\\\\{}\\[\\]/,: \t\r\n]{1,4}".prop_map(Piece::Text),
        "[éß漢🎉\u{2028}]{1,3}".prop_map(Piece::Text),
        "(&amp;|%26|\\\\n|\\\\u00e9|]]>|<!\\[CDATA\\[|<!--|-->|null|\\{Note\\}|1|PENDING)"
            .prop_map(Piece::Text),
        (any::<Index>(), 1..24_usize).prop_map(|(from, length)| Piece::Cut(from, length)),
        any::<Index>().prop_map(Piece::Inside),
    ];
    proptest::collection::vec(piece, 0..4)
}

fn put_together(pieces: &[Piece], source: &str) -> String {
    let mut value = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => value.push_str(text),
            Piece::Cut(from, length) => {
                let from = from.index(source.len());
                value.extend(source.get(from..).unwrap().chars().take(*length));
            }
            Piece::Inside(which) => {
                let pieces: Vec<&str> = source.split(['"', '\'']).collect();
                value.push_str(pieces[which.index(pieces.len())]);
            }
        }
    }
    value
}

/// Of its type, nothing, or the macro itself.
fn typed(name: &str) -> BoxedStrategy<String> {
    let value = match name {
        "Payout" => "-?[0-9]{1,4}(\\.[0-9]{2})?".boxed(),
        "Status" => "(PENDING|Approved|reversed)".boxed(),
        "Currency" => "(USD|eur)".boxed(),
        _ => "2024-0[1-9]-10T10:42:38(Z|-07:00|%2B02:00)".boxed(),
    };
    prop_oneof![5 => value, 1 => Just(String::new()), 1 => Just(format!("{{{name}}}"))].boxed()
}

/// What the format itself makes of a value in its place; `None`: no single value at all.
fn as_read(stand: Stand, value: &str) -> Option<Node<'static>> {
    let mut budget = Budget::new(Limits::USUAL);
    let (text, format) = match stand {
        Stand::Quoted => (format!("{{\"v\":\"{value}\"}}"), Format::Json),
        Stand::Bare => (format!("{{\"v\":{value}}}"), Format::Json),
        Stand::Element => (format!("<r><v>{value}</v></r>"), Format::Xml),
        Stand::Section => (format!("<r><v><![CDATA[{value}]]></v></r>"), Format::Xml),
        Stand::Attribute(quote) => (format!("<r v={quote}{value}{quote}/>"), Format::Xml),
        Stand::Pair => (format!("v={value}"), Format::Form),
    };
    let members = match format {
        Format::Json => json::parse(&text, &mut budget),
        Format::Xml => xml::document(&text, &mut budget),
        Format::Form | Format::Query => form::parse(text.as_bytes(), None, &mut budget),
    };
    match members.ok()?.pop() {
        Some((name, node)) if name == "v" && node.is_scalar() => Some(node.into_owned()),
        _ => None,
    }
}

/// What recovery has to make of a value: in pairs it is decoded, unless a `&` shows that nobody
/// encoded it.
fn as_recovered(stand: Stand, value: &str) -> Node<'static> {
    if stand == Stand::Bare && value == "null" {
        return Node::Null;
    }
    let is_encoded = stand == Stand::Pair && !value.contains('&');
    let decoded = is_encoded.then(|| form::decode(value.as_bytes())).flatten();
    Node::Text(Cow::Owned(decoded.map_or_else(|| value.to_owned(), Cow::into_owned)))
}

/// How a value stands in the canonical body.
fn canonical(node: &Node<'_>, field: &str) -> Option<String> {
    match node {
        Node::Text(text) if !text.is_empty() && !is_macro(text) => Some(match field {
            "status" | "currency" | "stock_availability" => text.to_ascii_uppercase(),
            _ => text.clone().into_owned(),
        }),
        _ => None,
    }
}

/// Converts, and holds what comes out against what was put in. Says whether it was malformed.
fn check(made: &Made, values: &[String]) -> Result<Option<Malformed>, TestCaseError> {
    let template = Template::parse(&made.source, made.kind, Some(made.format)).unwrap();
    let text = filled(&template, values);
    let rules = Rules { template: Some(Arc::new(template)), ..Rules::of(made.kind) };
    let (content_type, body) = match made.format {
        Format::Xml => made.encoding.encode(&text),
        _ => (None, text.as_bytes().to_vec()),
    };
    let input = match made.format {
        Format::Query => Input { query: Some(&body), ..Input::default() },
        _ => Input { content_type, body: &body, ..Input::default() },
    };
    let event = match convert(&input, &rules) {
        Ok(event) => event,
        Err(malformed) => return Ok(Some(malformed)),
    };
    let has = |warning: &str| event.warnings().iter().any(|one| one == warning);
    prop_assert!(!has(FOREIGN), "{} from {}", text, made.source);
    let is_recovered = has(RECOVERED) || has(REJOINED);
    let body: serde_json::Value = serde_json::from_slice(&event.to_canonical()).unwrap();
    for ((_, field, stand), value) in made.stands.iter().zip(values) {
        let wanted =
            if is_recovered { Some(as_recovered(*stand, value)) } else { as_read(*stand, value) };
        prop_assert!(wanted.is_some(), "{} in {} from {}", field, text, made.source);
        let wanted = wanted.and_then(|node| canonical(&node, field));
        prop_assert_eq!(
            body[*field].as_str(),
            wanted.as_deref(),
            "{} in {} from {}",
            field,
            text,
            made.source
        );
    }
    Ok(None)
}

fn all_values() -> impl Strategy<Value = (Vec<Vec<Piece>>, Vec<String>)> {
    let texts = proptest::collection::vec(value(), TEXTS.len());
    let typed: Vec<_> = TYPED.iter().map(|(name, _)| typed(name)).collect();
    (texts, typed)
}

/// The values in the template's order; `text` gives those of [`TEXTS`].
fn values_of(made: &Made, text: impl Fn(usize) -> String, typed: &[String]) -> Vec<String> {
    let value = |name: &str| {
        if let Some(index) = TEXTS.iter().position(|(known, _)| *known == name) {
            return text(index);
        }
        let value = &typed[TYPED.iter().position(|(known, _)| *known == name).unwrap()];
        // A time that is encoded is of its type in pairs alone.
        if made.format == Format::Query { value.clone() } else { value.replace("%2B", "+") }
    };
    made.stands.iter().map(|(name, ..)| value(name)).collect()
}

/// `PROPTEST_CASES` may ask for more.
fn thousands() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(4000), ..usual }
}

proptest! {
    #![proptest_config(thousands())]

    #[test]
    fn what_comes_out_was_put_in(made in made(), (texts, typed) in all_values()) {
        let text = |index: usize| put_together(&texts[index], &made.source);
        check(&made, &values_of(&made, text, &typed))?;
    }
}

/// What [`compose`] prints is right: it brings through whatever stands in the macros.
#[test]
fn composed_templates_bring_everything_through() {
    let hard =
        ["u-81", "Bob's \"Best\" Shoes", "a & b < c > d", "C:\\new\r\n\"x\"", "é 漢 🎉 ]]>", ""];
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Custom);
    for (kind, format) in kinds.flat_map(|kind| Format::ALL.map(|format| (kind, format))) {
        let source = compose(kind, format, &[], 0).unwrap();
        let template = Template::parse(&source, kind, Some(format)).unwrap();
        assert_eq!(template.lint(&Rules::of(kind)), [], "{kind} {format}");
        let fields = dictionary::table(kind).unwrap().fields;
        let stands = template.slots.iter().zip(template_fields(&template, fields));
        let stands = stands.map(|(slot, field)| {
            let stand = match (format, slot.is_guarded()) {
                (Format::Json, _) => Stand::Quoted,
                (Format::Xml, true) => Stand::Section,
                (Format::Xml, false) => Stand::Element,
                (Format::Form | Format::Query, _) => Stand::Pair,
            };
            ("", field.name, stand)
        });
        let stands = stands.collect();
        let made = Made { kind, format, encoding: Encoding::Utf8, source: source.clone(), stands };
        for hard in hard {
            let values = template_fields(&template, fields).map(|field| match field.check {
                Check::Decimal => "-27.75".to_owned(),
                Check::Time | Check::Date => "2024-09-10T10:42:38-07:00".to_owned(),
                Check::Currency => "USD".to_owned(),
                Check::Word([first, ..]) => (*first).to_owned(),
                Check::Open => "OPEN".to_owned(),
                _ if field.name.ends_with("url") => format!("https://h/?a=1&b={hard}"),
                _ => hard.to_owned(),
            });
            let malformed = check(&made, &values.collect::<Vec<_>>()).unwrap();
            assert_eq!(malformed, None, "{kind} {format} with {hard}");
        }
    }
}

/// The field of each macro of a composed template, in the template's order.
fn template_fields<'f>(
    template: &Template,
    fields: &'f [Field],
) -> impl Iterator<Item = &'f Field> {
    template.slots.iter().map(|slot| match slot.target {
        Some(Target::Field(index)) => &fields[index],
        _ => panic!("{} has no field", slot.own),
    })
}
