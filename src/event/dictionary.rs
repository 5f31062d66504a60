//! The dictionary of each kind: which field a name means.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

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
    /// Normal name → place in `fields`; sorted.
    pub(super) names: Vec<(String, usize)>,
    /// The same, to be looked up, and the usual spellings of each field. The names are known, so
    /// nobody can choose them to collide.
    places: HashMap<Box<[u8]>, usize, FixedState>,
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
        names.sort_unstable();
        let spelled = fields.iter().enumerate().flat_map(|(index, field)| {
            spellings(field.name).map(|name| (name.into_bytes().into(), index))
        });
        let place = |(name, index): &(String, usize)| (Box::from(name.as_bytes()), *index);
        let places = names.iter().map(place).chain(spelled).collect();
        Self { fields, wrappers, rows, names, places }
    }

    /// The field that a name means, which is in normal form or, to save making one of it, as it
    /// came: most are spelled in a usual way.
    pub(super) fn lookup(&self, name: &[u8]) -> Option<usize> {
        self.places.get(name).copied()
    }

    #[cfg(test)]
    pub(super) fn spellings(&self) -> impl Iterator<Item = &str> {
        self.places.keys().filter_map(|name| str::from_utf8(name).ok())
    }
}

/// `sub_id1`, `subId1`, `SubId1`.
fn spellings(name: &str) -> [String; 3] {
    let pascal = pascal(name);
    let (first, rest) = pascal.split_at_checked(1).unwrap_or_default();
    let camel = first.to_ascii_lowercase() + rest;
    [name.to_owned(), camel, pascal]
}

/// `sub_id1` → `SubId1`, which is how impact.com writes most of its macros.
#[must_use]
pub fn pascal(name: &str) -> String {
    let mut pascal = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut letters = word.chars();
        pascal.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        pascal.push_str(letters.as_str());
    }
    pascal
}

/// What stands inside a money value: `{"payout":{"amount":"1.00","currency":"USD"}}` is a payout,
/// and by no means an amount. Its currency is that of the event or of the row, unless it has a
/// field of its own.
fn money(fields: &[Field], names: &[(String, usize)]) -> Vec<(String, usize)> {
    let currency = fields.iter().position(|field| field.name == "currency");
    let mut inside = Vec::new();
    for (name, index) in names {
        let is_money =
            fields.get(*index).is_some_and(|field| matches!(field.check, Check::Decimal));
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
        let wrappers =
            &["action", "actions", "clearing", "actionclearing", "conversion", "conversions"];
        Table::new(fields::ACTION, wrappers, Some(&ITEMS))
    });
    static INQUIRY: LazyLock<Table> = LazyLock::new(|| {
        let wrappers = &["inquiry", "inquiries", "actioninquiry", "actioninquiries"];
        Table::new(fields::INQUIRY, wrappers, Some(&COMMENTS))
    });
    static CATALOG: LazyLock<Table> = LazyLock::new(|| {
        let wrappers = &["item", "items", "product", "products", "catalogitem", "catalogitems"];
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
    if spec.name == COMMENTS.name { &COMMENT } else { &ITEM }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<&'static Table> {
        let kinds = Kind::ALL.into_iter().filter_map(table);
        kinds.chain([row_table(&ITEMS), row_table(&COMMENTS)]).collect()
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
        for name in
            ["action_id", "actionId", "ActionId", "actionid", "aid", "txid", "Transaction-Id"]
        {
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
    fn usual_spellings_are_known_as_they_come() {
        assert_eq!(spellings("sub_id1"), ["sub_id1", "subId1", "SubId1"]);
        let table = table(Kind::Action).unwrap();
        for name in ["action_id", "actionId", "ActionId", "oid"] {
            assert!(table.lookup(name.as_bytes()).is_some(), "{name}");
        }
        assert_eq!(table.lookup(b"ACTION_ID"), None);
    }

    #[test]
    fn what_stands_inside_a_money_value_is_of_that_value() {
        let found = |table: &Table, name: &str| {
            table.lookup(name.as_bytes()).map(|index| table.fields[index].name)
        };
        let action = table(Kind::Action).unwrap();
        assert_eq!(found(action, "payoutamount"), Some("payout"));
        assert_eq!(found(action, "deltapayoutvalue"), Some("delta_payout"));
        assert_eq!(found(action, "payoutcurrency"), Some("currency"));
        assert_eq!(found(action, "orderamount"), Some("amount"));
        assert_eq!(found(action, "originalamountcurrency"), Some("original_currency"));
        let item = row_table(&ITEMS);
        assert_eq!(found(item, "rebatecurrency"), Some("rebate_currency"));
    }
}
