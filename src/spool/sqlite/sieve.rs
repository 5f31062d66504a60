//! Which keys were seen lately, so that the file is asked only where the answer may be yes.
//!
//! The index of keys is sorted by groups of successive events first, so that what is written at
//! once lies together: sorted by key alone, each event would change a page of its own. The price is
//! a search in each group, and the sieve spares nearly all of them: it knows of each group which
//! keys are not in it. What it takes for seen and is not costs a search in vain; what is gone from
//! the file, or never got there, does no harm.
//!
//! It is a Bloom filter for each group, 64 of them side by side: bit 0 of every word belongs to the
//! first group, so that four words answer for 64 groups.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};
use std::time::Duration;

use rusqlite::Connection;

use super::super::digest::KeyHash;
use super::super::store::Seq;
use super::{damage, timestamp};
use crate::clock::Timestamp;

/// A group is 2 to the power of this events: the number in the definition of the index `latest`.
/// Their 30 pages of the index are what a large batch changes; a group half as large would double
/// the searches in vain.
const GROUP_BITS: u32 = 13;
/// Groups side by side in a word.
const SHELF_BITS: u32 = 6;
/// Words of a shelf: 2 MiB for half a million events. Of 5,000 keys that a full group does not
/// have, one is taken for seen.
const WORDS: u64 = 1 << 18;
/// Words that one key sets a bit of.
const PROBES: u32 = 4;

/// Every key that the file may have.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    shelves: BTreeMap<i64, Shelf>,
}

#[derive(Debug)]
struct Shelf {
    words: Box<[u64]>,
    /// Between these all events in it were accepted.
    earliest: Timestamp,
    latest: Timestamp,
}

impl Sieve {
    /// Takes in what of the file can be read behind this place; answers with the damaged places. A
    /// second for some millions of events. What cannot be read may have any key: where it is passed over,
    /// an earlier event would be taken for the latest, and a return to that swallowed.
    pub(super) fn read(&mut self, connection: &Connection, after: i64) -> rusqlite::Result<u64> {
        let (mut last, mut gaps) = (None, Vec::new());
        let damaged =
            damage::walk(connection, "events", "seq, key, accepted", after, &mut |row| {
                let (seq, key): (i64, i64) = (row.get(0)?, row.get(1)?);
                self.add(Seq(seq), KeyHash(key.to_be_bytes()), timestamp(row.get(2)?));
                if let Some(before) = last.replace(seq).filter(|before| seq - before > 1) {
                    let gap = before >> GROUP_BITS..=seq >> GROUP_BITS;
                    if gaps.last() != Some(&gap) {
                        gaps.push(gap);
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
        if damaged > 0 {
            for gap in &gaps {
                self.suspect(gap);
            }
        }
        Ok(damaged)
    }

    /// Any key may be in these groups.
    fn suspect(&mut self, groups: &RangeInclusive<i64>) {
        let shelves = groups.start() >> SHELF_BITS..=groups.end() >> SHELF_BITS;
        for (number, shelf) in self.shelves.range_mut(shelves) {
            let first = number << SHELF_BITS;
            let bits = (0..1 << SHELF_BITS).filter(|bit| groups.contains(&(first + bit)));
            let mask = bits.fold(0, |mask, bit| mask | 1 << bit);
            shelf.words.iter_mut().for_each(|word| *word |= mask);
        }
    }

    /// An event with this key is, or will be, at this place.
    pub(super) fn add(&mut self, seq: Seq, key: KeyHash, accepted: Timestamp) {
        let group = seq.0 >> GROUP_BITS;
        let home = self.shelves.entry(group >> SHELF_BITS).or_insert_with(Shelf::empty);
        home.earliest = home.earliest.min(accepted);
        home.latest = home.latest.max(accepted);
        let bit = 1 << (group & ((1 << SHELF_BITS) - 1));
        for place in places(key) {
            if let Some(word) = home.words.get_mut(place) {
                *word |= bit;
            }
        }
    }

    /// The groups that may have this key before a place, the latest first. What is deleted is the oldest,
    /// as a rule, and of a key that all events share every group behind it would be searched in vain.
    pub(super) fn groups(&self, key: KeyHash, before: Seq) -> impl Iterator<Item = i64> + '_ {
        let last = before.0.saturating_sub(1) >> GROUP_BITS;
        self.shelves.range(..=last >> SHELF_BITS).rev().flat_map(move |(number, shelf)| {
            let words =
                places(key).map(|place| shelf.words.get(place).copied().unwrap_or_default());
            let found = words.fold(u64::MAX, |all, word| all & word);
            let first = number << SHELF_BITS;
            (0..1 << SHELF_BITS)
                .rev()
                .filter(move |bit| found >> bit & 1 == 1)
                .map(move |bit| first + bit)
                .skip_while(move |group| *group > last)
        })
    }

    /// Gives up the shelves of which no event can be repeated at this moment: all are too old, or all
    /// are as far ahead, by a clock that was wrong. Not the shelf that is being filled: with a short
    /// window it would be made anew for each event. A moment that is itself ahead costs recognition,
    /// as it makes delivered events expire: a repeat goes out twice, and nothing is lost.
    pub(super) fn forget(&mut self, at: Timestamp, window: Duration) {
        if self.shelves.len() < 2 {
            return;
        }
        let filling = self.shelves.last_key_value().map(|(number, _)| *number);
        self.shelves.retain(|number, shelf| {
            let is_past = at.since(shelf.latest) >= window;
            let is_ahead = shelf.earliest.since(at) >= window;
            Some(*number) == filling || !(is_past || is_ahead)
        });
    }
}

/// The first place of a group, and the first behind it.
pub(super) const fn bounds(group: i64) -> (i64, i64) {
    (group << GROUP_BITS, group.saturating_add(1).saturating_mul(1 << GROUP_BITS))
}

impl Shelf {
    fn empty() -> Self {
        let words = usize::try_from(WORDS).unwrap_or_default();
        let (earliest, latest) = (Timestamp::from_millis(u64::MAX), Timestamp::default());
        Self { words: vec![0; words].into(), earliest, latest }
    }
}

/// The words of a key. It is a part of a hash already, so its own bits are as good as any.
fn places(key: KeyHash) -> impl Iterator<Item = usize> {
    let hash = u64::from_be_bytes(key.0);
    (0..PROBES).map(move |probe| {
        let part = hash.rotate_right(probe * u64::BITS / PROBES) % WORDS;
        usize::try_from(part).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::digest;
    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn key(number: i64) -> KeyHash {
        digest::of_key("actions", &number.to_string())
    }

    fn groups(sieve: &Sieve, number: i64) -> Vec<i64> {
        sieve.groups(key(number), Seq(i64::MAX)).collect()
    }

    #[test]
    fn what_was_added_is_found_and_the_latest_first() {
        let mut sieve = Sieve::default();
        let places = [0, 1, 8191, 8192, 64 * 8192 - 1, 64 * 8192, 3 << 40, i64::MAX];
        for (number, seq) in (0..).zip(places) {
            sieve.add(Seq(seq), key(number), NOON);
            sieve.add(Seq(seq), key(77), NOON);
            assert_eq!(groups(&sieve, number), [seq >> GROUP_BITS], "{seq}");
        }
        let last = i64::MAX >> GROUP_BITS;
        assert_eq!(groups(&sieve, 77), [last, 3 << 27, 64, 63, 1, 0]);
        assert_eq!(groups(&sieve, 78), [0; 0]);
    }

    #[test]
    fn any_key_may_be_in_a_suspect_group() {
        let mut sieve = Sieve::default();
        for group in [0, 1, 63, 64, 65] {
            sieve.add(Seq(group << GROUP_BITS), key(group), NOON);
        }
        sieve.suspect(&(62..=64));
        assert_eq!(groups(&sieve, 77), [64, 63, 62]);
        assert_eq!(groups(&sieve, 1), [64, 63, 62, 1]);
    }

    #[test]
    fn what_lies_behind_a_place_is_not_asked() {
        let mut sieve = Sieve::default();
        let group = 1 << GROUP_BITS;
        for number in [0, 1, 63, 64, 200] {
            sieve.add(Seq(number * group), key(7), NOON);
        }
        let before = |seq| sieve.groups(key(7), Seq(seq)).collect::<Vec<_>>();
        assert_eq!(before(1), [0]);
        assert_eq!((before(group), before(group + 1)), (vec![0], vec![1, 0]));
        assert_eq!(
            (before(64 * group), before(64 * group + 1)),
            (vec![63, 1, 0], vec![64, 63, 1, 0])
        );
        assert_eq!(before(i64::MAX), [200, 64, 63, 1, 0]);
    }

    #[test]
    fn few_of_those_that_are_not_there_are_taken_for_seen() {
        let mut sieve = Sieve::default();
        let events = 1 << GROUP_BITS;
        for seq in 0..events {
            sieve.add(Seq(seq), key(seq), NOON);
        }
        assert!((0..events).all(|seq| groups(&sieve, seq) == [0]));
        let taken = (events..20_000 + events).filter(|&other| !groups(&sieve, other).is_empty());
        let taken = taken.count();
        assert!(taken < 20, "{taken} of 20,000");
    }

    #[test]
    fn what_is_too_old_is_forgotten_from_the_beginning_on() {
        let mut sieve = Sieve::default();
        let shelf = 1 << (GROUP_BITS + SHELF_BITS);
        let later = NOON.plus(HOUR);
        for (number, accepted) in [(0, NOON), (1, later), (2, NOON)] {
            sieve.add(Seq(number * shelf), key(number), accepted);
        }
        sieve.forget(Timestamp::from_millis(later.as_millis() - 1), HOUR);
        assert_eq!(groups(&sieve, 0), [0]);
        sieve.forget(later, HOUR);
        assert_eq!(groups(&sieve, 0), [0; 0]);
        assert_eq!((groups(&sieve, 1), groups(&sieve, 2)), (vec![64], vec![128]));
        // The last one is being filled.
        sieve.forget(later.plus(HOUR), Duration::ZERO);
        assert_eq!((groups(&sieve, 1), groups(&sieve, 2)), (vec![], vec![128]));
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_no_shelf_and_drops_none_that_is_needed() {
        let shelf = 1 << (GROUP_BITS + SHELF_BITS);
        let (ahead, earlier) = (NOON.plus(HOUR), Timestamp::from_millis(NOON.as_millis() - 1));
        let mut sieve = Sieve::default();
        // The second was being filled when the clock was mended.
        for (number, accepted) in [(0, ahead), (1, ahead), (1, NOON), (2, NOON)] {
            sieve.add(Seq(number * shelf), key(number), accepted);
        }
        sieve.forget(NOON.plus(Duration::from_millis(1)), HOUR);
        assert_eq!(groups(&sieve, 0), [0], "within the window yet");
        sieve.forget(NOON, HOUR);
        assert_eq!((groups(&sieve, 0), groups(&sieve, 1)), (vec![], vec![64]));
        sieve.forget(earlier, HOUR);
        sieve.forget(Timestamp::from_millis(ahead.plus(HOUR).as_millis() - 1), HOUR);
        assert_eq!(groups(&sieve, 1), [64]);
        sieve.forget(ahead.plus(HOUR), HOUR);
        assert_eq!((groups(&sieve, 1), groups(&sieve, 2)), (vec![], vec![128]));
    }

    #[test]
    fn the_index_has_the_same_groups() {
        let index = format!("CREATE INDEX latest ON events (seq >> {GROUP_BITS}, key);");
        assert!(super::super::schema::SCHEMA.contains(&index));
    }
}
