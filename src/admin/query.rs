//! What is asked for of a list: `state=…&route=…&key=…&since=MILLIS&after=PLACE&limit=N`.

use super::reply::Refused;
use crate::clock::Timestamp;
use crate::spool::{Filter, Place, State};

/// Records of one answer, at most: about 400 KiB.
pub const MOST_RECORDS: u32 = 1000;

/// The query of a list.
pub(super) struct Query {
    pub(super) filter: Filter,
    pub(super) after: Place,
    pub(super) limit: u32,
}

impl Query {
    pub(super) fn read(text: &str) -> Result<Self, Refused> {
        let mut query =
            Self { filter: Filter::default(), after: Place::default(), limit: MOST_RECORDS };
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "state" => {
                    let state = State::of_word(&value);
                    let state = state.ok_or_else(|| Refused::bad("state", "is not one"))?;
                    query.filter.states.push(state);
                }
                "route" => query.filter.route = Some((*value).into()),
                "key" => query.filter.key = Some(value.into_owned()),
                "since" => {
                    let millis = value.parse();
                    let millis = millis.map_err(|_| Refused::bad("since", "is not a number"))?;
                    query.filter.since = Timestamp::from_millis(millis);
                }
                "after" => {
                    query.after = value.parse().map_err(|error| Refused::bad("after", error))?;
                }
                "limit" => {
                    let limit =
                        value.parse().ok().filter(|limit| (1..=MOST_RECORDS).contains(limit));
                    let range = format!("is not between 1 and {MOST_RECORDS}");
                    query.limit = limit.ok_or_else(|| Refused::bad("limit", range))?;
                }
                _ => return Err(Refused::bad("an unknown parameter", "in the query")),
            }
        }
        Ok(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let read = |text: &str| Query::read(text).map(|query| query.limit);
        assert_eq!(read(&format!("limit={MOST_RECORDS}")).unwrap(), MOST_RECORDS);
        let past = format!("limit={}", MOST_RECORDS + 1);
        for wrong in [&*past, "limit=0", "state=lost", "after=7", "since=noon", "sort=up"] {
            read(wrong).expect_err(wrong);
        }
    }
}
