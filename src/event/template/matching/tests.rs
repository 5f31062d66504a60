use super::super::super::Kind;
use super::super::text;
use super::*;

fn read(template: &str, input: &str) -> Result<Vec<String>, &'static str> {
    let format = text::format(template);
    let range = text::sent(template, format);
    let pieces = text::scan(template, range, format, Kind::Action);
    let is_pairs = matches!(format, crate::event::Format::Query);
    match Pattern::new(&pieces, is_pairs).read(input) {
        Readings::None => Err("none"),
        Readings::Several => Err("several"),
        Readings::One(values) => {
            let texts = values.into_iter().map(|range| input.get(range).unwrap().to_owned());
            Ok(texts.collect())
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with a result")]
fn values(values: &[&str]) -> Result<Vec<String>, &'static str> {
    Ok(values.iter().map(|value| (*value).to_owned()).collect())
}

#[test]
fn values_stand_between_the_literals() {
    let template = r#"{"a":"{Note}","b":"{SubId1}"}"#;
    assert_eq!(read(template, r#"{"a":"x"y","b":""}"#), values(&["x\"y", ""]));
    assert_eq!(read(template, r#"{"a":"x","c":""}"#), Err("none"));
    assert_eq!(read(template, r#"{"a":"x","b":""} "#), Err("none"));
    assert_eq!(read("a=b", "a=b"), values(&[]));
    assert_eq!(read("a={Note}", "a=x&y"), values(&["x&y"]));
}

#[test]
fn two_readings_are_none() {
    assert_eq!(read("a={Note}&b={SubId1}", "a=1&b=2&b="), Err("several"));
    assert_eq!(read("a={Note}&b={SubId1}", "a=&b=&b=2"), Err("several"));
    assert_eq!(read("a={Note}{SubId1}", "a=xy"), Err("several"));
    assert_eq!(read("a={Note}{SubId1}", "a="), values(&["", ""]));
    // Overlapping places are two as well.
    assert_eq!(read(r#"["{Note}"",""{SubId1}"]"#, r#"["x"","",""y"]"#), Err("several"));
    assert_eq!(read("<a>{Note}</a></a>{SubId1}", "<a>x</a></a></a>y"), Err("several"));
}

#[test]
fn types_decide_where_they_can() {
    let template = "u={LandingPageUrl}&payout={Payout}&status={Status}&s={SubId1}";
    let read = |text| read(template, text);
    assert_eq!(
        read("u=h?a=1&payout=9&payout=-1.50&status=Reversed&s=x"),
        values(&["h?a=1&payout=9", "-1.50", "Reversed", "x"])
    );
    assert_eq!(
        read("u=h&payout=&status={Status}&s=x&payout=1&status=y&s=z"),
        values(&["h", "", "{Status}", "x&payout=1&status=y&s=z"])
    );
    // Both are decimals before a status.
    assert_eq!(read("u=h&payout=1&status=PENDING&s=&payout=2&status=PENDING&s="), Err("several"));
    // Clear without the types, so a payout may be anything.
    assert_eq!(read("u=h&payout=1,5&status=?&s="), values(&["h", "1,5", "?", ""]));
}

#[test]
fn a_type_decides_nothing_beyond_its_length_and_characters() {
    let decimal = |template: &str, text: &str| read(template, text);
    let long = "1".repeat(MOST_TYPED_BYTES);
    let split = |payout: &str| format!("p={payout}&s=a&s=b");
    let template = "p={Payout}&s={SubId1}";
    assert_eq!(decimal(template, &split(&long)), values(&[&long, "a&s=b"]));
    assert_eq!(decimal(template, &split(&format!("{long}1"))), Err("several"));
    // A literal that could belong to the value decides nothing.
    assert_eq!(decimal("p={Payout}-{SubId1}", "p=1-2-3"), Err("several"));
    assert_eq!(
        decimal("d={EventDate}&s={SubId1}", "d=2024-09-10T10%3A42%3A38Z&s=a&s=b"),
        values(&["2024-09-10T10%3A42%3A38Z", "a&s=b"])
    );
}

/// What makes a search start over again and again: `piece` repeated to `bytes`.
const HARD: &[(&str, &str, &str, &str)] = &[
    (r#"{"a":"{ActionId}","p":{Payout},"n":"{Note}"}"#, r#"{"a":""#, r#"","p":1,"n":""#, "\"}"),
    (r#"{"a":"{ActionId}","p":{Payout},"n":"{Note}"}"#, r#"{"a":""#, r#"","p":"#, "\"}"),
    (r#"{"a":"{ActionId}","p":{Payout},"n":"{Note}"}"#, r#"{"a":""#, "\"", "}"),
    ("<a>{Note}</a><p>{Payout}</p><u>{SubId1}</u>", "<a>", "</a><p>1</p><u>", "</u>"),
    ("<a>{Note}</a><p>{Payout}</p><u>{SubId1}</u>", "<a>", "</a><p>", "</u>"),
    ("a={Note}&p={Payout}&s={Status}&u={SubId1}", "a=", "&p=1&s=PENDING", "&u="),
    ("a={Note}&p={Payout}&s={Status}&u={SubId1}", "a=", "&p=1&s=PENDIN", "&u="),
    ("a={Note}&p={Payout}&u={SubId1}", "a=", "&p=11111111111111111111", "&u="),
    ("aaaaaaaa{Note}aaaaaaaaaaaaaaaa{Payout}aaaa", "aaaaaaaa", "a", "a"),
    ("aaaaaaaa{Note}aaaaaaaaaaaaaaaa{Payout}b{SubId1}", "aaaaaaaa", "a", "b"),
];

/// The steps of both searches together.
fn steps(pattern: &Pattern, text: &str) -> usize {
    let blocks = std::iter::once(&pattern.plain).chain(&pattern.typed);
    let steps = blocks.map(|blocks| {
        let mut search = Search::new(text);
        search.run(blocks);
        search.steps
    });
    steps.sum()
}

#[test]
fn time_is_linear_in_the_text() {
    const BYTES: usize = 1 << 18;
    for &(template, head, piece, tail) in HARD {
        let format = text::format(template);
        let pieces = text::scan(template, text::sent(template, format), format, Kind::Action);
        let pattern = Pattern::new(&pieces, format == crate::event::Format::Query);
        let steps = |bytes: usize| {
            let text = [head, &piece.repeat(bytes / piece.len()), tail].concat();
            steps(&pattern, &text)
        };
        let [once, twice, fourfold] = [BYTES, 2 * BYTES, 4 * BYTES].map(steps);
        println!("{once:>8} {twice:>8} {fourfold:>8} steps: {template} by {piece}");
        assert!(twice <= once * 2 + FIXED_STEPS, "{template} by {piece}");
        assert!(fourfold <= once * 4 + 2 * FIXED_STEPS, "{template} by {piece}");
        // Two searches, and what the last block may add when the steps are used up.
        assert!(fourfold <= 2 * (4 * BYTES * STEPS_PER_BYTE + 2 * FIXED_STEPS), "{template}");
    }
}

/// Every reading there is, by trying all of them.
fn count(literals: &[String], text: &str) -> usize {
    let Some((last, before)) = literals.split_last() else { return 0 };
    if before.is_empty() {
        return usize::from(text == last);
    }
    let Some(rest) = text.strip_suffix(last.as_str()) else { return 0 };
    (0..=rest.len()).filter_map(|end| rest.get(..end)).map(|head| count(before, head)).sum()
}

proptest::proptest! {
    #[test]
    fn there_is_one_reading_where_trying_all_finds_one(
        literals in proptest::collection::vec("[ab]{0,3}", 1..5),
        text in "[ab]{0,10}",
    ) {
        let template = literals.join("{Note}");
        let pieces = text::scan(
            &template, 0..template.len(), crate::event::Format::Json, Kind::Action,
        );
        let wanted = match count(&pieces.literals, &text) {
            0 => "none",
            1 => "one",
            _ => "several",
        };
        let found = match Pattern::new(&pieces, false).read(&text) {
            Readings::None => "none",
            Readings::One(_) => "one",
            Readings::Several => "several",
        };
        proptest::prop_assert_eq!(wanted, found);
    }
}
