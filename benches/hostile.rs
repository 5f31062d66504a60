//! What input of a mebibyte can cost that was made to cost much: the time of one conversion, and
//! the memory it takes beside the input. Converted or refused, both are bounded.
//! `cargo bench --bench hostile` fails where a bound is passed; `cargo test` holds the memory,
//! which is the same on every machine.

#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use postgate::clock;
use postgate::event::{Format, Input, Kind, Rules, Template, convert};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const SIZE: usize = 1024 * 1024;

/// Of one conversion, in the best of [`ROUNDS`]: a bound on the work, whatever else runs.
const MOST_TIME: Duration = Duration::from_millis(50);
const ROUNDS: usize = 7;

/// Times its own size is what a request may take: the canonical body in it, and the input not.
const MOST_MEMORY: usize = 10 * SIZE;

fn main() -> ExitCode {
    let is_timed = std::env::args().any(|argument| argument == "--bench");
    let mut is_bounded = true;
    println!("{:<40} {:>9}  {:>9}  outcome", "a mebibyte of", "ms", "KiB more");
    for case in cases() {
        let (took, memory, outcome) = case.run(if is_timed { ROUNDS } else { 1 });
        let is_slow = is_timed && took > MOST_TIME;
        let mark = if is_slow || memory > MOST_MEMORY { "  TOO MUCH" } else { "" };
        is_bounded &= mark.is_empty();
        println!(
            "{:<40} {:>9.2}  {:>9}  {outcome}{mark}",
            case.title(),
            took.as_secs_f64() * 1e3,
            memory / 1024
        );
    }
    if is_bounded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Case {
    name: &'static str,
    format: Format,
    text: Vec<u8>,
    template: Option<Arc<Template>>,
}

impl Case {
    fn title(&self) -> String {
        match self.template {
            Some(_) => format!("near a template ({}): {}", self.format, self.name),
            None => self.name.to_owned(),
        }
    }

    /// Time of the best of `rounds`, memory at its highest, and what came of it.
    fn run(&self, rounds: usize) -> (Duration, usize, String) {
        let rules = Rules {
            format: Some(self.format),
            template: self.template.clone(),
            secret_parameter: Some("token".to_owned()),
            ..Rules::of(Kind::Action)
        };
        let input = match self.format {
            Format::Query => Input { query: Some(&self.text), ..Input::default() },
            _ => Input { body: &self.text, ..Input::default() },
        };
        // What is made once, the dictionary, is no cost of a request.
        let outcome = match convert(&input, &rules) {
            Ok(event) => format!("{} bytes", event.to_canonical().len()),
            Err(malformed) => malformed.reason.chars().take(60).collect(),
        };
        let mut best = Duration::MAX;
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        for _ in 0..rounds {
            let began = clock::instant();
            let converted = convert(black_box(&input), &rules).map(|event| event.to_canonical());
            best = best.min(began.elapsed());
            drop(black_box(converted));
        }
        (best, ALLOCATOR.peak_usage().saturating_sub(before), outcome)
    }
}

fn cases() -> Vec<Case> {
    let case =
        |name, format, text: String| Case { name, format, text: text.into_bytes(), template: None };
    let mut cases = Vec::new();
    cases.extend(json().into_iter().map(|(name, text)| case(name, Format::Json, text)));
    cases.extend(xml().into_iter().map(|(name, text)| case(name, Format::Xml, text)));
    for (name, text) in pairs() {
        cases.push(case(name, Format::Form, text.clone()));
        cases.push(case(name, Format::Query, text));
    }
    cases.extend(near_misses());
    cases
}

/// `piece` again and again, about a mebibyte of it.
fn many(head: &str, piece: &str, tail: &str) -> String {
    [head, &piece.repeat(SIZE / piece.len()), tail].concat()
}

/// As many fields as the limit allows, in about a mebibyte; `field` makes one out of its number
/// and of what fills it up.
fn full(separator: &str, field: impl Fn(usize, &str) -> String) -> String {
    const FIELDS: usize = 990;
    let filling = "x".repeat(SIZE / FIELDS);
    (0..FIELDS).map(|number| field(number, &filling)).collect::<Vec<_>>().join(separator)
}

fn json() -> Vec<(&'static str, String)> {
    let long = "n".repeat(SIZE / 2);
    let nested = |inner: &str| format!("{}{inner}{}", "{\"a\":".repeat(30), "}".repeat(30));
    vec![
        ("open lists", "[".repeat(SIZE)),
        ("open objects", many("", "{\"a\":", "")),
        ("nested lists", format!("{{\"a\":{}{}}}", "[".repeat(SIZE / 2), "]".repeat(SIZE / 2))),
        ("a wide list", many("{\"a\":[0", ",0", "]}")),
        ("empty objects", many("{\"a\":[{}", ",{}", "]}")),
        ("keys", many("{\"k\":1", ",\"k\":1", "}")),
        ("keys, as many as may be", format!("{{{}}}", full(",", |n, x| format!("\"{x}{n}\":{n}")))),
        (
            "values, as many as may be",
            format!("{{{}}}", full(",", |n, x| format!("\"{n}\":\"{x}\""))),
        ),
        (
            "one key, every time the same",
            format!("{{{}}}", full(",", |_, x| format!("\"k\":\"{x}\""))),
        ),
        ("a list below 30 levels", nested(&format!("[{}]", full(",", |_, x| format!("\"{x}\""))))),
        (
            "keys below 30 levels",
            nested(&format!("{{{}}}", full(",", |n, x| format!("\"{n}\":\"{x}\"")))),
        ),
        (
            "macros below a long name",
            format!("{{\"{long}\":[{}]}}", full(",", |_, _| "\"{A}\"".to_owned())),
        ),
        (
            "items below a long name",
            format!("{{\"b\":1,\"{long}\":{{{}}}}}", full(",", |_, _| "\"items\":[]".to_owned())),
        ),
        (
            "items",
            format!(
                "{{\"items\":[{}]}}",
                full(",", |n, x| format!("{{\"x{n}\":\"{}\"}}", &x.len()))
            ),
        ),
        (
            "numbered items",
            format!("{{{}}}", full(",", |n, x| format!("\"items[{n}][a]\":\"{x}\""))),
        ),
        ("an item's name of many parts", many("{\"items[0]", "[a]", "\":1}")),
        ("a name of many parts", many("{\"a", ".a", "\":1}")),
        ("short escapes", many("{\"a\":\"", "\\n", "\"}")),
        ("long escapes", many("{\"a\":\"", "\\u0001", "\"}")),
        ("escaped quotes, not closed", many("{\"a\":\"", "\\\"", "")),
        ("digits", many("{\"a\":", "9", "}")),
        ("spaces", many("{\"a\":", " ", "1}")),
    ]
}

fn xml() -> Vec<(&'static str, String)> {
    let space = "s".repeat(SIZE / 2);
    let element = |n: usize, x: &str| format!("<e{n}>{x}</e{n}>");
    vec![
        ("open elements", many("", "<a>", "")),
        ("nested elements", format!("{}{}", "<a>".repeat(SIZE / 7), "</a>".repeat(SIZE / 7))),
        ("elements", many("<r>", "<a/>", "</r>")),
        ("elements, as many as may be", format!("<r>{}</r>", full("", element))),
        ("attributes", many("<r", " a=''", "/>")),
        (
            "attributes, as many as may be",
            format!("<r {}/>", full(" ", |n, x| format!("a{n}='{x}'"))),
        ),
        (
            "attributes of a long namespace",
            format!("<r xmlns:p='{space}' {}/>", full(" ", |n, _| format!("p:a{n}=''"))),
        ),
        ("namespaces", format!("<r {}><p0:a/></r>", full(" ", |n, x| format!("xmlns:p{n}='{x}'")))),
        ("prefixes", {
            let declared =
                full(" ", |n, x| if n < 500 { format!("xmlns:{x}{n}='u'") } else { String::new() });
            let used = "x".repeat(SIZE / 990);
            format!("<r {declared}>{}</r>", format!("<{used}0:a/>").repeat(450))
        }),
        ("entities", many("<r><a>", "&amp;", "</a></r>")),
        ("references", many("<r><a>", "&#1114109;", "</a></r>")),
        ("references in an attribute", many("<r a='", "&#9;", "'/>")),
        ("sections", many("<r><a>", "<![CDATA[x]]>", "</a></r>")),
        ("comments", many("<r><a>1</a>", "<!---->", "</r>")),
        ("instructions", many("<r><a>1</a>", "<?a?>", "</r>")),
        ("a DOCTYPE", many("<!DOCTYPE r [", "<!ENTITY a 'b'>", "]><r><a>&a;</a></r>")),
        ("brackets", many("<r><a>", "]", "</a></r>")),
        ("line ends", many("<r><a>", "\r\n", "</a></r>")),
    ]
}

fn pairs() -> Vec<(&'static str, String)> {
    vec![
        ("ampersands", "&".repeat(SIZE)),
        ("ampersands around one pair", many("a=1", "&", "")),
        ("empty names", many("a=1", "&=", "")),
        ("pairs, as many as may be", full("&", |n, x| format!("{x}{n}={n}"))),
        ("secrets", many("a=1", "&token=x", "")),
        ("escapes", many("a=", "%41", "")),
        ("control characters", many("a=", "\u{1}", "")),
        (
            "control characters in many fields",
            full("&", |n, x| format!("{n}={}", "\u{1}".repeat(x.len()))),
        ),
        ("broken escapes", many("a=", "%", "")),
        ("numbered items", full("&", |n, x| format!("ItemSku{n}={x}"))),
        ("values of 50 known fields", full("&", |n, x| format!("sub_id1={x}&note={n}"))),
    ]
}

/// What makes matching against a template start over again and again: what the input begins with,
/// what repeats, and what it ends with.
fn near_misses() -> Vec<Case> {
    const JSON: &str = r#"{"a":"{ActionId}","p":"{Payout}","n":"{Note}","s":"{Status}"}"#;
    const BARE: &str =
        r#"{"a":"{ActionId}","p":{Payout},"n":"{Note}","s":"{Status}","u":"{SubId1}"}"#;
    const XML: &str =
        "<r><a>{ActionId}</a><p>{Payout}</p><n>{Note}</n><s>{Status}</s><u>{SubId1}</u></r>";
    const QUERY: &str = "https://a.example/?a={ActionId}&p={Payout}&n={Note}&s={Status}&token=t";
    const WORDS: &str = "a={ActionId}&n={Note}&p={Payout}&s={Status}&u={SubId1}";
    const LITERALS: &str = "aaaaaaaa{Note}aaaaaaaaaaaaaaaa{Payout}aaaa";
    let (json, xml, query) = (Format::Json, Format::Xml, Format::Query);
    let near = |name, format, template, [head, piece, tail]: [&str; 3]| {
        against(name, format, template, many(head, piece, tail))
    };
    vec![
        near("members", json, JSON, [r#"{"a":""#, r#"","p":"1","n":""#, r#"","s":"x"}"#]),
        near("quotes", json, JSON, [r#"{"a":""#, "\"", r#"","s":"x"}"#]),
        near(
            "members without a number",
            json,
            BARE,
            [r#"{"a":""#, r#"","p":"#, r#","n":"","s":"","u":""}"#],
        ),
        near(
            "ends",
            json,
            BARE,
            [r#"{"a":"","p":1,"n":""#, r#"","s":"PENDING","u":""#, "\"} x\"}"],
        ),
        many_keys(),
        near("elements", xml, XML, ["<r><a>", "</a><p>1</p><n>", "</n><s></s><u></u></r>"]),
        near(
            "comments",
            xml,
            XML,
            ["<r><a>", "<!--</a>-->", "</a><p>1</p><n></n><s></s><u></u></r>"],
        ),
        near("pairs", query, QUERY, ["a=1", "&n=&p=1&s=PENDING", "&s="]),
        near("words", query, WORDS, ["a=&n=", "&p=1&s=PENDIN", "&u="]),
        near("ampersands", query, QUERY, ["a=1&p=1&n=1&s=1&token=t", "&", ""]),
        near("empty pairs", query, QUERY, ["a=1&p=1&token=t", "&=", "&n=1&s=1"]),
        near("literals", query, LITERALS, ["aaaaaaaa", "a", "a"]),
    ]
}

/// Keys that the template has not, beside a template of many.
fn many_keys() -> Case {
    let keys: Vec<String> = (0..900).map(|n| format!("\"k{n}\":\"{{Note}}\",")).collect();
    let template = format!("{{{}\"a\":\"{{ActionId}}\"}}", keys.concat());
    let keys = full(",", |n, x| format!("\"k{n}\":\"{}\"", x.len()));
    against("900 keys", Format::Json, &template, format!("{{{keys}}}"))
}

#[expect(clippy::expect_used, reason = "a case against no template would measure nothing")]
fn against(name: &'static str, format: Format, template: &str, text: String) -> Case {
    let template = Template::parse(template, Kind::Action, Some(format)).expect("it is a template");
    Case { name, format, text: text.into_bytes(), template: Some(Arc::new(template)) }
}
