//! `name=value` pairs of a form body or a query string → nodes (WHATWG URL, section 5.1, but strict
//! where that one loses bytes).
//!
//! Pairs are split at `&` alone. `+` is a space. A `%` that no two hexadecimal digits follow stands
//! for itself. A pair without `=` is a name with an empty value; one without a name keeps the empty
//! name. An empty pair is nothing.

use std::borrow::Cow;

use super::Malformed;
use super::node::{Budget, Member, Node};
use super::path::shown;

/// The pairs of `text` but those whose name is `secret`.
pub(super) fn parse<'a>(
    text: &'a [u8],
    secret: Option<&str>,
    budget: &mut Budget,
) -> Result<Vec<Member<'a>>, Malformed> {
    let mut members = Vec::with_capacity(16);
    for pair in text.split(|&byte| byte == b'&') {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = match memchr::memchr(b'=', pair) {
            Some(equals) => {
                (pair.get(..equals).unwrap_or_default(), pair.get(equals + 1..).unwrap_or_default())
            }
            None => (pair, <&[u8]>::default()),
        };
        let name = decode(name).ok_or_else(|| not_text("a name"))?;
        if secret.is_some_and(|secret| secret == name) {
            continue;
        }
        budget.field()?;
        let value = decode(value).ok_or_else(|| {
            not_text(&format!("the value of `{}`", shown(&name))).or(not_text("a value").reason)
        })?;
        members.push((name, Node::Text(value)));
    }
    Ok(members)
}

fn not_text(what: &str) -> Malformed {
    Malformed::new(format!(
        "{what} is not UTF-8 after decoding; what is `%E9` in Latin-1 must be `%C3%A9`"
    ))
}

/// `None`: not UTF-8. Replacing what is not text would change ids and money unseen.
pub(super) fn decode(raw: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr2(b'+', b'%', raw).is_none() {
        return str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => match escaped(after) {
                Some(byte) => {
                    decoded.push(byte);
                    rest = after.get(2..).unwrap_or_default();
                }
                None => decoded.push(b'%'),
            },
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// The byte that the two digits after a `%` mean.
fn escaped(after: &[u8]) -> Option<u8> {
    match after {
        [high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Limits;

    fn read_within(text: &[u8], fields: usize) -> Result<Vec<(String, String)>, Malformed> {
        let mut budget = Budget::new(Limits { depth: 1, fields });
        let members = parse(text, Some("token"), &mut budget)?;
        let pairs = members.into_iter().map(|(name, node)| match node {
            Node::Text(text) => (name.into_owned(), text.into_owned()),
            other => panic!("{other:?}"),
        });
        Ok(pairs.collect())
    }

    fn read(text: &str) -> Vec<(String, String)> {
        read_within(text.as_bytes(), 1000).unwrap()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn pairs_are_decoded() {
        assert_eq!(
            read("a=b+c&%61%3d=%C3%a9&&d&e=&f=g=h;i=j&=k&"),
            [
                pair("a", "b c"),
                pair("a=", "é"),
                pair("d", ""),
                pair("e", ""),
                pair("f", "g=h;i=j"),
                pair("", "k"),
            ]
        );
    }

    #[test]
    fn a_bad_escape_stands_for_itself() {
        assert_eq!(
            read("a=50%&b=%zz&c=%4&d=%%41"),
            [pair("a", "50%"), pair("b", "%zz"), pair("c", "%4"), pair("d", "%A"),]
        );
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert!(read_within(b"a=%ff", 9).is_err());
        assert!(read_within(b"a=\xff", 9).is_err());
        assert!(read_within(b"%ff=a", 9).is_err());
    }

    #[test]
    fn the_secret_is_no_field() {
        assert_eq!(read("token=s&a=1&tok%65n=t&Token=u"), [pair("a", "1"), pair("Token", "u")]);
    }

    #[test]
    fn pairs_are_bounded() {
        assert!(read_within(b"a=1&b=2&token=3", 2).is_ok());
        assert!(read_within(b"a=1&b=2&c=3", 2).is_err());
    }
}
