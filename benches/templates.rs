//! Inputs of a mebibyte that nearly match the template of their route, and make matching start over
//! again and again: how long each takes, and how much more memory. `cargo bench --bench templates`
//! fails where one takes more than [`MOST_TIME`] or [`MOST_KIB`].
//!
//! Each runs in a process of its own, so that its peak of memory is its own. Linux alone tells that.

#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use postgate::clock;
use postgate::event::{Input, Kind, Rules, Template, convert};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BYTES: usize = 1 << 20;
const MOST_TIME: Duration = Duration::from_millis(50);
const MOST_KIB: u64 = 16 << 10;
/// The quickest counts: the machine is not ours alone.
const ROUNDS: usize = 5;

const JSON: &str = r#"{"a":"{ActionId}","p":{Payout},"n":"{Note}","s":"{Status}","u":"{SubId1}"}"#;
const XML: &str =
    "<r><a>{ActionId}</a><p>{Payout}</p><n>{Note}</n><s>{Status}</s><u>{SubId1}</u></r>";
const QUERY: &str = "a={ActionId}&n={Note}&p={Payout}&s={Status}&u={SubId1}";
const LITERALS: &str = "aaaaaaaa{Note}aaaaaaaaaaaaaaaa{Payout}aaaa";

/// A template, and an input: what it begins with, what repeats, and what it ends with.
struct Case {
    name: &'static str,
    template: &'static str,
    input: [&'static str; 3],
}

const fn case(name: &'static str, template: &'static str, input: [&'static str; 3]) -> Case {
    Case { name, template, input }
}

const CASES: &[Case] = &[
    case("json, members", JSON, [r#"{"a":""#, r#"","p":1,"n":""#, r#"","s":"","u":""}"#]),
    case("json, broken members", JSON, [r#"{"a":""#, r#"","p":"#, r#","n":"","s":"","u":""}"#]),
    case("json, quotes", JSON, [r#"{"a":""#, "\"", "\"}"]),
    case("json, ends", JSON, [r#"{"a":"","p":1,"n":""#, r#"","s":"PENDING","u":""#, "\"} x\"}"]),
    case("xml, elements", XML, ["<r><a>", "</a><p>1</p><n>", "</n><s></s><u></u></r>"]),
    case("xml, comments", XML, ["<r><a>", "<!--</a>-->", "</a><p>1</p><n></n><s></s><u></u></r>"]),
    case("query, pairs", QUERY, ["a=", "&n=&p=1&s=PENDING", "&u="]),
    case("query, words", QUERY, ["a=&n=", "&p=1&s=PENDIN", "&u="]),
    case("query, ampersands", QUERY, ["a=", "&", "&n=&p=&s=&u="]),
    case("query, literals", LITERALS, ["aaaaaaaa", "a", "a"]),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, index, ..] = arguments.as_slice()
        && mode == "one"
        && let Some(case) = index.parse().ok().and_then(|index: usize| CASES.get(index))
    {
        return one(case);
    }
    println!("case                       ms  more KiB  outcome");
    let mut are_bounded = true;
    for index in 0..CASES.len() {
        let own = std::env::current_exe().map(Command::new);
        let ran = own.and_then(|mut own| own.args(["one", &index.to_string()]).status());
        are_bounded &= ran.is_ok_and(|status| status.success());
    }
    if are_bounded {
        return ExitCode::SUCCESS;
    }
    println!("one took more than {} ms or {MOST_KIB} KiB", MOST_TIME.as_millis());
    ExitCode::FAILURE
}

fn one(case: &Case) -> ExitCode {
    let Case { name, template, input: [head, piece, tail] } = case;
    let is_query = !template.starts_with(['{', '<']);
    let Ok(template) = Template::parse(template, Kind::Action, None) else {
        return ExitCode::FAILURE;
    };
    let text = [head, piece.repeat(BYTES / piece.len()).as_str(), tail].concat();
    let input = if is_query {
        Input { query: Some(text.as_bytes()), ..Input::default() }
    } else {
        Input { body: text.as_bytes(), ..Input::default() }
    };
    let rules = Rules { template: Some(Arc::new(template)), ..Rules::of(Kind::Action) };
    let before = kib("VmRSS:");
    let mut outcome = "";
    let rounds = (0..ROUNDS).map(|_| {
        let began = clock::instant();
        let converted = convert(&input, &rules);
        outcome = if converted.is_ok() { "converted" } else { "malformed" };
        began.elapsed()
    });
    let time = rounds.min().unwrap_or_default();
    let more = kib("VmHWM:").saturating_sub(before);
    println!("{name:<22} {:>6.2} {more:>9}  {outcome}", time.as_secs_f64() * 1000.0);
    if time <= MOST_TIME && more <= MOST_KIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A line of the process's own status.
fn kib(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
