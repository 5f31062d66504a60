//! The values and the JSON texts that properties hold for.

use proptest::prelude::*;

use crate::event::warnings::MORE;

/// Values that break a careless codec. XML cannot carry other control characters.
pub(super) fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "[\"'&<>%+=#;\\\\{}\\[\\]/,: \t\r\n]{1,8}",
        "[ éß漢🎉\u{200b}\u{2028}]{1,6}",
        Just(String::new()),
        Just("{SubId4}".to_owned()),
        Just("reversed".to_owned()),
        Just("]]>".to_owned()),
        Just("-27.75".to_owned()),
        Just("2024-09-10T10:42:38-07:00".to_owned()),
    ]
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// JSON objects out of names that mean something somewhere.
pub(super) fn tree() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        value().prop_map(|text| quoted(&text)),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("12.50".to_owned()),
    ];
    let name = proptest::sample::select(vec![
        "id",
        "action_id",
        "campaign",
        "status",
        "payout",
        "items",
        "item",
        "custom",
        "warnings",
        "event",
        "data",
        "#text",
        "",
        "0",
        "1",
        "sku",
        "ItemSku1",
        "items[0][x]",
        "foo",
        "comments",
        "comment",
        "name",
        "actions",
        "product",
        "note",
    ]);
    let object = move |inner: BoxedStrategy<String>| {
        proptest::collection::vec((name.clone(), inner), 0..4).prop_map(|members| {
            let members =
                members.into_iter().map(|(name, value)| format!("{}:{value}", quoted(name)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        })
    };
    let any_value = leaf.prop_recursive(4, 32, 4, {
        let object = object.clone();
        move |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..3)
                .prop_map(|entries| format!("[{}]", entries.join(",")));
            prop_oneof![object(inner.boxed()), list]
        }
    });
    object(any_value.boxed())
}

/// JSON objects with more wrong in them than is listed, under names that are shown alike, in lists
/// that come twice, beside warnings that were there before.
pub(super) fn troubled() -> impl Strategy<Value = String> {
    let known =
        vec!["payout", "amount", "currency", "status", "event_date", "quantity", "comment", "sku"];
    let name = prop_oneof![
        4 => proptest::sample::select(known).prop_map(str::to_owned),
        // Shown by its begin and its length.
        1 => "[a-c]".prop_map(|end| format!("{}{end}", "long".repeat(16))),
    ];
    let value =
        proptest::sample::select(vec!["\"x\"", "\"{Sku}\"", "\"1\"", "\"\"", "[\"{A}\",\"{A}\"]"]);
    let wrong = |most: usize| {
        let members = proptest::collection::btree_map(name.clone(), value.clone(), 0..most);
        members.prop_map(|members| {
            let members = members.iter().map(|(name, value)| format!("{}:{value}", quoted(name)));
            members.collect::<Vec<_>>().join(",")
        })
    };
    let rows = proptest::collection::vec(wrong(6), 0..30);
    let list = (rows, proptest::sample::subsequence(vec!["items", "lineItems", "comments"], 0..=2))
        .prop_map(|(rows, names)| {
            let rows: Vec<String> = rows.iter().map(|row| format!("{{{row}}}")).collect();
            names.iter().map(|name| format!("{}:[{}]", quoted(name), rows.join(","))).collect()
        });
    let carried = proptest::collection::vec(
        prop_oneof![
            6 => "[a-z]{1,2}",
            1 => Just(MORE.to_owned()),
            1 => Just("`payout` is not a decimal number".to_owned()),
        ],
        0..25,
    );
    (wrong(12), list, proptest::option::of(carried)).prop_map(
        |(wrong, lists, carried): (String, Vec<String>, _)| {
            let carried = carried.map(|texts| format!("\"warnings\":{}", serde_json::json!(texts)));
            let parts = std::iter::once(wrong).chain(lists).chain(carried);
            let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
            format!("{{{}}}", parts.join(","))
        },
    )
}
