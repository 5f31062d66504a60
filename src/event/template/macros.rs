//! The macros of impact.com by the exact spelling of its documentation: which field each stands for,
//! and which was meant by a wrong one.

use strsim::levenshtein;

use super::super::Kind;
use super::super::check::Check;
use super::super::dictionary::{self, Table, pascal};
use super::super::path::normal_text;
use super::super::rows::{ITEMS, Spec};
use super::super::spelling::nearest;

/// What a macro stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::event) enum Target {
    /// A field of the kind's dictionary, by its place there.
    Field(usize),
    /// A field of a numbered item: the name of the macro, as `ItemSku1`.
    Row(String),
}

/// What is known of a macro's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// impact.com knows it.
    Right,
    /// Sent as literal text. The right name, where one was probably meant.
    Wrong(Option<String>),
    /// The kind has no dictionary that could tell.
    Unknown,
}

/// Names beside the canonical one in Pascal case. The first of a field is the one to write.
const ALSO: &[(&str, &str)] = &[
    ("Oid", "order_id"),
    ("ProgramId", "campaign_id"),
    ("ProgramName", "campaign_name"),
    ("EventTypeId", "action_tracker_id"),
    ("EventTypeName", "action_tracker_name"),
    ("ActionStatus", "status"),
    ("ClickId", "ref_click_id"),
];

/// Only the order has a macro that is not its canonical name.
const PREFERRED: &[&str] = &["Oid"];

/// What stands between `Item` and the number, and the canonical name in a row.
pub(super) const ITEM_WORDS: &[(&str, &str)] = &[
    ("Sku", "sku"),
    ("Quantity", "quantity"),
    ("SubTotal", "amount"),
    ("Name", "item_name"),
    ("Category", "category"),
    ("SubCategory", "sub_category"),
];

/// The field that the macro `name` stands for, the shape of its values, and whether it is written
/// as impact.com writes it.
pub(super) fn find(kind: Kind, name: &str) -> (Option<Target>, Check, Spelling) {
    let Some(table) = dictionary::table(kind) else {
        return (None, Check::Text, Spelling::Unknown);
    };
    if let Some(index) = exact(table, name) {
        let check = table.fields.get(index).map_or(Check::Text, |field| field.check);
        return (Some(Target::Field(index)), check, Spelling::Right);
    }
    if let Some(canonical) = item(table, name) {
        return (Some(Target::Row(name.to_owned())), row_check(canonical), Spelling::Right);
    }
    let meant = meant(table, name);
    let target = meant.as_deref().and_then(|meant| match exact(table, meant) {
        Some(index) => Some(Target::Field(index)),
        None => item(table, meant).map(|_| Target::Row(meant.to_owned())),
    });
    (target, Check::Text, Spelling::Wrong(meant))
}

/// The canonical field of `target`, within the row for a numbered item.
pub(super) fn field(kind: Kind, target: &Target) -> Option<&'static str> {
    let table = dictionary::table(kind)?;
    match target {
        Target::Field(index) => table.fields.get(*index).map(|field| field.name),
        Target::Row(name) => item(table, name),
    }
}

/// How to write the macro of a canonical field, without braces.
pub(super) fn of_field(canonical: &str) -> String {
    let preferred = ALSO
        .iter()
        .find(|(name, field)| *field == canonical && PREFERRED.contains(name))
        .map(|(name, _)| (*name).to_owned());
    preferred.unwrap_or_else(|| pascal(canonical))
}

/// Every way to write the macro of a canonical field, the one to write first: for the reference.
#[cfg(test)]
pub(in crate::event) fn spellings(canonical: &str) -> Vec<String> {
    let also = ALSO.iter().filter(|(_, field)| *field == canonical).map(|(name, _)| *name);
    let mut names = vec![of_field(canonical)];
    for name in std::iter::once(pascal(canonical)).chain(also.map(str::to_owned)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// How the numbered macros of an item's field begin.
#[cfg(test)]
pub(in crate::event) fn item_spellings(canonical: &str) -> Vec<String> {
    let words = ITEM_WORDS.iter().filter(|(_, field)| *field == canonical);
    words.map(|(word, _)| format!("Item{word}")).collect()
}

fn exact(table: &Table, name: &str) -> Option<usize> {
    let also = ALSO.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
    let of_table = |canonical: &str| table.fields.iter().position(|field| field.name == canonical);
    also.and_then(of_table)
        .or_else(|| table.fields.iter().position(|field| pascal(field.name) == name))
}

/// The digits at the end of the name of a numbered macro.
pub(super) fn number(name: &str) -> &str {
    let word = name.trim_end_matches(|last: char| last.is_ascii_digit());
    name.strip_prefix(word).unwrap_or_default()
}

/// The row's field that `ItemSku1` and its like mean.
fn item(table: &Table, name: &str) -> Option<&'static str> {
    let (word, number) = numbered(table, name)?;
    let word = word.strip_prefix("Item")?;
    let (_, canonical) = ITEM_WORDS.iter().find(|(known, _)| *known == word)?;
    (!number.is_empty()).then_some(*canonical)
}

/// Whether a name is a macro of a line item, with its number or without, or a field of one.
pub(super) fn is_of_item(kind: Kind, name: &str) -> bool {
    let words = || ITEM_WORDS.iter().any(|(_, canonical)| *canonical == name);
    let has_items = |table: &Table| numbered(table, name).is_some();
    dictionary::table(kind).is_some_and(|table| {
        has_items(table)
            && (words() || item(table, name).or_else(|| item(table, &format!("{name}1"))).is_some())
    })
}

/// A name and the digits at its end, where the kind has items.
fn numbered<'n>(table: &Table, name: &'n str) -> Option<(&'n str, &'n str)> {
    let spec: &Spec = table.rows?;
    let word = name.trim_end_matches(|last: char| last.is_ascii_digit());
    (spec.name == ITEMS.name).then_some((word, name.strip_prefix(word)?))
}

fn row_check(canonical: &str) -> Check {
    let fields = dictionary::row_table(&ITEMS).fields;
    fields.iter().find(|field| field.name == canonical).map_or(Check::Text, |field| field.check)
}

/// The right spelling of what was probably meant.
fn meant(table: &Table, wrong: &str) -> Option<String> {
    let normal = normal_text(wrong)?;
    if let Some((name, _)) =
        ALSO.iter().find(|(name, _)| normal_text(name).as_ref() == Some(&normal))
        && exact(table, name).is_some()
    {
        return Some((*name).to_owned());
    }
    item_meant(table, &normal)
        .or_else(|| nearest(table, wrong).map(of_field))
        // Without a number it is of the first item.
        .or_else(|| item_meant(table, &format!("{normal}1")))
}

fn item_meant(table: &Table, normal: &str) -> Option<String> {
    let (word, number) = numbered(table, normal)?;
    if number.is_empty() || !word.starts_with("it") {
        return None;
    }
    let known = ITEM_WORDS.iter().map(|(known, _)| format!("Item{known}"));
    let changes = |known: &String| levenshtein(word, &known.to_ascii_lowercase());
    let best = known.min_by_key(changes)?;
    let is_near = changes(&best) * 3 <= word.len();
    is_near.then(|| format!("{best}{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: Kind, name: &str) -> Option<&'static str> {
        match find(kind, name) {
            (Some(Target::Field(index)), _, Spelling::Right) => {
                Some(dictionary::table(kind)?.fields.get(index)?.name)
            }
            _ => None,
        }
    }

    fn suggestion(name: &str) -> Option<String> {
        match find(Kind::Action, name).2 {
            Spelling::Wrong(meant) => meant,
            other => panic!("{name} is {other:?}"),
        }
    }

    #[test]
    fn every_field_has_a_macro() {
        for kind in Kind::ALL {
            for known in dictionary::table(kind).iter().flat_map(|table| table.fields) {
                assert_eq!(field(kind, &of_field(known.name)), Some(known.name), "{kind}");
            }
        }
    }

    #[test]
    fn macros_are_known_by_their_exact_spelling() {
        for (name, canonical) in [
            ("ActionId", "action_id"),
            ("SubId1", "sub_id1"),
            ("CustomerPostCode", "customer_post_code"),
            ("Oid", "order_id"),
            ("OrderId", "order_id"),
            ("ProgramId", "campaign_id"),
            ("ActionStatus", "status"),
        ] {
            assert_eq!(field(Kind::Action, name), Some(canonical), "{name}");
        }
        let item = Some(Target::Row("ItemSku12".to_owned()));
        assert_eq!(find(Kind::Action, "ItemSku12").0, item);
        assert_eq!(find(Kind::Custom, "ActionId").2, Spelling::Unknown);
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_one() {
        for (wrong, right) in [
            ("subid1", "SubId1"),
            ("Payot", "Payout"),
            ("oid", "Oid"),
            ("State", "Status"),
            ("action_id", "ActionId"),
            ("ItemSKU1", "ItemSku1"),
            ("ItemQuantty2", "ItemQuantity2"),
            ("ItemSku", "ItemSku1"),
            ("programID", "ProgramId"),
        ] {
            assert_eq!(suggestion(wrong).as_deref(), Some(right), "{wrong}");
        }
        assert_eq!(suggestion("ShoeSize"), None);
    }
}
