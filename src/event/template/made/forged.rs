//! Values that are put together to deceive: one opens what another one closes, so that the literal
//! text between them is hidden, and both bring along the same text with other values in it.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::text;
use super::{Made, TEXTS, all_values, check, made, put_together, thousands, values_of};
use crate::event::{Format, Template};

/// A way to hide literal text, and to go on behind it.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// By the other quote, in attributes.
    Quote,
    /// By what begins and ends there.
    Between(&'static str, &'static str),
}

const XML: &[Way] = &[
    Way::Quote,
    Way::Between("<!--", "-->"),
    Way::Between("<?p ", "?>"),
    Way::Between("<![CDATA[", "]]>"),
    Way::Between("\">", ""),
];
const JSON: &[Way] = &[
    Way::Between("\\", ", \""),
    Way::Between("\\", ",\""),
    Way::Between("[{\"v\":1", "}]"),
    Way::Between("\"", "\""),
];
const PAIRS: &[Way] = &[Way::Between("", "&"), Way::Between("&&", ""), Way::Between("#", "")];

/// Where hiding begins, from which slot on the text is brought along again, where that ends, and how.
type Draw = (Index, Index, Index, Index);

/// Changes two of the values, where two of them can be any text.
fn forge(made: &Made, draw: &Draw, values: &mut [String]) {
    let template = Template::parse(&made.source, made.kind, Some(made.format)).unwrap();
    let pieces = text::scan(&made.source, template.sent.clone(), made.format, made.kind);
    let is_text = |slot: &usize| TEXTS.iter().any(|(name, _)| *name == made.stands[*slot].0);
    let texts: Vec<usize> = (0..made.stands.len()).filter(is_text).collect();
    if texts.len() < 2 {
        return;
    }
    let first = draw.0.index(texts.len() - 1);
    let (from, to) = (texts[first], texts[first + 1 + draw.1.index(texts.len() - first - 1)]);
    let hidden = from + 1 + draw.2.index(to - from);
    let ways = match made.format {
        Format::Json => JSON,
        Format::Xml => XML,
        Format::Form | Format::Query => PAIRS,
    };
    let again = |slot: usize| format!("{}{}", pieces.literals[slot], other(made.stands[slot].0));

    let before: String = (from + 1..hidden).map(again).collect();
    let behind: String = (hidden + 1..=to).map(again).collect();
    let opened = &pieces.literals[hidden];
    let (open, closed) = match ways[draw.3.index(ways.len())] {
        Way::Quote => {
            let quote = if opened.ends_with('"') { '\'' } else { '"' };
            let opened = opened.strip_suffix(['"', '\'']).unwrap_or(opened);
            let behind = behind.strip_prefix(['"', '\'']).unwrap_or(&behind);
            (format!("{opened}{quote}"), format!("{quote}{behind}"))
        }
        Way::Between(begin, end) => (format!("{opened}{begin}"), format!("{end}{behind}")),
    };
    values[from].push_str(&before);
    values[from].push_str(&open);
    values[to].insert_str(0, &closed);
}

/// What was not put in.
fn other(name: &str) -> &'static str {
    match name {
        "Payout" => "999.00",
        "Status" => "REVERSED",
        "Currency" => "XTS",
        "EventDate" => "2020-01-01T00:00:00Z",
        _ => "forged",
    }
}

proptest! {
    #![proptest_config(thousands())]

    #[test]
    fn what_two_values_hide_between_them_is_seen(
        made in made(), (texts, typed) in all_values(), draw in any::<Draw>(), is_plain in any::<bool>(),
    ) {
        let text = |index: usize| {
            if is_plain { String::new() } else { put_together(&texts[index], &made.source) }
        };
        let mut values = values_of(&made, text, &typed);
        forge(&made, &draw, &mut values);
        check(&made, &values)?;
    }
}
