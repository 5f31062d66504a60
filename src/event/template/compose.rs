//! A template that is right, ready to paste.

use super::super::check::Check;
use super::super::dictionary;
use super::super::fields::Field;
use super::super::{Format, Kind, unknown_field};
use super::lint::is_address;
use super::macros::{self, ITEM_WORDS, Spelling, Target};

/// Where a URL is sent, before the operator writes the own host into it.
const HOST: &str = "https://your-host:8443/postback/";

/// The words of an item that impact.com's own URLs use.
const USUAL_WORDS: usize = 3;

/// Why there is no such template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// A `custom` route has no dictionary to take macros from.
    #[error("kind `custom` has no macros that are known")]
    NoMacros,
    /// Only actions have line items.
    #[error("kind `{0}` has no numbered items")]
    NoItems(Kind),
    /// A name of `only` is a macro, or the field, of a line item.
    #[error("`{0}` is of a line item, and --items COUNT gives those their macros")]
    OfItem(String),
    /// A name of `only` is neither a macro nor a canonical field.
    #[error("{0}")]
    Unknown(String),
}

/// Writes a template with the macros of `kind`; `only`: with these, as macros or as canonical
/// fields. `items`: how many numbered line items it has room for.
///
/// Keys are canonical names, values are quoted, what can hold a `&` is in CDATA or at the end.
///
/// # Errors
/// When the kind has no such macros.
pub fn compose(
    kind: Kind,
    format: Format,
    only: &[String],
    items: usize,
) -> Result<String, ComposeError> {
    let table = dictionary::table(kind).ok_or(ComposeError::NoMacros)?;
    let has_items = table.rows.is_some_and(|rows| rows.name == "items");
    if items > 0 && !has_items {
        return Err(ComposeError::NoItems(kind));
    }
    let mut entries = Vec::new();
    for field in chosen(kind, table.fields, only)? {
        entries.push(Entry {
            key: field.name.to_owned(),
            name: macros::of_field(field.name),
            is_text: matches!(field.check, Check::Text),
            is_address: is_address(field.name),
        });
    }
    for number in 1..=items {
        for (word, _) in ITEM_WORDS.iter().take(USUAL_WORDS) {
            let name = format!("Item{word}{number}");
            let is_text = *word == "Sku";
            entries.push(Entry { key: name.clone(), name, is_text, is_address: false });
        }
    }
    Ok(match format {
        Format::Json => json(&entries),
        Format::Xml => xml(&entries),
        Format::Form => pairs(entries),
        Format::Query => format!("{HOST}{kind}?{}", pairs(entries)),
    })
}

struct Entry {
    key: String,
    name: String,
    is_text: bool,
    is_address: bool,
}

/// The fields in canonical order.
fn chosen(
    kind: Kind,
    fields: &'static [Field],
    only: &[String],
) -> Result<Vec<&'static Field>, ComposeError> {
    let mut wanted = Vec::with_capacity(only.len());
    for name in only {
        let bare = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
        let by_name = fields.iter().position(|field| field.name == bare);
        let by_macro = || match macros::find(kind, bare) {
            (Some(Target::Field(index)), _, Spelling::Right) => Some(index),
            _ => None,
        };
        let Some(index) = by_name.or_else(by_macro) else {
            if macros::is_of_item(kind, bare) {
                return Err(ComposeError::OfItem(name.clone()));
            }
            let what = unknown_field(kind, bare);
            return Err(ComposeError::Unknown(what.unwrap_or_else(|| name.clone())));
        };
        wanted.push(index);
    }
    let is_wanted = |index: &usize| only.is_empty() || wanted.contains(index);
    let chosen = fields.iter().enumerate().filter(|(index, _)| is_wanted(index));
    Ok(chosen.map(|(_, field)| field).collect())
}

fn json(entries: &[Entry]) -> String {
    let lines = entries.iter().map(|entry| format!("  \"{}\": \"{{{}}}\"", entry.key, entry.name));
    format!("{{\n{}\n}}", lines.collect::<Vec<_>>().join(",\n"))
}

fn xml(entries: &[Entry]) -> String {
    let lines = entries.iter().map(|Entry { key, name, is_text, .. }| {
        let value =
            if *is_text { format!("<![CDATA[{{{name}}}]]>") } else { format!("{{{name}}}") };
        format!("  <{key}>{value}</{key}>\n")
    });
    format!("<postback>\n{}</postback>", lines.collect::<String>())
}

fn pairs(mut entries: Vec<Entry>) -> String {
    // The sort is stable: what is no address keeps its order.
    entries.sort_by_key(|entry| entry.is_address);
    let pairs = entries.iter().map(|entry| format!("{}={{{}}}", entry.key, entry.name));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::super::super::Rules;
    use super::super::Template;
    use super::*;

    #[test]
    fn what_is_printed_has_nothing_wrong() {
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Custom) {
            for format in Format::ALL {
                let items = if kind == Kind::Action { 2 } else { 0 };
                let text = compose(kind, format, &[], items).unwrap();
                let template = Template::parse(&text, kind, Some(format)).unwrap();
                assert_eq!(template.lint(&Rules::of(kind)), [], "{kind} {format}\n{text}");
                let fields = dictionary::table(kind).unwrap().fields.len();
                assert_eq!(template.slots.len(), fields + items * 3, "{kind} {format}");
                assert_eq!(template.places.len(), template.slots.len(), "{kind} {format}");
            }
        }
    }

    #[test]
    fn only_what_is_asked_for_in_canonical_order() {
        let only = ["Payout", "{Oid}", "action_id"].map(str::to_owned);
        assert_eq!(
            compose(Kind::Action, Format::Json, &only, 0).unwrap(),
            "{\n  \"action_id\": \"{ActionId}\",\n  \"payout\": \"{Payout}\",\n  \
             \"order_id\": \"{Oid}\"\n}"
        );
        assert_eq!(
            compose(Kind::Action, Format::Xml, &only[..2], 0).unwrap(),
            "<postback>\n  <payout>{Payout}</payout>\n  \
             <order_id><![CDATA[{Oid}]]></order_id>\n</postback>"
        );
        assert_eq!(
            compose(Kind::Action, Format::Query, &only[..1], 1).unwrap(),
            "https://your-host:8443/postback/action?payout={Payout}&ItemSku1={ItemSku1}\
             &ItemQuantity1={ItemQuantity1}&ItemSubTotal1={ItemSubTotal1}"
        );
    }

    #[test]
    fn a_wrong_name_is_refused_with_the_right_one() {
        let refused = |kind, only: &str, items| {
            compose(kind, Format::Json, &[only.to_owned()], items).unwrap_err().to_string()
        };
        assert!(refused(Kind::Action, "Payuot", 0).contains("did you mean `payout`"));
        assert!(refused(Kind::Custom, "a", 0).contains("custom"));
        assert!(refused(Kind::Job, "status", 1).contains("items"));
        for of_item in ["ItemSku1", "{ItemSku12}", "ItemSku", "sku"] {
            assert!(refused(Kind::Action, of_item, 0).contains("--items COUNT"), "{of_item}");
        }
        assert!(refused(Kind::Job, "ItemSku1", 0).contains("no canonical field"));
    }
}
