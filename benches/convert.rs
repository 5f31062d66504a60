//! How fast conversion is, per format, beside `serde_json`'s own parse to `Value` of the
//! same event as JSON. Both run in turn in short rounds, so that a busy machine slows both: read the ratio.
//! `cargo bench --bench convert` fails where JSON takes more than [`MOST`] times the yardstick.
//!
//! `-- count CASE ROUNDS` only runs one case so often, for `valgrind --tool=callgrind`.

#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use postgate::clock;
use postgate::event::{Format, Input, Kind, Rules, convert};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// JSON conversion may take so many times as long as the yardstick.
const MOST: f64 = 1.5;

/// Of each side, in turn.
const ROUNDS: usize = 3000;

/// Long enough for the clock, short enough that most rounds have the processor for themselves.
const ROUND: Duration = Duration::from_micros(100);

fn main() -> ExitCode {
    let cases = cases();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, name, rounds, ..] = arguments.as_slice()
        && mode == "count"
    {
        return count(&cases, name, rounds.parse().unwrap_or(1));
    }
    println!("case         bytes  ns/event   MB/s  events/s  times serde_json");
    let mut is_fast = true;
    for case in &cases {
        let ratio = report(case);
        is_fast &= case.format != Format::Json || ratio <= MOST;
    }
    if is_fast {
        return ExitCode::SUCCESS;
    }
    println!("JSON takes more than {MOST} times as long as serde_json's parse to a Value");
    ExitCode::FAILURE
}

/// One event in one format, out of the golden pairs.
struct Case {
    name: String,
    format: Format,
    text: &'static [u8],
    /// The same event as JSON.
    json: &'static [u8],
}

impl Case {
    fn convert(&self, rules: &Rules) -> usize {
        let input = match self.format {
            Format::Query => Input { query: Some(self.text), ..Input::default() },
            _ => Input { body: self.text, ..Input::default() },
        };
        let event = convert(black_box(&input), rules);
        event.map_or(0, |event| black_box(event.to_canonical()).len())
    }

    fn yardstick(&self) -> usize {
        let value = serde_json::from_slice::<serde_json::Value>(black_box(self.json));
        usize::from(black_box(value).is_ok())
    }
}

fn cases() -> Vec<Case> {
    macro_rules! golden {
        ($name:literal, $format:literal) => {
            include_str!(concat!("../tests/golden/kinds/", $name, ".", $format, ".in"))
        };
    }
    let events = [
        (
            "usual",
            [
                golden!("usual", "json"),
                golden!("usual", "xml"),
                golden!("usual", "form"),
                golden!("usual", "query"),
            ],
        ),
        (
            "whole",
            [
                golden!("whole", "json"),
                golden!("whole", "xml"),
                golden!("whole", "form"),
                golden!("whole", "query"),
            ],
        ),
    ];
    let mut cases = Vec::new();
    for (name, texts) in events {
        let texts = texts.map(sent);
        for (format, text) in Format::ALL.into_iter().zip(texts) {
            cases.push(Case { name: format!("{name}-{format}"), format, text, json: texts[0] });
        }
    }
    cases
}

/// What a golden input sends: its body, or its query where there is none.
fn sent(golden: &'static str) -> &'static [u8] {
    let (head, body) = golden.split_once("\n\n").unwrap_or_default();
    let query = head.lines().find_map(|line| line.strip_prefix("query: "));
    query.unwrap_or(body.trim_end()).as_bytes()
}

/// Measures and prints one case; gives its ratio to the yardstick.
fn report(case: &Case) -> f64 {
    let rules = Rules::of(Kind::Action);
    assert!(case.convert(&rules) > 0 && case.yardstick() > 0, "{} is read", case.name);
    let ours = || case.convert(&rules);
    let theirs = || case.yardstick();
    let (many, others) = (in_a_round(ours), in_a_round(theirs));
    let mut rounds = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
    for _ in 0..ROUNDS {
        rounds[0].push(each(ours, many));
        rounds[1].push(each(theirs, others));
    }
    let [took, yardstick] = rounds.map(undisturbed);
    let ratio = took / yardstick;
    println!(
        "{:<12} {:>5} {took:>9.0} {:>6.0} {:>9.0} {ratio:>17.2}",
        case.name,
        case.text.len(),
        f64::from(u32::try_from(case.text.len()).unwrap_or(u32::MAX)) * 1e3 / took,
        1e9 / took,
    );
    ratio
}

/// How often `run` goes into a round.
fn in_a_round(run: impl Fn() -> usize) -> u32 {
    let mut times = 1;
    while each(&run, times) * f64::from(times) < ROUND.as_secs_f64() * 1e9 {
        times *= 2;
    }
    times
}

/// Nanoseconds of one run.
fn each(run: impl Fn() -> usize, times: u32) -> f64 {
    let began = clock::instant();
    for _ in 0..times {
        black_box(run());
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

/// The tenth of the rounds that was quickest, at its end: what else runs makes a round longer, and
/// never shorter.
fn undisturbed(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_unstable_by(f64::total_cmp);
    rounds.get(rounds.len() / 10).copied().unwrap_or_default()
}

/// `yardstick-…` runs the other side.
fn count(cases: &[Case], name: &str, rounds: usize) -> ExitCode {
    let rules = Rules::of(Kind::Action);
    let (name, is_yardstick) = match name.strip_prefix("yardstick-") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let Some(case) = cases.iter().find(|case| case.name == name) else {
        println!("no case is called {name}");
        return ExitCode::FAILURE;
    };
    for _ in 0..rounds {
        black_box(if is_yardstick { case.yardstick() } else { case.convert(&rules) });
    }
    ExitCode::SUCCESS
}
