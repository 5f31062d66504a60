//! The names that an operator writes into a route: whether they exist, and what was meant.

use strsim::levenshtein;

use super::Kind;
use super::dictionary::{Table, table};
use super::path::normal_text;

/// Why a `fields` entry or a `key` of a route cannot work: for `check`. `None`: it can.
///
/// The canonical name must be a field of the kind's dictionary. A `custom` route has no dictionary,
/// and may use any name that the canonical body does not use itself.
#[must_use]
pub fn unknown_field(kind: Kind, canonical: &str) -> Option<String> {
    let Some(table) = table(kind) else {
        if canonical.is_empty() {
            return Some("a canonical field needs a name".to_owned());
        }
        return RESERVED
            .contains(&canonical)
            .then(|| format!("the canonical body uses `{canonical}` itself"));
    };
    if table.fields.iter().any(|field| field.name == canonical) {
        return None;
    }
    let hint = match nearest(table, canonical) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "names are those of the canonical body, as `action_id`".to_owned(),
    };
    Some(format!("`{canonical}` is no canonical field of kind `{kind}`; {hint}"))
}

/// The names that the canonical body uses itself, so that no field can have them.
const RESERVED: &[&str] = &["event", "items", "custom", "warnings"];

/// The field that `wrong` means by another name, or that is spelled most like it.
pub(super) fn nearest(table: &Table, wrong: &str) -> Option<&'static str> {
    let wrong = normal_text(wrong)?;
    let name = |index: usize| table.fields.get(index).map(|field| field.name);
    if let Some(index) = table.lookup(wrong.as_bytes()) {
        return name(index);
    }
    let (changes, index) =
        table.names.iter().map(|(known, index)| (levenshtein(&wrong, known), *index)).min()?;
    (changes * 3 <= wrong.chars().count()).then(|| name(index))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_key_is_a_field() {
        for kind in Kind::ALL {
            let unknown = kind.default_key().and_then(|key| unknown_field(kind, key));
            assert_eq!(unknown, None);
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_one() {
        let hint = |name| unknown_field(Kind::Action, name).unwrap();
        assert!(hint("payot").contains("did you mean `payout`?"));
        assert!(hint("txid").contains("did you mean `action_id`?"));
        assert!(hint("ActionId").contains("did you mean `action_id`?"));
        assert!(!hint("shoe_size").contains("did you mean"));
        assert!(unknown_field(Kind::Inquiry, "payout").is_some());
        assert_eq!(unknown_field(Kind::Custom, "anything"), None);
        assert!(unknown_field(Kind::Custom, "event").is_some());
        assert!(unknown_field(Kind::Custom, "").is_some());
    }
}
