//! `docs/fields.md`.

use std::fmt::Write as _;

use super::super::Kind;
use super::super::check::Check;
use super::super::dictionary::{self, GENERIC, NEUTRAL, Table};
use super::super::fields::Field;
use super::super::path::normal_text;
use super::super::rows::{ITEMS, PLAIN_ITEMS, Spec};
use super::super::template::{item_spellings, spellings};

#[test]
fn the_published_fields_are_those_of_the_dictionary() {
    super::hold("fields.md", &reference());
}

fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    write!(page, "{}.\n\n{GENERIC_WORDS}{}.\n", coded(NEUTRAL, ", "), coded(GENERIC, ", "))
        .unwrap();
    page.push_str(TYPES);
    for (kinds, table) in super::tables() {
        kind(&mut page, &kinds, table);
    }
    writeln!(page, "{CUSTOM}{}.", coded(PLAIN_ITEMS.containers, ", ")).unwrap();
    page
}

fn kind(page: &mut String, kinds: &[Kind], table: &Table) {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let key = kinds.first().and_then(|kind| kind.default_key()).unwrap();
    write!(
        page,
        "\n## {}\n\nKept in order by `{key}`. Wrappers of its own: {}.\n\n",
        names.join(" and "),
        coded(table.wrappers, ", "),
    )
    .unwrap();
    rows(page, table, &|field| spellings(field.name));
    if let Some(spec) = table.rows {
        list(page, spec);
    }
}

fn list(page: &mut String, spec: &Spec) {
    let is_items = spec.name == ITEMS.name;
    write!(
        page,
        "\n### {}, a list\n\nThe list, or one entry of it, may be called {}.\n\n",
        spec.name,
        coded(spec.containers, ", "),
    )
    .unwrap();
    let macros = |field: &Field| {
        let words = item_spellings(field.name).into_iter().filter(|_| is_items);
        words.map(|word| format!("{word}1")).collect()
    };
    rows(page, dictionary::row_table(spec), &macros);
}

fn rows(page: &mut String, table: &Table, macros: &dyn Fn(&Field) -> Vec<String>) {
    page.push_str(
        "| field | type | macro | other names | personal data |\n|---|---|---|---|---|\n",
    );
    for field in table.fields {
        let macros = macros(field);
        // A macro's name is known as a key as well, and stands here once.
        let is_macro =
            |also: &str| macros.iter().any(|name| normal_text(name).as_deref() == Some(also));
        let also: Vec<&str> = field.also.iter().copied().filter(|also| !is_macro(also)).collect();
        let macros: Vec<String> = macros.iter().map(|name| format!("`{{{name}}}`")).collect();
        writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            field.name,
            kind_of_value(field.check),
            macros.join(", "),
            coded(&also, ", "),
            if field.personal { "yes" } else { "" },
        )
        .unwrap();
    }
}

fn kind_of_value(check: Check) -> String {
    match check {
        Check::Text => "text".to_owned(),
        Check::Decimal => "decimal".to_owned(),
        Check::Time => "time".to_owned(),
        Check::Date => "date".to_owned(),
        Check::Currency => "currency".to_owned(),
        Check::Word(words) => coded(words, " "),
        Check::Open => "word".to_owned(),
    }
}

fn coded(words: &[&str], between: &str) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(between)
}

const INTRODUCTION: &str = "\
# Fields

Every field of the canonical body, in its order. A test makes this page from the dictionary in `src/event/`;
`event.schema.json` beside it says the same to programs.

**Names.** A key means a field by its macro (where the route has a template), by the route's own `fields`, or by a name
below: letter case, `_`, `-`, `.`, spaces and square brackets are ignored, so `SubId1`, `sub_id_1` and `subid1` are one.
What is none of these goes to `custom` as it came. So does a key such as `user_id`, under which everybody sends something
else: a template or `fields = { user_id = \"sub_id1\" }` says what it is.

**Places.** A nested value is matched by its path, longest suffix first: `{\"campaign\":{\"id\":7}}` is `campaign_id`, and so
are `<Campaign Id=\"7\"/>`, `campaign[id]=7` and `campaign.id=7`. An object that stands alone around everything else is a
wrapper and means nothing. So do these, everywhere: ";

const GENERIC_WORDS: &str = "\
A generic word is a field only where nothing but wrappers stands around it: `status` is the event's own, `order.status` is
not. These are generic: ";

const TYPES: &str = "
**Money.** A decimal may be an object: `{\"payout\":{\"amount\":\"1.00\",\"currency\":\"USD\"}}` is `payout` and `currency`;
`value` is read as `amount` is.

**Lists.** The entries of a list come as a JSON array, as repeated XML elements, or under numbered keys: `ItemSku1`,
`items[0][sku]`, `items.0.sku`. Entries that say nothing are left out.

**Types.** Every value is text exactly as received, or `null` where it was empty or a macro that was never substituted.
What does not fit its type stays as it is, and a warning says so.

| type | values |
|---|---|
| text | anything |
| decimal | digits, perhaps with `-` before and a fraction after: `-27.75` |
| time | ISO 8601 with an offset: `2024-09-10T10:42:38-07:00` |
| date | ISO 8601, with or without a time, with or without an offset |
| currency | three letters, upper-cased: `USD` |
| `A` `B` | one of these words, upper-cased |
| word | a word of a list that impact.com may extend, upper-cased |
";

const CUSTOM: &str = "
## custom

No field but those that the route names in `fields`. `items` is a list as above; it, or one entry of it, may be called ";
