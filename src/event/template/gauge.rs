//! Values that say themselves where they end: a decimal is over where no digit follows.

use std::borrow::Cow;

use super::super::check::Check;
use super::super::form;
use super::text::Slot;

/// No decimal, time or word is longer. A longer run is no value of a type.
pub(super) const MOST_TYPED_BYTES: usize = 64;

/// Where a value of a type ends.
#[derive(Clone, Debug)]
pub(super) struct Gauge {
    check: Check,
    /// The macro itself, as it arrives where it was not substituted: a URL cannot carry its braces.
    own: Vec<String>,
    may_be_encoded: bool,
}

/// What follows a slot.
#[derive(Clone, Copy)]
pub(super) enum After<'t> {
    Text(&'t str),
    End,
}

impl Gauge {
    /// `None`: any text can be a value.
    pub(super) fn of(slot: &Slot, may_be_encoded: bool) -> Option<Self> {
        let is_closed = match slot.check {
            Check::Decimal | Check::Time | Check::Date | Check::Currency | Check::Word(_) => true,
            Check::Text | Check::Open => false,
        };
        let braces: &[_] = if may_be_encoded { &[("%7B", "%7D"), ("%7b", "%7d")] } else { &[] };
        let encoded =
            braces.iter().map(|(open, close)| slot.own.replace('{', open).replace('}', close));
        let own = std::iter::once(slot.own.clone()).chain(encoded);
        is_closed.then(|| Self { check: slot.check, own: own.collect(), may_be_encoded })
    }

    /// Whether what follows cannot be a part of the value, so that its end is sure.
    pub(super) fn ends_before(&self, after: After<'_>) -> bool {
        match after {
            After::End => true,
            After::Text(literal) => {
                literal.bytes().next().is_some_and(|first| first != b'{' && !self.may_hold(first))
            }
        }
    }

    fn may_hold(&self, byte: u8) -> bool {
        match self.check {
            Check::Decimal => matches!(byte, b'0'..=b'9' | b'-' | b'.'),
            Check::Time | Check::Date if self.may_be_encoded => {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'+' | b'%')
            }
            Check::Time | Check::Date => {
                byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':' | b'+' | b'T' | b'Z')
            }
            Check::Currency | Check::Word(_) | Check::Text | Check::Open => {
                byte.is_ascii_alphanumeric()
            }
        }
    }

    /// The length of the value that `rest` begins with: nothing, the macro itself, or a value of
    /// the type.
    pub(super) fn length(&self, rest: &str) -> Option<usize> {
        if let Some(own) = self.own.iter().find(|own| rest.starts_with(*own)) {
            return Some(own.len());
        }
        let bytes = rest.bytes().take(MOST_TYPED_BYTES + 1);
        let length = bytes.take_while(|&byte| self.may_hold(byte)).count();
        if length > MOST_TYPED_BYTES {
            return None;
        }
        let value = rest.get(..length)?;
        (value.is_empty() || self.fits(value)).then_some(length)
    }

    fn fits(&self, value: &str) -> bool {
        let is_of_type = |value: &str| {
            let settled = self.check.settled(value);
            self.check.fits(settled.as_deref().unwrap_or(value))
        };
        is_of_type(value)
            || (self.may_be_encoded
                && matches!(form::decode(value.as_bytes()), Some(Cow::Owned(value)) if is_of_type(&value)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Kind;
    use super::super::text;
    use super::*;

    fn gauge(template: &str) -> Gauge {
        let range = 0..template.len();
        let pieces = text::scan(template, range, crate::event::Format::Query, Kind::Action);
        Gauge::of(pieces.slots.first().unwrap(), true).unwrap()
    }

    #[test]
    fn a_value_is_nothing_or_the_macro_or_of_its_type() {
        for (template, rest, length) in [
            ("{Payout}", "-1.50&x", Some(5)),
            ("{Payout}", "&x", Some(0)),
            ("{Payout}", "{Payout}&x", Some(8)),
            ("{Payout}", "%7bPayout%7d&x", Some(12)),
            ("{Status}", "%7BStatus%7D&x", Some(12)),
            ("{Payout}", "1.&x", None),
            ("{Status}", "Reversed&x", Some(8)),
            ("{Status}", "Reverse&x", None),
            ("{Currency}", "usd\"", Some(3)),
            ("{EventDate}", "2024-09-10T10%3A42%3A38%2B02&", Some(28)),
            ("{EventDate}", "2024-09-10T10:42:38-07:00&", Some(25)),
            ("{EventDate}", "yesterday&", None),
        ] {
            assert_eq!(gauge(template).length(rest), length, "{template} {rest}");
        }
        let long = "1".repeat(MOST_TYPED_BYTES);
        assert_eq!(gauge("{Payout}").length(&long), Some(MOST_TYPED_BYTES));
        assert_eq!(gauge("{Payout}").length(&(long + "1")), None);
    }

    #[test]
    fn an_end_is_sure_where_what_follows_cannot_be_of_the_value() {
        let payout = gauge("{Payout}");
        assert!(payout.ends_before(After::End));
        assert!(payout.ends_before(After::Text("&s=")));
        for literal in ["", "-", ".", "7", "{"] {
            assert!(!payout.ends_before(After::Text(literal)), "{literal}");
        }
    }
}
