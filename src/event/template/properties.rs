//! Recovery never invents: of values put textually into a template, what comes out is what was put
//! in, or the input is malformed.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Event, Input, Malformed, Rules, convert, form};
use super::made::filled;
use super::recovery::{FOREIGN, RECOVERED, REJOINED};
use super::*;

/// Every way to write a value of its own; `{0}` … are macros by their place in [`MACROS`].
const TEMPLATES: &[&str] = &[
    r#"{"a":"{ActionId}","p":{Payout},"n":"{Note}","s":"{Status}","u":"{SubId1}"}"#,
    "{\n  \"x\": {\"a\": \"{ActionId}\"},\n  \"n\": \"{Note}\",\n  \"p\": \"{Payout}\",\n  \
     \"u\": \"{SubId1}\",\n  \"s\": \"{Status}\"\n}",
    r#"{ "postback", "a":"{ActionId}", "p":"{Payout}", "n":"{Note}", "u":"{Sub Id1}", "s":"{Status}" }"#,
    "<r><a>{ActionId}</a><p>{Payout}</p><n>{Note}</n><s>{Status}</s><u>{SubId1}</u></r>",
    "<r a=\"{ActionId}\" p='{Payout}'><n><![CDATA[{Note}]]></n><s u=\"{SubId1}\">{Status}</s></r>",
    "a={ActionId}&n={Note}&p={Payout}&s={Status}&u={SubId1}",
    "https://h/p?n={Note}&u={SubId1}&a={ActionId}&token=t0ken&s={Status}&p={Payout}",
    "n={Note}&u={SubId1}&k=1&a={ActionId}&s={Status}&p={Payout}",
];

fn rules(template: &Template) -> Rules {
    let is_secret = template.source.contains("token=");
    let template = template.clone().without_parameter("token").unwrap();
    Rules {
        // An input without the secret of its route never comes this far.
        secret_parameter: is_secret.then(|| "token".to_owned()),
        template: Some(Arc::new(template)),
        ..Rules::of(Kind::Action)
    }
}

fn template(source: &str) -> Template {
    Template::parse(source, Kind::Action, None).unwrap()
}

/// The template with values in the places of their macros.
fn sent(template: &Template, values: &[(&str, String)]) -> String {
    let value =
        |slot: &Slot| values.iter().find(|(name, _)| *name == slot.name).unwrap().1.as_str();
    filled(template, &template.slots.iter().map(value).collect::<Vec<_>>())
}

fn converted<'a>(
    template: &Template,
    text: &'a str,
    rules: &Rules,
) -> Result<Event<'a>, Malformed> {
    let input = match template.format {
        Format::Query => Input { query: Some(text.as_bytes()), ..Input::default() },
        _ => Input { body: text.as_bytes(), ..Input::default() },
    };
    convert(&input, rules)
}

/// What breaks every syntax, and pieces of the templates themselves.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,6}",
        "[\"'&<>%+=#;\\\\{}\\[\\]/,: \t\r\n]{1,4}",
        "[éß漢🎉\u{2028}]{1,3}",
        proptest::sample::select(vec![
            "\",\"",
            "\":\"",
            "\",\"p\":",
            ",\"n\":\"",
            "\",\"u\":\"",
            "\",\"s\":\"",
            "\"}",
            "{\"a\":\"",
            "&n=",
            "&u=",
            "&p=",
            "&a=",
            "&s=PENDING&p=1",
            "&token=x",
            "n=",
            "</n>",
            "<n>",
            "</n><s>",
            "</u></r>",
            "]]>",
            "<![CDATA[",
            "<!--",
            "-->",
            "&amp;",
            "%26",
            "{Note}",
            "{SubId1}",
            "\n  \"u\": \"",
            "&k=1&a=",
            "\\",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn decimal() -> impl Strategy<Value = String> {
    prop_oneof!["-?[0-9]{1,4}\\.[0-9]{2}", Just(String::new())]
}

fn status() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["PENDING", "Approved", "reversed", ""]).prop_map(str::to_owned)
}

/// What stands in an event where `value` was put in: nothing is null, and a macro is.
fn wanted(template: &Template, value: &str) -> Option<String> {
    let is_encoded = is_pairs(template.format) && !value.contains('&');
    let decoded = is_encoded.then(|| form::decode(value.as_bytes())).flatten();
    let value = decoded.map_or_else(|| value.to_owned(), Cow::into_owned);
    (!value.is_empty() && !super::super::check::is_macro(&value)).then_some(value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn recovery_never_invents(
        source in proptest::sample::select(TEMPLATES.to_vec()),
        id in nasty(), note in nasty(), sub in nasty(), payout in decimal(), status in status(),
    ) {
        let template = template(source);
        let values = [
            ("ActionId", id), ("Note", note), ("SubId1", sub), ("Payout", payout),
            ("Status", status),
        ];
        let text = sent(&template, &values);
        let rules = rules(&template);
        let Ok(event) = converted(&template, &text, &rules) else { return Ok(()) };
        let is_recovered = event.warnings().iter().any(|one| one == RECOVERED || one == REJOINED);
        // Payout and status are of their types, so the template is never taken for another one.
        let is_foreign = event.warnings().iter().any(|one| one == FOREIGN);
        prop_assert!(!is_foreign || template.shape.is_err(), "{}", text);
        if !is_recovered {
            return Ok(());
        }
        let body: serde_json::Value = serde_json::from_slice(&event.to_canonical()).unwrap();
        for (field, name) in [
            ("action_id", "ActionId"), ("note", "Note"), ("sub_id1", "SubId1"),
            ("payout", "Payout"), ("status", "Status"),
        ] {
            let (_, value) = values.iter().find(|(known, _)| *known == name).unwrap();
            let value = if field == "status" { value.to_ascii_uppercase() } else { value.clone() };
            let wanted = wanted(&template, &value);
            prop_assert_eq!(body[field].as_str(), wanted.as_deref(), "{}", text);
        }
    }

    #[test]
    fn values_that_harm_nothing_come_through_every_template(
        source in proptest::sample::select(TEMPLATES.to_vec()),
        id in "[a-z0-9.]{1,12}", sub in "[a-zA-Z0-9-]{0,8}",
        payout in "-?[1-9][0-9]{0,3}\\.[0-9]{2}", status in status(),
    ) {
        let template = template(source);
        let values = [
            ("ActionId", id.clone()), ("Note", "it is".to_owned()), ("SubId1", sub),
            ("Payout", payout), ("Status", status),
        ];
        let text = sent(&template, &values);
        let rules = rules(&template);
        let event = converted(&template, &text, &rules).unwrap();
        prop_assert_eq!(event.key(), Some(id.as_str()));
        let is_valid = template.shape.is_ok();
        prop_assert_eq!(event.warnings().is_empty(), is_valid, "{:?}", event.warnings());
    }
}

#[test]
fn the_hard_cases_are_recovered() {
    let recovered = |source: &str, sub: &str| {
        let template = template(source);
        let value = |name: &'static str, value: &str| (name, value.to_owned());
        let values = [
            value("ActionId", "1.2.3"),
            value("Note", "n"),
            value("SubId1", sub),
            value("Payout", "1.00"),
            value("Status", "PENDING"),
        ];
        let text = sent(&template, &values);
        let rules = rules(&template);
        let event = converted(&template, &text, &rules).unwrap();
        assert_eq!(event.key(), Some("1.2.3"));
        let body: serde_json::Value = serde_json::from_slice(&event.to_canonical()).unwrap();
        body["sub_id1"].as_str().unwrap().to_owned()
    };
    for source in TEMPLATES {
        for sub in ["Bob's \"Best\" Shoes", "a & b < c", "x\"y & z", "é&%41"] {
            assert_eq!(recovered(source, sub), sub, "{source}");
        }
    }
}

/// What could make matching start over again and again is answered, and not with an event.
#[test]
fn near_misses_of_a_mebibyte_are_malformed() {
    const SIZE: usize = 1024 * 1024;
    for (source, head, piece, tail) in [
        (TEMPLATES[0], r#"{"a":""#, r#"","p":1,"n":""#, r#"","s":"","u":""}"#),
        (TEMPLATES[0], r#"{"a":""#, "\"", "\"}"),
        (TEMPLATES[3], "<r><a>", "</a><p>1</p><n>", "</u></r>"),
        (TEMPLATES[5], "a=", "&n=&p=1&s=PENDING", "&u="),
        (TEMPLATES[6], "n=", "&token=t0ken&s=", "&p=1"),
        (TEMPLATES[6], "n=", "&s=&p=1", "&token=t0ken&s=&p=1x"),
        (r#"{"a":"aaaaaaaa{Note}aaaaaaaa{Payout}aaaa"}"#, "{\"a\":\"\"", "a", "\"}"),
    ] {
        let template = template(source);
        let rules = rules(&template);
        let text = [head, &piece.repeat(SIZE / piece.len()), tail].concat();
        assert!(converted(&template, &text, &rules).is_err(), "{source}");
    }
}
