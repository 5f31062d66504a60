//! What holds for every event: the four formats say the same, a canonical body converts to itself,
//! and no input brings conversion down.

mod drawn;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::Value;

use super::path::shown;
use super::{Event, Format, Input, Kind, Limits, Origin, Rules, convert, explain, reference};
use drawn::{quoted, tree, troubled, value};

/// Pieces of every syntax, as a regular expression.
const MARKUP: &str = concat!(
    "([<>/&;=\"' {}\\[\\],:\n]|<!|<!--|-->|<!\\[CDATA\\[|\\]\\]>",
    "|<\\?|\\?>|&#x|id|items|1){0,24}"
);

fn rules(kind: Kind) -> Rules {
    Rules {
        kind,
        format: None,
        fields: BTreeMap::from([("My Key".to_owned(), "note".to_owned())]),
        key: None,
        secret_parameter: Some("token".to_owned()),
        limits: Limits { depth: 32, fields: 1000 },
        template: None,
    }
}

fn canonical(kind: Kind, content_type: &str, query: &str, body: &str) -> Result<String, String> {
    let input = Input {
        content_type: Some(content_type.as_bytes()),
        query: Some(query.as_bytes()),
        body: body.as_bytes(),
    };
    let event = convert(&input, &rules(kind)).map_err(|malformed| malformed.reason)?;
    let body = sound(&event);
    let (explained, origins) = explain(&input, &rules(kind)).unwrap();
    assert_eq!(body.as_bytes(), explained.to_canonical());
    assert_eq!(told(origins), written(&serde_json::from_str(&body).unwrap()), "{body}");
    Ok(body)
}

/// What an explanation says of every place in the canonical body.
fn told(origins: Vec<Origin>) -> Vec<(String, Option<String>)> {
    let mut told: Vec<_> = origins.into_iter().map(|origin| (origin.field, origin.value)).collect();
    told.sort();
    told
}

/// Every place in the canonical body and its value.
fn written(body: &Value) -> Vec<(String, Option<String>)> {
    fn walk(value: &Value, path: String, found: &mut Vec<(String, Option<String>)>) {
        match value {
            Value::Object(members) => {
                for (name, inner) in members {
                    walk(inner, format!("{path}.{}", shown(name)), found);
                }
            }
            Value::Array(entries) => {
                for (index, inner) in entries.iter().enumerate() {
                    walk(inner, format!("{path}[{index}]"), found);
                }
            }
            scalar => found.push((path, scalar.as_str().map(str::to_owned))),
        }
    }
    let mut found = Vec::new();
    for (name, inner) in body.as_object().unwrap() {
        if !matches!(name.as_str(), "event" | "warnings") {
            walk(inner, name.clone(), &mut found);
        }
    }
    found.sort();
    found
}

/// The canonical body, which must be as the published schema says.
fn sound(event: &Event<'_>) -> String {
    let body = event.to_canonical();
    assert_eq!(reference::complaint(&body), None, "{}", String::from_utf8_lossy(&body));
    String::from_utf8(body).unwrap()
}

/// An event as a person thinks of it: fields, and the fields of each item.
#[derive(Clone, Debug)]
struct Said {
    fields: Vec<(String, String)>,
    items: Vec<Vec<(String, String)>>,
}

impl Said {
    fn json(&self) -> String {
        let pairs = |pairs: &[(String, String)]| {
            let members =
                pairs.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)));
            members.collect::<Vec<_>>().join(",\n")
        };
        let mut members = vec![pairs(&self.fields)];
        if !self.items.is_empty() {
            let items = self.items.iter().map(|item| format!("{{{}}}", pairs(item)));
            members.push(format!("\"items\":[{}]", items.collect::<Vec<_>>().join(" , ")));
        }
        format!("{{ {} }}", members.join(","))
    }

    fn xml(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\"?>\n<postback");
        // The first field is an attribute, so that both ways occur.
        let (attribute, elements) = self.fields.split_first().unwrap();
        write!(xml, " {}=\"{}\">", attribute.0, escaped(&attribute.1)).unwrap();
        for (name, value) in elements {
            write!(xml, "\n <{name}>{}</{name}>", escaped(value)).unwrap();
        }
        for item in &self.items {
            xml.push_str("<item>");
            for (name, value) in item {
                write!(xml, "<{name}>{}</{name}>", escaped(value)).unwrap();
            }
            xml.push_str("</item>");
        }
        xml + "</postback>"
    }

    fn pairs(&self) -> String {
        let mut pairs: Vec<String> = Vec::new();
        for (name, value) in &self.fields {
            pairs.push(format!("{}={}", percent(name), percent(value)));
        }
        for (number, item) in self.items.iter().enumerate() {
            for (name, value) in item {
                pairs.push(format!("Item{name}{}={}", number + 1, percent(value)));
            }
        }
        pairs.join("&")
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            // `]]>` is not allowed in text.
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => write!(escaped, "&#{};", u32::from(character)).unwrap(),
            other => escaped.push(other),
        }
    }
    escaped
}

fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => encoded.push(char::from(byte)),
            other => write!(encoded, "%{other:02X}").unwrap(),
        }
    }
    encoded
}

fn said() -> impl Strategy<Value = Said> {
    let names = [
        "action_id",
        "CampaignId",
        "State",
        "status_detail",
        "Payout",
        "currency",
        "EventDate",
        "SubId1",
        "landingPageUrl",
        "CustomerCity",
        "my_flag",
        "Zebra",
        "MyKey",
        "warnings",
        "Custom",
        "event",
        "items2go",
    ];
    let fields = proptest::sample::subsequence(names.to_vec(), 1..=names.len())
        .prop_shuffle()
        .prop_flat_map(|names| {
            let values = proptest::collection::vec(value(), names.len());
            (Just(names), values)
        })
        .prop_map(|(names, values)| {
            let names = names.into_iter().map(str::to_owned);
            names.zip(values).collect()
        });
    let item = (value(), value(), value()).prop_map(|(sku, quantity, amount)| {
        [("Sku", sku), ("Quantity", quantity), ("SubTotal", amount)]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec()
    });
    (fields, proptest::collection::vec(item, 0..12))
        .prop_map(|(fields, items)| Said { fields, items })
}

fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL.to_vec())
}

proptest! {
    #[test]
    fn the_four_formats_say_the_same(said in said()) {
        let pairs = said.pairs();
        let form = "application/x-www-form-urlencoded";
        let json = canonical(Kind::Action, "application/json", "", &said.json()).unwrap();
        prop_assert_eq!(&json, &canonical(Kind::Action, "text/xml", "", &said.xml()).unwrap());
        prop_assert_eq!(&json, &canonical(Kind::Action, form, "", &pairs).unwrap());
        prop_assert_eq!(&json, &canonical(Kind::Action, "", &pairs, "").unwrap());
        // It is JSON, and what was said of an unknown name is in it.
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        for (name, value) in &said.fields {
            if name == "Zebra" && !value.is_empty() && value != "{SubId4}" {
                prop_assert_eq!(parsed["custom"]["Zebra"].as_str(), Some(value.as_str()));
            }
        }
    }

    #[test]
    fn a_canonical_body_converts_to_itself(mut said in said(), kind in kind()) {
        if kind == Kind::Catalog {
            // Several items would be several events there.
            said.items.clear();
        }
        let first = canonical(kind, "application/json", "token=x", &said.json()).unwrap();
        let second = canonical(kind, "application/json", "", &first).unwrap();
        prop_assert_eq!(first, second);
    }

    #[test]
    fn any_json_object_that_is_understood_converts_to_itself(
        tree in tree(), kind in kind(),
    ) {
        if let Ok(first) = canonical(kind, "application/json", "", &tree) {
            let second = canonical(kind, "application/json", "", &first);
            prop_assert_eq!(Ok(first), second);
        }
    }

    #[test]
    fn what_is_warned_of_converts_to_itself(body in troubled(), kind in kind()) {
        if let Ok(first) = canonical(kind, "application/json", "", &body) {
            let second = canonical(kind, "application/json", "", &first);
            prop_assert_eq!(Ok(first), second);
        }
    }

    #[test]
    fn no_bytes_bring_it_down(
        bytes in proptest::collection::vec(any::<u8>(), 0..64), kind in kind(),
    ) {
        for format in Format::ALL {
            let input = Input { content_type: Some(&bytes), query: Some(&bytes), body: &bytes };
            let rules = Rules { format: Some(format), ..rules(kind) };
            if let Ok(event) = convert(&input, &rules) {
                sound(&event);
            }
        }
    }

    #[test]
    fn no_markup_brings_it_down(
        text in MARKUP,
    ) {
        for format in Format::ALL {
            let input = Input { content_type: None, query: None, body: text.as_bytes() };
            let rules = Rules { format: Some(format), ..rules(Kind::Action) };
            if let Ok(event) = convert(&input, &rules) {
                sound(&event);
            }
        }
    }
}
