//! What a person should look at, bounded: an event of a thousand lost macros has one thing wrong with
//! it, and not a thousand that are kept, sent and read.

/// How many are listed. [`MORE`] takes the place of all further ones.
pub(super) const MOST: usize = 20;

/// Without a number, because a canonical body that comes in again has lost what it would count.
pub(super) const MORE: &str = "there are more warnings than are listed here";

/// The warnings of one event as they are found.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// The first [`MOST`].
    listed: Vec<String>,
    /// How many came after them.
    further: usize,
}

impl Warnings {
    /// Its words are asked for only where they are listed.
    pub(super) fn add(&mut self, warning: impl FnOnce() -> String) {
        if self.listed.len() < MOST {
            self.listed.push(warning());
        } else {
            self.further += 1;
        }
    }

    /// How many there are, listed or not.
    pub(super) fn count(&self) -> usize {
        self.listed.len() + self.further
    }

    /// Forgets all but the first `count`.
    pub(super) fn truncate(&mut self, count: usize) {
        self.listed.truncate(count);
        self.further = self.further.min(count - self.listed.len());
    }

    /// As they go out: those that a canonical body brought along first, and none of them twice.
    pub(super) fn behind(self, carried: Vec<String>) -> Vec<String> {
        let mut listed = carried;
        let length = listed.len();
        listed.retain(|warning| warning != MORE);
        let mut has_more = self.further > 0 || listed.len() < length;
        for warning in self.listed {
            if !listed.contains(&warning) {
                listed.push(warning);
            }
        }
        has_more |= listed.len() > MOST;
        listed.truncate(MOST);
        listed.extend(has_more.then(|| MORE.to_owned()));
        listed
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
        assert_eq!(warnings.behind(Vec::new()), numbered(0..2));
    }
}
