use super::*;
use crate::clock;

const RULES: Rules = Rules { failures: 3, longest_pause: Duration::from_secs(30) };

fn id(number: u8) -> EventId {
    EventId::from_bytes([number; 16])
}

/// A machine and its time, in seconds since the test began.
struct Bench {
    state: State,
    began: Instant,
    rng: Rng,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        Self { state: State::new(rules), began: clock::instant(), rng: Rng::with_seed(7) }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.began + Duration::from_secs_f64(seconds)
    }

    fn unreachable(&mut self, ticket: Ticket, seconds: f64) -> Change {
        let now = self.at(seconds);
        self.state.failed(ticket, Evidence::Unreachable, now, &mut self.rng)
    }

    fn unanswered(&mut self, event: EventId) -> Change {
        let now = self.at(0.0);
        self.state.failed(Ticket::Free, Evidence::Unanswered(event), now, &mut self.rng)
    }

    fn ask(&mut self, seconds: f64) -> Leave {
        let now = self.at(seconds);
        self.state.ask(now)
    }

    /// Opened at zero, its first pause over at one second at the latest.
    fn opened() -> Self {
        let mut bench = Self::new(RULES);
        for _ in 1..RULES.failures {
            assert_eq!(bench.unreachable(Ticket::Free, 0.0), Change::None);
        }
        assert_eq!(bench.unreachable(Ticket::Free, 0.0), Change::Opened);
        bench
    }

    fn probe(&mut self, seconds: f64) -> Ticket {
        match self.ask(seconds) {
            Leave::Given(ticket @ Ticket::Probe(_)) => ticket,
            other => panic!("no probe at {seconds}: {other:?}"),
        }
    }
}

#[test]
fn it_opens_at_the_limit_and_not_before() {
    let mut bench = Bench::new(RULES);
    for _ in 0..2 {
        assert_eq!(bench.unreachable(Ticket::Free, 0.0), Change::None);
        assert_eq!(bench.ask(0.0), Leave::Given(Ticket::Free));
    }
    assert_eq!(bench.unreachable(Ticket::Free, 0.0), Change::Opened);
    assert!(matches!(bench.ask(0.0), Leave::At(_)));
}

#[test]
fn an_answer_in_between_begins_the_count_anew() {
    let mut bench = Bench::new(RULES);
    for _ in 0..10 {
        assert_eq!(bench.unreachable(Ticket::Free, 0.0), Change::None);
        assert_eq!(bench.unreachable(Ticket::Free, 0.0), Change::None);
        bench.state.answered();
        assert!(bench.state.is_calm());
    }
}

#[test]
fn zero_never_opens() {
    let mut bench = Bench::new(Rules { failures: 0, ..RULES });
    for _ in 0..1000 {
        assert_eq!(bench.unreachable(Ticket::Free, 0.0), Change::None);
    }
    assert_eq!(bench.ask(0.0), Leave::Given(Ticket::Free));
}

#[test]
fn one_event_that_the_upstream_cannot_bear_does_not_open_it() {
    let mut bench = Bench::new(RULES);
    for _ in 0..100 {
        assert_eq!(bench.unanswered(id(1)), Change::None);
    }
    assert_eq!(bench.unanswered(id(2)), Change::None);
    assert_eq!(bench.unanswered(id(3)), Change::Opened);
}

#[test]
fn one_probe_at_a_time_after_the_pause() {
    let mut bench = Bench::opened();
    let Leave::At(until) = bench.ask(0.0) else { panic!("it is open") };
    assert!(until >= bench.at(0.5) && until <= bench.at(1.0));
    let ticket = bench.probe(1.0);
    assert_eq!(bench.ask(1.0), Leave::AfterProbe);
    assert_eq!(bench.ask(1000.0), Leave::AfterProbe);
    assert_eq!(bench.unreachable(ticket, 2.0), Change::None);
    assert!(matches!(bench.ask(2.9), Leave::At(_)), "the second pause is longer");
    bench.probe(4.0);
}

#[test]
fn an_answer_closes_it_whoever_got_it() {
    let mut bench = Bench::opened();
    bench.state.answered();
    assert_eq!(bench.ask(0.0), Leave::Given(Ticket::Free));
    let mut bench = Bench::opened();
    bench.probe(1.0);
    bench.state.answered();
    assert_eq!(bench.ask(1.0), Leave::Given(Ticket::Free));
}

#[test]
fn an_abandoned_probe_lets_the_next_go_at_once() {
    let mut bench = Bench::opened();
    let ticket = bench.probe(1.0);
    let now = bench.at(1.0);
    bench.state.abandoned(ticket, now);
    bench.probe(1.0);
}

#[test]
fn an_old_probe_says_nothing_of_the_one_under_way() {
    let mut bench = Bench::opened();
    let old = bench.probe(1.0);
    bench.state.answered();
    for _ in 0..3 {
        bench.unreachable(Ticket::Free, 2.0);
    }
    bench.probe(3.0);
    let now = bench.at(3.0);
    bench.state.abandoned(old, now);
    assert_eq!(bench.unreachable(old, 3.0), Change::None);
    assert_eq!(bench.ask(3.0), Leave::AfterProbe);
}

#[test]
fn a_weekend_costs_few_probes() {
    let mut bench = Bench::opened();
    let (mut probes, mut now) = (0, bench.began);
    let weekend = bench.at(72.0 * 3600.0);
    while now < weekend {
        match bench.state.ask(now) {
            Leave::At(until) => now = until,
            Leave::Given(ticket) => {
                probes += 1;
                bench.state.failed(ticket, Evidence::Unreachable, now, &mut bench.rng);
            }
            Leave::AfterProbe => panic!("its outcome was told"),
        }
    }
    // One every 15 to 30 seconds.
    assert!((8640..17_280).contains(&probes), "{probes}");
}

#[test]
fn pauses_double_to_the_longest_and_come_from_the_seed() {
    let drawn = |seed| {
        let mut rng = Rng::with_seed(seed);
        (1..=40).map(|number| pause(number, RULES.longest_pause, &mut rng)).collect::<Vec<_>>()
    };
    let pauses = drawn(1);
    for (number, pause) in (0_u32..).zip(&pauses) {
        let full = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(number));
        let full = full.min(RULES.longest_pause);
        assert!(*pause >= full / 2 && *pause <= full, "{number}: {pause:?}");
    }
    assert_eq!(pauses, drawn(1));
    assert_ne!(pauses, drawn(2));
    let short = Duration::from_millis(10);
    assert!(pause(1, short, &mut Rng::with_seed(1)) <= short);
}

#[test]
fn any_order_of_entries_keeps_the_invariants() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let mut bench = Bench::new(RULES);
        let mut out: Vec<Ticket> = Vec::new();
        for step in 0..500 {
            let now = bench.at(f64::from(step));
            match rng.u8(0..8) {
                0..4 => {
                    if let Leave::Given(ticket) = bench.state.ask(now) {
                        out.push(ticket);
                    }
                }
                4 => bench.state.answered(),
                kind if !out.is_empty() => {
                    let ticket = out.swap_remove(rng.usize(..out.len()));
                    let evidence = if rng.bool() {
                        Evidence::Unreachable
                    } else {
                        Evidence::Unanswered(id(rng.u8(0..3)))
                    };
                    if kind == 5 {
                        bench.state.abandoned(ticket, now);
                    } else {
                        bench.state.failed(ticket, evidence, now, &mut rng);
                    }
                }
                _ => {}
            }
        }
    }
}
