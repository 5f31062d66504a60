//! What a person should look at, bounded: an event of a thousand lost macros has one thing wrong with
//! it, and not a thousand that are kept, sent and read.

/// How many are listed. [`MORE`] takes the place of all further ones.
pub(super) const MOST: usize = 20;

/// Without a number, because a canonical body that comes in again has lost what it would count.
pub(super) const MORE: &str = "there are more warnings than are listed here";

/// The warnings of one event as they are found: those that differ, because names that are too long
/// to be shown can look alike, and a canonical body cannot tell how often it lost one of them.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// The first [`MOST`] that differ, each with the number of those found before it.
    listed: Vec<(usize, String)>,
    /// How many were found before the first that had no room in the list.
    first_further: Option<usize>,
    /// How many were found, equal ones and those without room too.
    found: usize,
}

impl Warnings {
    /// Its words are not asked for once it is known that there are more than are listed.
    pub(super) fn add(&mut self, warning: impl FnOnce() -> String) {
        if self.first_further.is_none() {
            let warning = warning();
            if self.listed.iter().all(|(_, listed)| *listed != warning) {
                if self.listed.len() < MOST {
                    self.listed.push((self.found, warning));
                } else {
                    self.first_further = Some(self.found);
                }
            }
        }
        self.found += 1;
    }

    /// How many were found, listed or not.
    pub(super) fn count(&self) -> usize {
        self.found
    }

    /// Forgets all but the first `count` that were found.
    pub(super) fn truncate(&mut self, count: usize) {
        self.listed.retain(|(before, _)| *before < count);
        self.first_further = self.first_further.filter(|before| *before < count);
        self.found = self.found.min(count);
    }

    /// As they go out: those that a canonical body brought along first, and none of them twice.
    pub(super) fn behind(self, carried: Vec<String>) -> Vec<String> {
        let mut all = Self::default();
        let mut has_more = self.first_further.is_some();
        for warning in carried.into_iter().chain(self.listed.into_iter().map(|(_, text)| text)) {
            if warning == MORE {
                has_more = true;
            } else {
                all.add(|| warning);
            }
        }
        has_more |= all.first_further.is_some();
        let listed = all.listed.into_iter().map(|(_, text)| text);
        listed.chain(has_more.then(|| MORE.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
        numbers.map(|number| number.to_string()).collect()
    }

    fn found(numbers: std::ops::Range<usize>) -> Warnings {
        let mut warnings = Warnings::default();
        for warning in numbered(numbers) {
            warnings.add(|| warning);
        }
        warnings
    }

    #[test]
    fn as_many_as_may_be_are_listed_and_a_further_one_is_told_of() {
        assert_eq!(found(0..MOST).behind(Vec::new()), numbered(0..MOST));
        let mut past = numbered(0..MOST);
        past.push(MORE.to_owned());
        assert_eq!(found(0..MOST + 1).behind(Vec::new()), past);
        assert_eq!(found(0..1000).behind(Vec::new()), past);
    }

    #[test]
    fn equal_ones_take_no_room() {
        let mut warnings = found(0..MOST - 1);
        for again in numbered(0..MOST - 1) {
            warnings.add(|| again);
        }
        warnings.add(|| "19".to_owned());
        warnings.add(|| "0".to_owned());
        assert_eq!(warnings.behind(Vec::new()), numbered(0..MOST));
        let twice = || ["a", "a", MORE, "b"].map(str::to_owned).to_vec();
        assert_eq!(Warnings::default().behind(twice()), ["a", "b", MORE]);
    }

    #[test]
    fn what_comes_in_again_stays_as_it_is() {
        for count in [0, 1, MOST, MOST + 1, 1000] {
            let listed = found(0..count).behind(Vec::new());
            // What became null is not found a second time.
            for again in [found(0..count), found(0..count / 2), Warnings::default()] {
                assert_eq!(again.behind(listed.clone()), listed, "{count}");
            }
        }
        assert_eq!(found(0..MOST).behind(numbered(0..1)), numbered(0..MOST));
        assert_eq!(found(1..MOST + 1).behind(numbered(0..1)).last().unwrap(), MORE);
        assert_eq!(Warnings::default().behind(numbered(0..1000)).len(), MOST + 1);
    }

    #[test]
    fn what_is_taken_back_makes_room() {
        let mut warnings = found(0..1000);
        warnings.truncate(MOST + 1);
        assert_eq!(warnings.count(), MOST + 1);
        warnings.truncate(MOST);
        warnings.truncate(MOST);
        assert_eq!(warnings.count(), MOST);
        warnings.truncate(1);
        warnings.add(|| "1".to_owned());
        // An equal one counts, and goes without the one that is listed.
        warnings.add(|| "0".to_owned());
        warnings.truncate(2);
        assert_eq!(warnings.count(), 2);
        assert_eq!(warnings.behind(Vec::new()), numbered(0..2));
    }
}
