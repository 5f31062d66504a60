//! What each event of a run is: the same for the same seed and number.

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;

use super::super::sample::{Encoded, Sample, Taste, Value, Values};
use super::super::sender::request;
use crate::event::{Format, Kind, Template};

/// A run's events.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) url: Uri,
    /// `None`: GET for a query, POST for a body.
    pub(super) method: Option<Method>,
    pub(super) seed: u64,
    pub(super) taste: Taste,
    pub(super) content: Content,
}

/// What they are made of.
#[derive(Debug)]
pub(super) enum Content {
    /// Each kind in each format, in turn; not empty.
    Samples(Vec<(Kind, Format)>),
    /// What the user pasted into impact.com.
    Template(Kind, Box<Template>),
}

/// One event as it is sent.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: Request<Full<Bytes>>,
    pub(super) kind: Kind,
    pub(super) format: Format,
    /// The text of the body, or of the query where there is none.
    pub(super) text: String,
    /// What was put into a template: the macro and its value, in the order in which they stand.
    pub(super) values: Vec<(String, Option<String>)>,
}

impl Plan {
    /// The event of this number, from 0.
    pub(super) fn event(&self, event: u32) -> Result<Prepared, http::Error> {
        let values = |kind| Values { kind, taste: self.taste, seed: self.seed, event };
        let mut put_in = Vec::new();
        let (kind, format, encoded) = match &self.content {
            Content::Samples(all) => {
                let turn = usize::try_from(event).unwrap_or_default() % all.len().max(1);
                let (kind, format) = all.get(turn).copied().unwrap_or((Kind::Action, Format::Json));
                (kind, format, Sample::with(&values(kind)).encode(format))
            }
            Content::Template(kind, template) => {
                let text = filled(template, &values(*kind), &mut put_in);
                (*kind, template.format(), Encoded::new(template.format(), text))
            }
        };
        let text = match &encoded.query {
            Some(query) => query.clone(),
            None => String::from_utf8_lossy(&encoded.body).into_owned(),
        };
        let request = request(&self.url, self.method.as_ref(), encoded)?;
        Ok(Prepared { request, kind, format, text, values: put_in })
    }
}

fn filled(
    template: &Template,
    values: &Values,
    put_in: &mut Vec<(String, Option<String>)>,
) -> String {
    template.fill(|one| {
        let value = match values.named(one.name, one.field.unwrap_or(one.name)) {
            Value::Text(text) => Some(text),
            Value::Macro => None,
        };
        put_in.push((one.name.to_owned(), value.clone()));
        value.unwrap_or_else(|| format!("{{{}}}", one.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Input, Rules, convert};

    fn samples(taste: Taste, seed: u64) -> Plan {
        let formats = |kind| Format::ALL.map(|format| (kind, format));
        Plan {
            url: Uri::from_static("https://h/p"),
            method: None,
            seed,
            taste,
            content: Content::Samples(Kind::ALL.into_iter().flat_map(formats).collect()),
        }
    }

    fn texts(plan: &Plan) -> Vec<String> {
        (0..200).map(|event| plan.event(event).expect("a request").text).collect()
    }

    /// The canonical body of an event.
    fn canonical(prepared: &Prepared) -> (String, Vec<String>) {
        let text = prepared.text.as_bytes();
        let input = match prepared.format {
            Format::Query => Input { query: Some(text), ..Input::default() },
            _ => Input { body: text, ..Input::default() },
        };
        let rules = Rules { format: Some(prepared.format), ..Rules::of(prepared.kind) };
        let event = convert(&input, &rules)
            .unwrap_or_else(|malformed| panic!("{malformed}: {}", prepared.text));
        let body = String::from_utf8(event.to_canonical()).expect("text");
        (body, event.warnings().to_vec())
    }

    #[test]
    fn a_seed_gives_the_same_events_and_another_gives_others() {
        for taste in [Taste::Usual, Taste::Nasty] {
            assert_eq!(texts(&samples(taste, 7)), texts(&samples(taste, 7)));
            assert_ne!(texts(&samples(taste, 7)), texts(&samples(taste, 8)));
        }
    }

    #[test]
    fn usual_events_of_every_kind_and_format_are_as_the_dictionary_has_them() {
        let plan = samples(Taste::Usual, 1);
        let mut seen = std::collections::HashSet::new();
        for event in 0..280 {
            let (body, warnings) = canonical(&plan.event(event).expect("a request"));
            assert_eq!(warnings, [""; 0], "{body}");
            assert!(seen.insert(body), "no two are repeats");
        }
    }

    #[test]
    fn nasty_events_are_correct_json_and_xml() {
        let plan = samples(Taste::Nasty, 1);
        let events = (0..280).map(|event| plan.event(event).expect("a request"));
        let mut hard = 0;
        for event in events.filter(|event| matches!(event.format, Format::Json | Format::Xml)) {
            hard += usize::from(canonical(&event).0.contains("Best"));
        }
        assert!(hard > 0, "none is hard");
    }

    #[test]
    fn a_template_is_filled_and_what_was_put_in_is_known() {
        let text = r#"{"a":"{ActionId}","p":{Payout},"s":"{SubId1}","w":"{subid1}"}"#;
        let template = Template::parse(text, Kind::Action, None).expect("macros");
        let content = Content::Template(Kind::Action, Box::new(template));
        let prepared = Plan { content, ..samples(Taste::Usual, 3) }.event(0).expect("a request");
        let names: Vec<&str> = prepared.values.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ActionId", "Payout", "SubId1"]);
        let value = |index: usize| prepared.values[index].1.as_deref().expect("a value");
        assert_eq!(
            prepared.text,
            format!(
                r#"{{"a":"{}","p":{},"s":"{}","w":"{{subid1}}"}}"#,
                value(0),
                value(1),
                value(2)
            )
        );
    }
}
