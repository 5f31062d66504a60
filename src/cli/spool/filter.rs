//! Which events are meant, as it is typed.

use anyhow::bail;
use serde_json::Value;

use super::desk::Asked;
use super::field;
use crate::clock::{self, Timestamp};

#[derive(Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag as it is typed")]
pub(super) struct Filter {
    /// Only pending events; several states may be named.
    #[arg(long)]
    pending: bool,
    /// Only dead letters.
    #[arg(long)]
    dead: bool,
    /// Only what was not understood.
    #[arg(long)]
    quarantined: bool,
    /// Only delivered events.
    #[arg(long)]
    delivered: bool,
    /// Only events of this route.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Only events with this key (the action's id, for example).
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only events accepted since then: "2h", "3d", or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
}

impl Filter {
    /// All that is in quarantine.
    pub(super) fn quarantine() -> Self {
        Self { quarantined: true, ..Self::default() }
    }

    /// Whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.words().is_empty()
            && self.route.is_none()
            && self.key.is_none()
            && self.since.is_none()
    }

    /// The path that lists, or exports, up to `limit` of these events after a place.
    pub(super) fn path(&self, what: &str, after: Option<&str>, limit: u32) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for word in self.words() {
            query.append_pair("state", word);
        }
        if let Some(since) = self.since {
            query.append_pair("since", &since.as_millis().to_string());
        }
        let texts = [("route", self.route.as_deref()), ("key", self.key.as_deref())];
        for (name, text) in texts.into_iter().chain([("after", after)]) {
            if let Some(text) = text {
                query.append_pair(name, text);
            }
        }
        query.append_pair("limit", &limit.to_string());
        format!("/spool/{what}?{}", query.finish())
    }

    /// The ids of all that is meant, the first accepted first: a list has the quarantine behind the
    /// events, and what was replayed behind what came later. All of them at once, 36 bytes each, because
    /// what is replayed moves to the end of the list and would be met again.
    pub(super) async fn ids(&self, desk: &Asked) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let path = self.path("events", after.as_deref(), crate::admin::MOST_RECORDS);
            let page = desk.get(&path).await?;
            for line in page.lines()? {
                let record: Value = serde_json::from_str(line)?;
                let [id, accepted] = ["id", "accepted"].map(|name| field(&record, name).as_str());
                match (id, accepted.and_then(accepted_at)) {
                    (Some(id), Some(accepted)) => found.push((accepted, id.to_owned())),
                    _ => bail!("a record without an id, or a time"),
                }
            }
            after = page.next;
            if after.is_none() {
                // Of the same moment, in the order of the list.
                found.sort_by_key(|(accepted, _)| *accepted);
                return Ok(found.into_iter().map(|(_, id)| id).collect());
            }
        }
    }

    fn words(&self) -> Vec<&'static str> {
        let words = [
            (self.pending, "pending"),
            (self.dead, "dead"),
            (self.quarantined, "quarantined"),
            (self.delivered, "delivered"),
        ];
        words.into_iter().filter(|(asked, _)| *asked).map(|(_, word)| word).collect()
    }
}

/// As a record tells it; a moment past the calendar is a number.
fn accepted_at(text: &str) -> Option<Timestamp> {
    let millis =
        text.parse::<jiff::Timestamp>().map(|moment| u64::try_from(moment.as_millisecond()).ok());
    millis.unwrap_or_else(|_| text.parse().ok()).map(Timestamp::from_millis)
}

fn since(text: &str) -> Result<Timestamp, String> {
    moment(text, clock::now())
}

fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        return Ok(Timestamp::from_millis(now.as_millis().saturating_sub(ago)));
    }
    let moment = text.parse::<jiff::Timestamp>();
    let moment = moment.map_err(|_| "expected \"2h\", \"3d\" or 2026-01-31T12:00:00Z")?;
    Ok(Timestamp::from_millis(u64::try_from(moment.as_millisecond()).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_how_long_ago() {
        let now = Timestamp::from_millis(10_000_000);
        let millis = |text| moment(text, now).map(Timestamp::as_millis);
        assert_eq!(millis("1h"), Ok(6_400_000));
        assert_eq!(millis("1970-01-01T00:00:02Z"), Ok(2000));
        assert_eq!(millis("10years"), Ok(0));
        assert!(millis("yesterday").is_err());
    }

    #[test]
    fn a_record_tells_when_it_came_to_the_millisecond() {
        let millis = |text| accepted_at(text).map(Timestamp::as_millis);
        assert_eq!(millis("1970-01-01T00:00:02Z"), Some(2000));
        assert_eq!(millis("1970-01-01T00:00:02.005Z"), Some(2005));
        assert_eq!(millis("9223372036854775807"), Some(u64::MAX >> 1));
        assert_eq!(millis("noon"), None);
    }

    #[test]
    fn a_filter_is_a_query() {
        let filter = Filter {
            pending: false,
            dead: true,
            quarantined: true,
            delivered: false,
            route: Some("a&b".to_owned()),
            key: None,
            since: Some(Timestamp::from_millis(7)),
        };
        assert_eq!(
            filter.path("events", Some("e9"), 5),
            "/spool/events?state=dead&state=quarantined&since=7&route=a%26b&after=e9&limit=5"
        );
    }
}
