//! What a field's value must look like. Nothing is rewritten but the letter case of words; a value
//! that fails stays as received, and a warning says so.

use std::borrow::Cow;

use super::node::Node;

/// The shape of a field's value (`docs/fields.md`, "Types").
#[derive(Clone, Copy, Debug)]
pub(super) enum Check {
    /// Anything: ids, names, addresses, what people chose.
    Text,
    /// Digits, perhaps with a sign before and a fraction after. `1e3` and `1,000` are not.
    Decimal,
    /// ISO 8601, date and time with offset.
    Time,
    /// ISO 8601, a date, or date and time with or without offset: impact.com does not say.
    Date,
    /// Three letters (the shape of ISO 4217); upper-cased.
    Currency,
    /// One of a closed set of words; upper-cased.
    Word(&'static [&'static str]),
    /// A word of a set that impact.com may extend; upper-cased, never complained of.
    Open,
}

/// A value as the canonical body has it (`docs/fields.md`, "Types").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// `null`: an empty value.
    Empty,
    /// `null` with a warning: a macro that was never substituted.
    Macro,
    Text(Cow<'a, str>),
}

impl<'a> Scalar<'a> {
    /// `None` for an object or a list.
    pub(super) fn of(node: Node<'a>) -> Option<Self> {
        match node {
            Node::Text(text) if text.is_empty() => Some(Self::Empty),
            Node::Text(text) if is_macro(&text) => Some(Self::Macro),
            Node::Text(text) => Some(Self::Text(text)),
            Node::Null => Some(Self::Empty),
            Node::Object(_) | Node::List(_) => None,
        }
    }

    /// As it goes out in a field with this check.
    pub(super) fn settle(&mut self, check: Check) {
        if let Self::Text(text) = self
            && let Some(settled) = check.settled(text)
        {
            *text = settled;
        }
    }
}

impl Check {
    /// The value as it goes out, where that is not as it came in.
    pub(super) fn settled(self, text: &str) -> Option<Cow<'static, str>> {
        match self {
            Self::Word(words) => {
                let known = words.iter().find(|word| text.eq_ignore_ascii_case(word));
                known.map(|word| Cow::Borrowed(*word))
            }
            Self::Currency if !is_currency(text) => None,
            Self::Currency | Self::Open => {
                let has_lower = text.bytes().any(|byte| byte.is_ascii_lowercase());
                has_lower.then(|| Cow::Owned(text.to_ascii_uppercase()))
            }
            Self::Text | Self::Decimal | Self::Time | Self::Date => None,
        }
    }

    /// Whether a settled value has this shape.
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Text | Self::Open => true,
            Self::Word(words) => words.contains(&text),
            Self::Decimal => is_decimal(text),
            Self::Time => is_moment(text, Offset::Required),
            Self::Date => is_date(text),
            Self::Currency => is_currency(text),
        }
    }

    /// What is wrong with a settled value: the rest of a sentence that begins with the field.
    pub(super) fn complaint(self, text: &str) -> Option<String> {
        if self.fits(text) {
            return None;
        }
        let complaint = match self {
            Self::Text | Self::Open => return None,
            Self::Word(words) => return Some(format!("is none of {}", words.join(", "))),
            Self::Decimal => "is not a decimal number",
            Self::Time => "is not an ISO 8601 time with offset",
            Self::Date => "is not an ISO 8601 date",
            Self::Currency => "is not a currency code of three letters",
        };
        Some(complaint.to_owned())
    }
}

/// The whole value is a name in braces, as it stands in a template (`{SubId4}`).
pub(super) fn is_macro(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|name| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn is_decimal(text: &str) -> bool {
    let mut rest = Rest(text.as_bytes());
    rest.skip(b'-');
    rest.digits() && (!rest.skip(b'.') || rest.digits()) && rest.is_empty()
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_date(text: &str) -> bool {
    let mut rest = Rest(text.as_bytes());
    rest.day() && (rest.is_empty() || is_moment(text, Offset::Optional))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Offset {
    Required,
    Optional,
}

/// `YYYY-MM-DDThh:mm[:ss[.f…]]` and `Z` or `±hh[:mm]`.
fn is_moment(text: &str, offset: Offset) -> bool {
    let mut rest = Rest(text.as_bytes());
    let is_zoned = rest.day() && rest.skip(b'T') && rest.clock() && {
        let is_optional = rest.is_empty() && offset == Offset::Optional;
        is_optional || rest.skip(b'Z') || rest.shift()
    };
    is_zoned && rest.is_empty()
}

/// What of a value is not looked at yet. Each of its questions goes past what it asks for.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    /// `YYYY-MM-DD`, a day that there is.
    fn day(&mut self) -> bool {
        let Some(year) = self.number(4) else { return false };
        let Some(month) = self.skip(b'-').then(|| self.number(2)).flatten() else { return false };
        let Some(day) = self.skip(b'-').then(|| self.number(2)).flatten() else { return false };
        (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day)
    }

    /// `hh:mm[:ss[.f…]]`. 60 is a leap second.
    fn clock(&mut self) -> bool {
        let is_minute = self.within(23) && self.skip(b':') && self.within(59);
        let is_second = |rest: &mut Self| rest.within(60) && (!rest.skip(b'.') || rest.digits());
        is_minute && (!self.skip(b':') || is_second(self))
    }

    /// `±hh[:mm]`.
    fn shift(&mut self) -> bool {
        (self.skip(b'+') || self.skip(b'-'))
            && self.within(23)
            && (!self.skip(b':') || self.within(59))
    }

    /// Two digits, and no more than `most`.
    fn within(&mut self, most: u32) -> bool {
        self.number(2).is_some_and(|number| number <= most)
    }

    fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |value, &byte| {
            byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
        })
    }

    /// Digits, one at least.
    fn digits(&mut self) -> bool {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.0 = self.0.get(length..).unwrap_or_default();
        length > 0
    }

    fn skip(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn days_of(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for good in ["0", "27.75", "-5.00", "0.100", "719"] {
            assert!(Check::Decimal.fits(good), "{good}");
        }
        for bad in ["1,000.00", ".5", "5.", "1e3", "--1", "+1", " 1", "$5", "1.2.3", "-", "٣"] {
            assert!(!Check::Decimal.fits(bad), "{bad}");
        }
    }

    #[test]
    fn times() {
        for good in [
            "2024-09-10T10:42:38-07:00",
            "2024-02-29T00:00:00Z",
            "2000-02-29T23:59:60.123+05:30",
            "2024-09-10T10:42+02",
        ] {
            assert!(Check::Time.fits(good), "{good}");
        }
        for bad in [
            "2024-09-10T10:42:38",
            "2024-09-10",
            "2024-09-10 10:42:38-07:00",
            "2024-09-10T10:42:38 07:00",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-09-10T24:00:00Z",
            "2024-09-10T10:60:00Z",
            "2024-09-10T10:42:61Z",
            "2024-09-10T10:42:38.Z",
            "2024-09-10T10:42:38Z0",
            "2024-09-10T10:42:38-7:00",
            "+024-09-10T10:42:38Z",
            "24-09-10T10:42:38Z",
            "2024-09-10TéZ",
        ] {
            assert!(!Check::Time.fits(bad), "{bad}");
        }
        assert!(Check::Date.fits("2024-09-10"));
        assert!(Check::Date.fits("2024-09-10T10:42:38"));
        assert!(!Check::Date.fits("10.09.2024"));
    }

    #[test]
    fn words_are_upper_cased_where_they_are_known() {
        let settled = |check: Check, text: &'static str| {
            let mut scalar = Scalar::Text(Cow::Borrowed(text));
            scalar.settle(check);
            scalar
        };
        let text = |text: &'static str| Scalar::Text(Cow::Borrowed(text));
        let status = Check::Word(&["PENDING", "APPROVED"]);
        assert_eq!(settled(status, "Approved"), text("APPROVED"));
        assert_eq!(settled(status, "approvd"), text("approvd"));
        assert!(status.fits("APPROVED"));
        assert!(!status.fits("approvd"));
        assert_eq!(settled(Check::Open, "Item_returned"), text("ITEM_RETURNED"));
        assert_eq!(settled(Check::Currency, "usd"), text("USD"));
        assert_eq!(settled(Check::Currency, "us dollar"), text("us dollar"));
        assert!(!Check::Currency.fits("us dollar"));
        assert_eq!(settled(Check::Text, "sale"), text("sale"));
    }

    #[test]
    fn a_macro_is_a_whole_value_with_a_name_in_braces() {
        for yes in ["{SubId4}", "{subid1}", "{A_b}"] {
            assert!(is_macro(yes), "{yes}");
        }
        for no in ["{}", "{1}", "{Sub Id}", "x{A}", "{A", "A}", "{é}", "{\"a\":1}", "{A}{B}"] {
            assert!(!is_macro(no), "{no}");
        }
    }
}
