//! An input against the template of its route: whether that has made what was parsed, and the
//! values out of the text itself where it has not, or where nothing could be parsed.

use std::borrow::Cow;
use std::ops::Range;

use super::super::node::{Budget, Member, Node};
use super::super::{Format, Malformed, Rules, detect, dictionary, form};
use super::gauge::Gauge;
use super::macros::Target;
use super::matching::Readings;
use super::text::Slot;
use super::{Template, arrange, is_pairs, shape};

/// What became of the body or the query.
pub(in crate::event) struct Settled<'a> {
    pub(in crate::event) members: Vec<Member<'a>>,
    /// What a person should know of it.
    pub(in crate::event) warning: Option<&'static str>,
}

impl<'a> Settled<'a> {
    pub(in crate::event) fn as_parsed(members: Vec<Member<'a>>) -> Self {
        Self { members, warning: None }
    }
}

pub(super) const RECOVERED: &str =
    "it could not be parsed; its values were taken out by the template";
pub(super) const REJOINED: &str = "it parsed into what the template cannot have made; \
                        its values were taken out by the template";
pub(super) const FOREIGN: &str = "it was not made by the template of the route";

impl Template {
    /// Holds what a parser made of `raw` against the template, and takes the values out of `raw`
    /// itself where that is not what the template makes.
    pub(in crate::event) fn settle<'a>(
        &self,
        parsed: Result<Vec<Member<'a>>, Malformed>,
        raw: &[u8],
        rules: &Rules,
    ) -> Result<Settled<'a>, Malformed> {
        let parsed = match parsed {
            Ok(members) if self.fits(&members, raw, rules) => {
                return Ok(Settled::as_parsed(self.arranged(members)));
            }
            other => other,
        };
        match (self.recover(raw, rules), parsed) {
            (Recovery::Values(values), Err(_)) => {
                Ok(Settled { members: self.filled(&values), warning: Some(RECOVERED) })
            }
            (Recovery::Values(values), Ok(members)) => self.rejoined(&values, members),
            (Recovery::Unlike, Ok(members)) => self.foreign(members),
            (Recovery::Unlike, Err(malformed)) => {
                Err(malformed.adding("; it does not match the template either"))
            }
            (Recovery::Ambiguous, Ok(_)) => Err(Malformed::new(
                "the template cannot have made it so, and can be read into it in several ways",
            )),
            (Recovery::Ambiguous, Err(malformed)) => {
                Err(malformed.adding("; the template can be read into it in several ways"))
            }
        }
    }

    /// An input that the template has not made: at impact.com it has changed since it was written
    /// to the file.
    fn foreign<'a>(&self, members: Vec<Member<'a>>) -> Result<Settled<'a>, Malformed> {
        let shape = self.shape.as_deref().unwrap_or_default();
        let is_prefix = shape.iter().zip(&members).all(|((wanted, _), (found, _))| wanted == found);
        match shape.get(members.len()) {
            Some((next, _)) if is_pairs(self.format) && is_prefix => Err(Malformed::new(format!(
                "it ends before `{next}`: a `#` in a value cuts off what follows; a key that was \
                 taken away at impact.com must be taken out of the template as well"
            ))),
            _ => Ok(Settled { members, warning: Some(FOREIGN) }),
        }
    }

    /// An input that parsed into something else, and can be read into the template: a value was
    /// split, or a key has been added at impact.com.
    fn rejoined<'a>(
        &self,
        values: &[String],
        members: Vec<Member<'a>>,
    ) -> Result<Settled<'a>, Malformed> {
        let Ok(shape) = &self.shape else {
            return Ok(Settled { members, warning: Some(FOREIGN) });
        };
        let has_more = !shape::fits(shape, &members, &self.slots)
            && shape::extends(shape, &members, &self.slots);
        let put_in = values.iter().map(String::as_str).enumerate();
        // A payout that swallows its neighbour was not put in as one.
        if has_more
            && !self.are_typed(put_in)
            && self.are_typed(shape::texts(shape, &members).into_iter())
        {
            return Ok(Settled { members, warning: Some(FOREIGN) });
        }
        let is_address = is_pairs(self.format) && values.iter().all(|value| is_split(value));
        if has_more && !is_address {
            return Err(Malformed::new(
                "there is a key that the template does not have, or a value that looks like one; \
                 a key that was added at impact.com must be added to the template as well",
            ));
        }
        Ok(Settled { members: self.filled(values), warning: Some(REJOINED) })
    }

    /// Whether the template makes such members, and nothing in `raw` hides that it was another text.
    fn fits(&self, members: &[Member<'_>], raw: &[u8], rules: &Rules) -> bool {
        let Ok(shape) = &self.shape else { return false };
        shape::fits(shape, members, &self.slots)
            && match self.format {
                Format::Json => true,
                Format::Xml => markup(raw) <= self.markup,
                Format::Form | Format::Query => has_all_pairs(members, raw, rules),
            }
    }

    /// Whether each value of a type is of its type.
    fn are_typed<'v>(&self, mut values: impl Iterator<Item = (usize, &'v str)>) -> bool {
        values.all(|(slot, value)| {
            let slot = self.slots.get(slot);
            let gauge = slot.and_then(|slot| Gauge::of(slot, is_pairs(self.format)));
            gauge.is_none_or(|gauge| gauge.length(value) == Some(value.len()))
        })
    }

    fn arranged<'a>(&self, members: Vec<Member<'a>>) -> Vec<Member<'a>> {
        match &self.shape {
            Ok(shape) if self.has_lists => arrange::arranged(shape, members, &self.slots),
            _ => members,
        }
    }

    fn recover(&self, raw: &[u8], rules: &Rules) -> Recovery {
        let Ok(text) = detect::text(raw) else {
            return Recovery::Unlike;
        };
        if Budget::new(rules.limits).take(self.slots.len()).is_err() {
            return Recovery::Unlike;
        }
        let secret = rules.secret_parameter.as_deref().filter(|_| is_pairs(self.format));
        let text = match secret.map(|secret| without_pairs(text, secret)) {
            None => Cow::Borrowed(text),
            Some(Some(text)) => text,
            // Which of them is the secret and which is part of a value, nobody knows.
            Some(None) => return Recovery::Ambiguous,
        };
        let text = if is_pairs(self.format) { &*text } else { text.trim_ascii() };
        let mut found = None;
        for pattern in &self.patterns {
            match (pattern.read(text), &found) {
                (Readings::None, _) => {}
                (Readings::One(values), None) => found = Some(values),
                (Readings::One(values), Some(first)) if values == *first => {}
                (Readings::One(_) | Readings::Several, _) => return Recovery::Ambiguous,
            }
        }
        found.map_or(Recovery::Unlike, |values| {
            let value = |range: Range<usize>| text.get(range).unwrap_or_default().to_owned();
            Recovery::Values(values.into_iter().map(value).collect())
        })
    }

    /// What the template makes with these values in it.
    fn filled(&self, values: &[String]) -> Vec<Member<'static>> {
        let values: Vec<Node<'static>> =
            self.slots.iter().zip(values).map(|(slot, raw)| self.value(slot, raw)).collect();
        let shape = self.shape.as_deref().unwrap_or_default();
        let (members, used) = shape::fill(shape, &values);
        let mut members = self.arranged(members);
        // Where the template is no JSON or XML, a macro is all the name that a value has.
        for ((slot, value), used) in self.slots.iter().zip(values).zip(used) {
            if !used {
                members.push((Cow::Owned(self.flat_name(slot)), value));
            }
        }
        members
    }

    fn value(&self, slot: &Slot, raw: &str) -> Node<'static> {
        if raw == slot.own {
            return Node::Text(Cow::Owned(slot.whole()));
        }
        if self.format == Format::Json && !slot.is_guarded && raw == "null" {
            return Node::Null;
        }
        let is_encoded = is_pairs(self.format) && !raw.contains('&');
        let decoded = is_encoded.then(|| form::decode(raw.as_bytes())).flatten();
        Node::Text(Cow::Owned(decoded.map_or_else(|| raw.to_owned(), Cow::into_owned)))
    }

    fn flat_name(&self, slot: &Slot) -> String {
        let table = dictionary::table(self.kind);
        match (&slot.target, table) {
            (Some(Target::Field(index)), Some(table)) => {
                let field = table.fields.get(*index);
                field.map_or_else(|| slot.name.clone(), |field| field.name.to_owned())
            }
            (Some(Target::Row(name)), _) => name.clone(),
            _ => slot.name.clone(),
        }
    }
}

enum Recovery {
    /// Of each slot, as it stands there.
    Values(Vec<String>),
    Ambiguous,
    /// The literal text is not there.
    Unlike,
}

/// Sections, comments and instructions of XML: one in a value could hide what follows it.
pub(super) fn markup(text: &[u8]) -> usize {
    let count = |start: &[u8]| memchr::memmem::find_iter(text, start).count();
    count(b"<!") + count(b"<?")
}

/// Parsing drops empty pairs and those named as the secret, and each may be part of a value.
fn has_all_pairs(members: &[Member<'_>], raw: &[u8], rules: &Rules) -> bool {
    let secrets = usize::from(rules.secret_parameter.is_some());
    memchr::memchr_iter(b'&', raw).count() < members.len() + secrets
        && !raw.starts_with(b"&")
        && !raw.ends_with(b"&")
        && memchr::memmem::find(raw, b"&&").is_none()
}

/// Whether a value with `&` in it is plainly one: an address with a query, or words. Elsewhere
/// `&name=` may be a key of a newer template.
fn is_split(value: &str) -> bool {
    value.split_once('&').is_none_or(|(before, rest)| before.contains('?') || !rest.contains('='))
}

/// `text` without the pair of this name; `None`: there are several.
pub(super) fn without_pairs<'t>(text: &'t str, name: &str) -> Option<Cow<'t, str>> {
    // Decoding makes a name at most three times shorter; most others need not be decoded.
    let lengths = name.len()..=name.len().saturating_mul(3);
    let is_named = |pair: &str| {
        let raw = pair.split_once('=').map_or(pair, |(raw, _)| raw);
        lengths.contains(&raw.len())
            && form::decode(raw.as_bytes()).is_some_and(|decoded| decoded == name)
    };
    let mut found = None;
    let mut start = 0;
    let ends = memchr::memchr_iter(b'&', text.as_bytes());
    for end in ends.chain(std::iter::once(text.len())) {
        let pair = text.get(start..end).unwrap_or_default();
        if pair.len() >= name.len() && is_named(pair) && found.replace(start..end).is_some() {
            return None;
        }
        start = end + 1;
    }
    let Some(pair) = found else { return Some(Cow::Borrowed(text)) };
    // With the `&` behind it, or before it where it is the last.
    let (from, to) = if pair.end < text.len() {
        (pair.start, pair.end + 1)
    } else {
        (pair.start.saturating_sub(1), pair.end)
    };
    let [before, behind] = [text.get(..from), text.get(to..)].map(Option::unwrap_or_default);
    Some(Cow::Owned([before, behind].concat()))
}

#[cfg(test)]
mod tests {
    use super::without_pairs;

    #[test]
    fn one_pair_of_the_name_is_taken_out_wherever_it_stands() {
        for (text, left) in [
            ("", Some("")),
            ("a=1&b=2", Some("a=1&b=2")),
            ("token=t", Some("")),
            ("token", Some("")),
            ("token=t&a=1&b=2", Some("a=1&b=2")),
            ("a=1&token=t&b=2", Some("a=1&b=2")),
            ("a=1&b=2&to%6Ben=t=t", Some("a=1&b=2")),
            ("&token=t&", Some("&")),
            ("a=1&tokens=t&toke=n", Some("a=1&tokens=t&toke=n")),
            ("token=t&a=1&token=t", None),
            ("token&token", None),
        ] {
            assert_eq!(without_pairs(text, "token").as_deref(), left, "{text}");
        }
    }
}
