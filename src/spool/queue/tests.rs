use proptest::prelude::*;

use super::fresh::BACKLOG;
use super::*;

const MILLI: Duration = Duration::from_millis(1);
const NEVER_TRIED: Timestamp = Timestamp::from_millis(0);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn item(seq: i64, key: Option<u8>) -> Item {
    Item { seq: Seq(seq), key: key.map(|key| KeyHash([key; 8])), attempts: 0, due: NEVER_TRIED }
}

/// Takes the next and answers its slot and number.
fn taken(queue: &mut Queue, lane: Lane, now: Timestamp) -> Option<(Slot, i64)> {
    match queue.take(lane, now) {
        Offer::Taken { slot, seq, .. } => Some((slot, seq.0)),
        Offer::Later(_) | Offer::Nothing => None,
    }
}

#[test]
fn an_event_waits_for_the_earlier_of_its_key_and_for_no_other() {
    let mut queue = Queue::default();
    let lane = queue.add_lane();
    queue.push(lane, item(1, Some(7)));
    queue.push(lane, item(2, Some(7)));
    queue.push(lane, item(3, Some(8)));
    queue.push(lane, item(4, None));
    queue.push(lane, item(5, None));
    let (first, seq) = taken(&mut queue, lane, at(1)).unwrap();
    assert_eq!(seq, 1);
    for expected in [3, 4, 5] {
        assert_eq!(taken(&mut queue, lane, at(1)).unwrap().1, expected);
    }
    assert_eq!(queue.take(lane, at(1)), Offer::Nothing);
    assert!(queue.remove(first));
    assert_eq!(taken(&mut queue, lane, at(1)).unwrap().1, 2);
    assert_eq!(queue.len(), 4);
}

#[test]
fn one_that_waited_goes_before_what_was_accepted_after_it() {
    let mut queue = Queue::default();
    let lane = queue.add_lane();
    queue.push(lane, item(1, Some(7)));
    queue.push(lane, item(2, Some(7)));
    queue.push(lane, item(3, Some(8)));
    let (first, _) = taken(&mut queue, lane, at(1)).unwrap();
    queue.remove(first);
    assert_eq!(taken(&mut queue, lane, at(1)).unwrap().1, 2);
    assert_eq!(taken(&mut queue, lane, at(1)).unwrap().1, 3);
}

#[test]
fn a_time_from_a_clock_that_was_ahead_holds_nothing_up() {
    let now = at(1_000_000);
    for (due, goes) in
        [(now.plus(LONGEST_PAUSE), false), (now.plus(LONGEST_PAUSE).plus(MILLI), true)]
    {
        let mut queue = Queue::default();
        let lane = queue.add_lane();
        queue.push(lane, Item { due, ..item(1, Some(7)) });
        assert_eq!(queue.has_ready(lane, now), goes);
        assert_eq!(taken(&mut queue, lane, now).is_some(), goes);
        assert_eq!(sensible(due, now), if goes { now } else { due });
    }
    assert_eq!([at(0), at(7)].map(|due| sensible(due, now)), [at(0), at(7)]);
}

#[test]
fn what_is_put_off_keeps_its_key_waiting_until_it_is_due() {
    let mut queue = Queue::default();
    let lane = queue.add_lane();
    queue.push(lane, item(1, Some(7)));
    queue.push(lane, item(2, Some(7)));
    let (slot, _) = taken(&mut queue, lane, at(1)).unwrap();
    queue.put_off(slot, at(100));
    assert_eq!(queue.take(lane, at(99)), Offer::Later(at(100)));
    let offer = queue.take(lane, at(100));
    let expected = Offer::Taken { slot, seq: Seq(1), attempt: 2 };
    assert_eq!(offer, expected);
}

#[test]
fn what_is_given_back_has_not_been_tried() {
    let mut queue = Queue::default();
    let lane = queue.add_lane();
    queue.push(lane, item(1, None));
    let (slot, _) = taken(&mut queue, lane, at(1)).unwrap();
    queue.give_back(slot, at(5));
    assert!(matches!(queue.take(lane, at(5)), Offer::Taken { attempt: 1, .. }));
}

#[test]
fn retries_and_new_events_take_turns() {
    let mut queue = Queue::default();
    let lane = queue.add_lane();
    for seq in 1..=6 {
        queue.push(lane, item(seq, None));
    }
    for _ in 1..=3 {
        let (slot, _) = taken(&mut queue, lane, at(1)).unwrap();
        queue.put_off(slot, at(10));
    }
    let order: Vec<bool> =
        std::iter::from_fn(|| taken(&mut queue, lane, at(10))).map(|(_, seq)| seq <= 3).collect();
    assert_eq!(order, [true, false, true, false, true, false]);
}

#[test]
fn a_backlog_drains_from_its_beginning_and_lets_the_newest_pass() {
    let mut queue = Queue::default();
    let lane = queue.add_lane();
    let backlog = i64::try_from(BACKLOG).unwrap();
    for seq in 1..=backlog + 5 {
        queue.push(lane, item(seq, None));
    }
    let mut next = || taken(&mut queue, lane, at(1)).unwrap().1;
    let order: Vec<i64> = (0..8).map(|_| next()).collect();
    let newest = backlog + 5;
    assert_eq!(order, [1, 2, 3, newest, 4, 5, 6, 7], "and below the limit the oldest alone");
}

#[test]
fn what_is_upcoming_of_a_backlog_is_what_is_offered() {
    let mut queue = Queue::default();
    let lane = queue.add_lane();
    for seq in 1..=i64::try_from(BACKLOG).unwrap() * 2 {
        queue.push(lane, item(seq, None));
    }
    let upcoming: Vec<i64> = queue.upcoming(lane, 100).map(|(_, seq)| seq.0).collect();
    let offered: Vec<i64> = (0..100).map(|_| taken(&mut queue, lane, at(1)).unwrap().1).collect();
    assert_eq!(upcoming, offered);
}

#[test]
fn a_new_event_of_a_key_in_the_backlog_does_not_pass_the_earlier_one() {
    let mut queue = Queue::default();
    let lane = queue.add_lane();
    let many = i64::try_from(BACKLOG).unwrap() * 2;
    for seq in 1..=many {
        queue.push(lane, item(seq, None));
    }
    queue.push(lane, item(many + 1, Some(7)));
    queue.push(lane, item(many + 2, Some(7)));
    let order: Vec<i64> = (0..8).map(|_| taken(&mut queue, lane, at(1)).unwrap().1).collect();
    assert_eq!(order, [1, 2, 3, many + 1, 4, 5, 6, many]);
}

#[test]
fn an_empty_queue_gives_its_memory_back() {
    let mut queue = Queue::default();
    let lane = queue.add_lane();
    let many = 70_000;
    for seq in 1..=many {
        queue.push(lane, item(seq, None));
    }
    while let Some((slot, _)) = taken(&mut queue, lane, at(1)) {
        queue.remove(slot);
    }
    assert_eq!((queue.slots.blocks(), queue.tails.capacity()), (0, 0));
    queue.push(lane, item(many + 1, Some(1)));
    assert_eq!(taken(&mut queue, lane, at(1)).unwrap().1, many + 1);
}

#[test]
fn every_invariant_is_on_the_map_of_the_lifecycle() {
    let asserted = include_str!("invariants.rs").lines().filter_map(|line| {
        let (_, text) = line.trim().strip_suffix("\");")?.rsplit_once(", \"")?;
        Some(text.to_owned())
    });
    let map = include_str!("../LIFECYCLE.md");
    let listed = map.lines().filter_map(|line| {
        let (number, text) = line.split_once(". ")?;
        number.parse::<u32>().ok().map(|_| text.to_owned())
    });
    let mut asserted: Vec<_> = asserted.collect();
    let mut listed: Vec<_> = listed.take(asserted.len()).collect();
    asserted.sort();
    listed.sort();
    assert!(asserted.len() >= 10);
    assert_eq!(asserted, listed);
}

/// The rules again, in the simplest form that can be thought of.
#[derive(Default)]
struct Model {
    /// In the order of acceptance.
    events: Vec<ModelEvent>,
}

#[derive(Clone, Debug)]
struct ModelEvent {
    lane: Lane,
    item: Item,
    slot: Slot,
    is_taken: bool,
}

impl Model {
    /// The events that may go when they are due.
    fn candidates(&self, lane: Lane) -> Vec<&ModelEvent> {
        let first_of_key = |(index, event): &(usize, &ModelEvent)| {
            let mut earlier = self.events.iter().take(*index);
            event.item.key.is_none() || earlier.all(|other| other.item.key != event.item.key)
        };
        let candidates = self.events.iter().enumerate().filter(first_of_key);
        let free = candidates.filter(|(_, event)| event.lane == lane && !event.is_taken);
        free.map(|(_, event)| event).collect()
    }

    fn check(&self, lane: Lane, now: Timestamp, offer: &Offer) {
        let candidates = self.candidates(lane);
        let due: Vec<_> = candidates.iter().filter(|event| event.item.due <= now).collect();
        match offer {
            Offer::Nothing => assert!(candidates.is_empty(), "left waiting: {candidates:?}"),
            Offer::Later(later) => {
                assert!(due.is_empty(), "left waiting: {due:?}");
                let soonest = candidates.iter().map(|event| event.item.due).min();
                assert_eq!(soonest, Some(*later));
            }
            Offer::Taken { seq, attempt, .. } => {
                let event = due.iter().find(|event| event.item.seq == *seq);
                let event = event.expect("what is offered may go");
                assert_eq!(event.item.attempts + 1, *attempt);
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push { lane: usize, key: Option<u8>, due: u64 },
    Take { lane: usize },
    Remove { which: usize },
    PutOff { which: usize, by: u64 },
    GiveBack { which: usize },
    Wait { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let key = proptest::option::of(0..3_u8);
    let due = prop_oneof![Just(0), 1..40_u64];
    prop_oneof![
        3 => (0..2_usize, key, due).prop_map(|(lane, key, due)| Step::Push { lane, key, due }),
        4 => (0..2_usize).prop_map(|lane| Step::Take { lane }),
        2 => (0..8_usize).prop_map(|which| Step::Remove { which }),
        2 => (0..8_usize, 0..30_u64).prop_map(|(which, by)| Step::PutOff { which, by }),
        1 => (0..8_usize).prop_map(|which| Step::GiveBack { which }),
        1 => (1..20_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// Plays the steps on the queue and on the model, comparing at every turn.
fn play(steps: Vec<Step>) {
    let (mut queue, mut model) = (Queue::default(), Model::default());
    let lanes = [queue.add_lane(), queue.add_lane()];
    let mut now = at(1);
    for (seq, step) in (1..).zip(steps) {
        match step {
            Step::Push { lane, key, due } => {
                // A key belongs to its route.
                let key = key.map(|key| key * 2 + u8::try_from(lane).unwrap());
                let mut item = item(seq, key);
                item.due = at(due);
                let (lane, is_taken) = (lanes[lane], false);
                let slot = queue.push(lane, item);
                model.events.push(ModelEvent { lane, item, slot, is_taken });
            }
            Step::Take { lane } => take_both(&mut queue, &mut model, lanes[lane], now),
            Step::Wait { millis } => now = at(now.as_millis() + millis),
            Step::Remove { which } => {
                if let Some(index) = nth_taken(&model, which) {
                    queue.remove(model.events.remove(index).slot);
                }
            }
            Step::PutOff { which, by } => {
                if let Some(index) = nth_taken(&model, which) {
                    let event = &mut model.events[index];
                    event.is_taken = false;
                    event.item.attempts += 1;
                    event.item.due = at(now.as_millis() + by);
                    queue.put_off(event.slot, event.item.due);
                }
            }
            Step::GiveBack { which } => {
                if let Some(index) = nth_taken(&model, which) {
                    let event = &mut model.events[index];
                    event.is_taken = false;
                    event.item.due = now;
                    queue.give_back(event.slot, now);
                }
            }
        }
        assert_eq!(queue.len(), u64::try_from(model.events.len()).unwrap());
    }
}

fn take_both(queue: &mut Queue, model: &mut Model, lane: Lane, now: Timestamp) {
    let ready = queue.has_ready(lane, now);
    let offer = queue.take(lane, now);
    assert_eq!(ready, matches!(offer, Offer::Taken { .. }));
    model.check(lane, now, &offer);
    if let Offer::Taken { seq, .. } = offer {
        let event = model.events.iter_mut().find(|event| event.item.seq == seq);
        event.expect("checked just now").is_taken = true;
    }
}

fn nth_taken(model: &Model, which: usize) -> Option<usize> {
    let taken = model.events.iter().enumerate().filter(|(_, event)| event.is_taken);
    taken.map(|(index, _)| index).nth(which)
}

proptest! {
    #[test]
    fn it_agrees_with_the_model(steps in proptest::collection::vec(step(), 1..120)) {
        play(steps);
    }
}
