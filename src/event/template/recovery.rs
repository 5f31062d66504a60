//! An input against the template of its route: whether that has made what was parsed, and the
//! values out of the text itself where it has not, or where nothing could be parsed.

use std::borrow::Cow;
use std::ops::Range;

use super::super::node::{Budget, Member, Node};
use super::super::source::Source;
use super::super::{Malformed, Rules, dictionary, form};
use super::gauge::Gauge;
use super::macros::Target;
use super::matching::Readings;
use super::text::{Place, Slot};
use super::{Template, arrange, hiding, is_pairs, shape};

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

    pub(in crate::event) fn as_foreign(members: Vec<Member<'a>>) -> Self {
        Self { members, warning: Some(FOREIGN) }
    }
}

pub(super) const RECOVERED: &str =
    "it could not be parsed; its values were taken out by the template";
pub(super) const REJOINED: &str = "it parsed into what the template cannot have made; \
                        its values were taken out by the template";
pub(super) const FOREIGN: &str = "it was not made by the template of the route";

impl Template {
    /// Holds what a parser made of `source` against the template, and takes the values out of the
    /// text itself where that is not what the template makes.
    pub(in crate::event) fn settle<'a>(
        &self,
        parsed: Result<Vec<Member<'a>>, Malformed>,
        source: &Source<'_>,
        rules: &Rules,
    ) -> Result<Settled<'a>, Malformed> {
        let does_fit = parsed.as_ref().is_ok_and(|members| self.does_fit(members));
        let secrets = || self.secrets(source, rules);
        let may_hide = || self.hiding.is_possible(source.bytes(), secrets);
        let parsed = match parsed {
            Ok(members) if does_fit && !may_hide() => {
                return Ok(Settled::as_parsed(self.arranged(members)));
            }
            other => other,
        };
        match (self.recover(source, rules), parsed) {
            (Recovery::Values(values), Ok(members)) if does_fit && self.holds(&values) => {
                Ok(Settled::as_parsed(self.arranged(members)))
            }
            (Recovery::Values(values), Err(_)) => {
                Ok(Settled { members: self.filled(&values), warning: Some(RECOVERED) })
            }
            (Recovery::Values(values), Ok(members)) => self.rejoined(&values, members),
            (Recovery::Unlike, Ok(members)) => self.foreign(members),
            (Recovery::Unlike, Err(malformed)) => {
                Err(malformed.adding("; it does not match the template either"))
            }
            (Recovery::Ambiguous, Ok(_)) if does_fit => Err(Malformed::new(
                "a value may hide text of the template, which can be read into it in several ways",
            )),
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
        let is_cut = |last: usize| match (shape.get(last), members.get(last)) {
            (Some((_, shape)), Some((_, node))) => shape::is_cut(shape, node),
            _ => false,
        };
        let last = members.len().checked_sub(1).filter(|last| is_cut(*last));
        let cut = last.and_then(|last| shape.get(last)).map(|(name, _)| ("within", name));
        let next = shape.get(members.len()).map(|(name, _)| ("before", name));
        match cut.or(next) {
            Some((place, name)) if is_pairs(self.format) && is_prefix => {
                Err(Malformed::new(format!(
                    "it ends {place} `{name}`: a `#` in a value cuts off what follows; what was \
                     taken away at impact.com must be taken out of the template as well"
                )))
            }
            _ => Ok(Settled::as_foreign(members)),
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
            return Ok(Settled::as_foreign(members));
        };
        let has_more = !shape::fits(shape, &members, &self.slots)
            && shape::extends(shape, &members, &self.slots);
        let put_in = values.iter().map(String::as_str).enumerate();
        // A payout that swallows its neighbour was not put in as one.
        if has_more
            && !self.are_typed(put_in)
            && self.are_typed(shape::texts(shape, &members).into_iter())
        {
            return Ok(Settled::as_foreign(members));
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

    /// Whether the template makes such members.
    fn does_fit(&self, members: &[Member<'_>]) -> bool {
        self.shape.as_ref().is_ok_and(|shape| shape::fits(shape, members, &self.slots))
    }

    /// Whether a parser finds each of these values whole in its place.
    fn holds(&self, values: &[String]) -> bool {
        self.slots.iter().zip(values).all(|(slot, value)| hiding::holds(slot, value))
    }

    /// How many pairs are the secret, so that no value is split where they are dropped.
    fn secrets(&self, source: &Source<'_>, rules: &Rules) -> usize {
        let secret = rules.secret_parameter.as_deref().filter(|_| self.has_secret(source));
        secret.map_or(0, |secret| pairs(source.bytes(), secret).count().min(1))
    }

    /// Whether one of the pairs can be the secret. A file may leave it out of a URL; in a body it is
    /// where the template has it, and else a part of a value that looks like it.
    fn has_secret(&self, source: &Source<'_>) -> bool {
        matches!(source, Source::Query(_)) || self.had_secret
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

    fn recover(&self, source: &Source<'_>, rules: &Rules) -> Recovery {
        let Some(text) = source.text() else {
            return Recovery::Unlike;
        };
        if Budget::new(rules.limits).take(self.slots.len()).is_err() {
            return Recovery::Unlike;
        }
        let secret = rules.secret_parameter.as_deref().filter(|_| is_pairs(self.format));
        let text = match secret.map(|secret| without_pairs(text, secret)) {
            None => Cow::Borrowed(text),
            // Which of them is the secret and which is part of a value, nobody knows.
            Some(None) => return Recovery::Ambiguous,
            Some(Some(Cow::Owned(_))) if !self.has_secret(source) => return Recovery::Ambiguous,
            Some(Some(text)) => text,
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
        if slot.place == Place::Bare && raw == "null" {
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

/// Whether a value with `&` in it is plainly one: an address with a query, or words. Elsewhere
/// `&name=` may be a key of a newer template.
fn is_split(value: &str) -> bool {
    value.split_once('&').is_none_or(|(before, rest)| before.contains('?') || !rest.contains('='))
}

/// `text` without the pair of this name; `None`: there are several.
pub(super) fn without_pairs<'t>(text: &'t str, name: &str) -> Option<Cow<'t, str>> {
    let mut found = pairs(text.as_bytes(), name);
    let Some(pair) = found.next() else { return Some(Cow::Borrowed(text)) };
    if found.next().is_some() {
        return None;
    }
    // With the `&` behind it, or before it where it is the last.
    let (from, to) = if pair.end < text.len() {
        (pair.start, pair.end + 1)
    } else {
        (pair.start.saturating_sub(1), pair.end)
    };
    let [before, behind] = [text.get(..from), text.get(to..)].map(Option::unwrap_or_default);
    Some(Cow::Owned([before, behind].concat()))
}

/// Where the pairs of this name are.
fn pairs(text: &[u8], name: &str) -> impl Iterator<Item = Range<usize>> {
    // Decoding makes a name at most three times shorter; most others need not be decoded.
    let lengths = name.len()..=name.len().saturating_mul(3);
    let is_named = move |pair: &Range<usize>| {
        let pair = text.get(pair.clone()).unwrap_or_default();
        let raw = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        lengths.contains(&raw.len()) && form::decode(raw).is_some_and(|decoded| decoded == name)
    };
    let ends = memchr::memchr_iter(b'&', text).chain(std::iter::once(text.len()));
    let mut start = 0;
    let pairs = ends.map(move |end| std::mem::replace(&mut start, end + 1)..end);
    pairs.filter(is_named)
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
