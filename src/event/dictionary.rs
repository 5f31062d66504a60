//! The dictionary of each kind: which field a name means.

use std::cmp::Ordering;
use std::sync::LazyLock;

use super::Kind;
use super::check::Check;
use super::fields::{self, Field};
use super::path::normal_text;
use super::rows::{COMMENTS, ITEMS, Spec};

/// The fields of one kind, or of one row of a list, and how to find them.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) fields: &'static [Field],
    /// Objects that may stand around the fields and mean nothing, beside [`NEUTRAL`].
    pub(super) wrappers: &'static [&'static str],
    /// The list that events of the kind can have.
    pub(super) rows: Option<&'static Spec>,
    /// Normal name → place in `fields`; sorted by length first, which is quick to compare.
    names: Vec<(String, usize)>,
}

impl Table {
    fn new(
        fields: &'static [Field],
        wrappers: &'static [&'static str],
        rows: Option<&'static Spec>,
    ) -> Self {
        let mut names = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            names.extend(normal_text(field.name).map(|name| (name, index)));
            names.extend(field.also.iter().map(|&name| (name.to_owned(), index)));
        }
        names.extend(money(fields, &names));
        names.sort_unstable_by(|(left, _), (right, _)| order(left.as_bytes(), right.as_bytes()));
        Self {
            fields,
            wrappers,
            rows,
            names,
        }
    }

    /// The field that a normal name means.
    pub(super) fn lookup(&self, normal: &[u8]) -> Option<usize> {
        let found = self
            .names
            .binary_search_by(|(name, _)| order(name.as_bytes(), normal))
            .ok()?;
        self.names.get(found).map(|&(_, index)| index)
    }
}

fn order(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// What stands inside a money value: `{"payout":{"amount":"1.00","currency":"USD"}}` is a payout,
/// and by no means an amount. Its currency is that of the event or of the row, unless it has a
/// field of its own.
fn money(fields: &[Field], names: &[(String, usize)]) -> Vec<(String, usize)> {
    let currency = fields.iter().position(|field| field.name == "currency");
    let mut inside = Vec::new();
    for (name, index) in names {
        let is_money = fields
            .get(*index)
            .is_some_and(|field| matches!(field.check, Check::Decimal));
        if !is_money {
            continue;
        }
        inside.push((format!("{name}amount"), *index));
        inside.push((format!("{name}value"), *index));
        let own = format!("{name}currency");
        if let Some(currency) = currency
            && !names.iter().any(|(known, _)| *known == own)
        {
            inside.push((own, currency));
        }
    }
    inside
}

/// Words that mean a field only where nothing but wrappers stands around them: `status` is the
/// event's own, `order.status` is not. Better unknown than mistaken for money.
pub(super) const GENERIC: &[&str] = &[
    "amount",
    "category",
    "condition",
    "currency",
    "date",
    "description",
    "id",
    "name",
    "state",
    "status",
    "type",
    "uri",
    "url",
    "value",
];

/// Objects that may stand around the fields of any kind and mean nothing.
pub(super) const NEUTRAL: &[&str] = &[
    "attributes",
    "body",
    "content",
    "data",
    "details",
    "event",
    "fields",
    "info",
    "message",
    "notification",
    "params",
    "payload",
    "postback",
    "properties",
    "record",
    "request",
    "response",
    "result",
    "root",
    "webhook",
];

/// The dictionary of `kind`; a `custom` route has none.
pub(super) fn table(kind: Kind) -> Option<&'static Table> {
    static ACTION: LazyLock<Table> = LazyLock::new(|| {
        let wrappers = &[
            "action",
            "actions",
            "clearing",
            "actionclearing",
            "conversion",
        ];
        Table::new(fields::ACTION, wrappers, Some(&ITEMS))
    });
    static INQUIRY: LazyLock<Table> = LazyLock::new(|| {
        let wrappers = &["inquiry", "inquiries", "actioninquiry", "actioninquiries"];
        Table::new(fields::INQUIRY, wrappers, Some(&COMMENTS))
    });
    static CATALOG: LazyLock<Table> = LazyLock::new(|| {
        let wrappers = &[
            "item",
            "items",
            "product",
            "products",
            "catalogitem",
            "catalogitems",
        ];
        Table::new(fields::CATALOG, wrappers, None)
    });
    static TRACKING: LazyLock<Table> = LazyLock::new(|| {
        let wrappers = &["tracking", "trackingrequest", "trackingvaluerequest"];
        Table::new(fields::TRACKING, wrappers, None)
    });
    static JOB: LazyLock<Table> = LazyLock::new(|| Table::new(fields::JOB, &["job", "jobs"], None));
    match kind {
        Kind::Action | Kind::Clearing => Some(&ACTION),
        Kind::Inquiry => Some(&INQUIRY),
        Kind::Catalog => Some(&CATALOG),
        Kind::Tracking => Some(&TRACKING),
        Kind::Job => Some(&JOB),
        Kind::Custom => None,
    }
}

/// The dictionary of one row of a list.
pub(super) fn row_table(spec: &Spec) -> &'static Table {
    static ITEM: LazyLock<Table> = LazyLock::new(|| Table::new(fields::ITEM, &[], None));
    static COMMENT: LazyLock<Table> = LazyLock::new(|| Table::new(fields::COMMENT, &[], None));
    if spec.name == COMMENTS.name {
        &COMMENT
    } else {
        &ITEM
    }
}

/// The names that the canonical body uses itself, so that no field can have them.
const RESERVED: &[&str] = &["event", "items", "custom", "warnings"];

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
    Some(format!(
        "`{canonical}` is no canonical field of kind `{kind}`; {hint}"
    ))
}

/// The field that `wrong` means by another name, or that is spelled most like it.
fn nearest(table: &Table, wrong: &str) -> Option<&'static str> {
    let wrong = normal_text(wrong)?;
    let name = |index: usize| table.fields.get(index).map(|field| field.name);
    if let Some(index) = table.lookup(wrong.as_bytes()) {
        return name(index);
    }
    let (changes, index) = table
        .names
        .iter()
        .map(|(known, index)| (changes(&wrong, known), *index))
        .min()?;
    (changes * 3 <= wrong.chars().count()).then(|| name(index))?
}

/// Letters to add, drop or replace to make one word of the other (Levenshtein).
fn changes(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (above, a) in left.chars().enumerate() {
        let mut diagonal = above;
        let mut before = above + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(right.chars()) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            *cell = replaced.min(diagonal + 1).min(before + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<&'static Table> {
        let kinds = Kind::ALL.into_iter().filter_map(table);
        kinds
            .chain([row_table(&ITEMS), row_table(&COMMENTS)])
            .collect()
    }

    #[test]
    fn no_name_means_two_fields() {
        for table in tables() {
            for pair in table.names.windows(2) {
                assert_ne!(pair[0].0, pair[1].0);
            }
        }
    }

    #[test]
    fn other_names_are_written_as_they_are_looked_up() {
        for table in tables() {
            for name in table.fields.iter().flat_map(|field| field.also) {
                assert_eq!(normal_text(name).as_deref(), Some(*name));
            }
        }
    }

    #[test]
    fn names_in_the_field_are_known() {
        let found = |name: &str| {
            let table = table(Kind::Action).unwrap();
            let index = table.lookup(normal_text(name)?.as_bytes())?;
            Some(table.fields[index].name)
        };
        for name in [
            "action_id",
            "actionId",
            "ActionId",
            "actionid",
            "aid",
            "txid",
            "Transaction-Id",
        ] {
            assert_eq!(found(name), Some("action_id"), "{name}");
        }
        assert_eq!(found("Oid"), Some("order_id"));
        assert_eq!(found("commission"), Some("payout"));
        assert_eq!(found("ActionStatus"), Some("status"));
        assert_eq!(found("sub_id_1"), Some("sub_id1"));
        assert_eq!(found("click_id"), Some("ref_click_id"));
        assert_eq!(found("EventTypeId"), Some("action_tracker_id"));
        assert_eq!(found("user_id"), None);
    }

    #[test]
    fn what_stands_inside_a_money_value_is_of_that_value() {
        let found = |table: &Table, name: &str| {
            table
                .lookup(name.as_bytes())
                .map(|index| table.fields[index].name)
        };
        let action = table(Kind::Action).unwrap();
        assert_eq!(found(action, "payoutamount"), Some("payout"));
        assert_eq!(found(action, "deltapayoutvalue"), Some("delta_payout"));
        assert_eq!(found(action, "payoutcurrency"), Some("currency"));
        assert_eq!(found(action, "orderamount"), Some("amount"));
        assert_eq!(
            found(action, "originalamountcurrency"),
            Some("original_currency")
        );
        let item = row_table(&ITEMS);
        assert_eq!(found(item, "rebatecurrency"), Some("rebate_currency"));
    }

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

    #[test]
    fn changes_are_counted() {
        assert_eq!(changes("", "abc"), 3);
        assert_eq!(changes("payout", "payot"), 1);
        assert_eq!(changes("kitten", "sitting"), 3);
    }
}
