//! What a field's value must look like. Nothing is rewritten but the letter case of words; a value
//! that fails stays as received, and a warning says so.

use std::borrow::Cow;

use super::node::Node;

/// The shape of a field's value (IMPACT.md "Fields of an action" and the following).
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

/// A scalar after DESIGN.md "The canonical body".
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

    pub(super) fn settled(self, check: Check) -> Self {
        match self {
            Self::Text(text) => Self::Text(check.settle(text)),
            other => other,
        }
    }
}

impl Check {
    /// The value as it goes out.
    fn settle(self, text: Cow<'_, str>) -> Cow<'_, str> {
        match self {
            Self::Word(words) => {
                let known = words.iter().find(|word| text.eq_ignore_ascii_case(word));
                known.map_or(text, |word| Cow::Borrowed(*word))
            }
            Self::Currency if !is_currency(&text) => text,
            Self::Currency | Self::Open => {
                if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
                    Cow::Owned(text.to_ascii_uppercase())
                } else {
                    text
                }
            }
            Self::Text | Self::Decimal | Self::Time | Self::Date => text,
        }
    }

    /// What is wrong with a settled value: the rest of a sentence that begins with the field.
    pub(super) fn complaint(self, text: &str) -> Option<String> {
        let (fits, complaint) = match self {
            Self::Text | Self::Open => return None,
            Self::Word(words) if words.contains(&text) => return None,
            Self::Word(words) => return Some(format!("is none of {}", words.join(", "))),
            Self::Decimal => (is_decimal(text), "is not a decimal number"),
            Self::Time => {
                (is_moment(text, Offset::Required), "is not an ISO 8601 time with offset")
            }
            Self::Date => (is_date(text), "is not an ISO 8601 date"),
            Self::Currency => (is_currency(text), "is not a currency code of three letters"),
        };
        (!fits).then(|| complaint.to_owned())
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
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(unsigned),
    }
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_date(text: &str) -> bool {
    is_day(text) || is_moment(text, Offset::Optional)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Offset {
    Required,
    Optional,
}

/// `YYYY-MM-DDThh:mm[:ss[.f…]]` and `Z` or `±hh[:mm]`.
fn is_moment(text: &str, offset: Offset) -> bool {
    let Some((day, time)) = text.split_once('T') else {
        return false;
    };
    let (clock, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at_checked(at).unwrap_or((time, "")),
        None => (time, ""),
    };
    let zone_fits = match zone.strip_prefix(['+', '-']) {
        Some(shift) => match shift.split_once(':') {
            Some((hours, minutes)) => is_within(hours, 2, 0, 23) && is_within(minutes, 2, 0, 59),
            None => is_within(shift, 2, 0, 23),
        },
        None => zone == "Z" || (zone.is_empty() && offset == Offset::Optional),
    };
    is_day(day) && is_clock(clock) && zone_fits
}

fn is_clock(text: &str) -> bool {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut parts = whole.split(':');
    let hour = parts.next().is_some_and(|part| is_within(part, 2, 0, 23));
    let minute = parts.next().is_some_and(|part| is_within(part, 2, 0, 59));
    let second = match parts.next() {
        // 60 is a leap second.
        Some(part) => is_within(part, 2, 0, 60) && fraction.is_none_or(is_digits),
        None => fraction.is_none(),
    };
    hour && minute && second && parts.next().is_none()
}

fn is_day(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Some(days) = days_of(year, month) else {
        return false;
    };
    is_within(year, 4, 0, 9999) && is_within(month, 2, 1, 12) && is_within(day, 2, 1, days)
}

fn days_of(year: &str, month: &str) -> Option<u32> {
    let year: u32 = year.parse().ok()?;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        "02" if is_leap => Some(29),
        "02" => Some(28),
        "04" | "06" | "09" | "11" => Some(30),
        _ => Some(31),
    }
}

fn is_within(text: &str, digits: usize, low: u32, high: u32) -> bool {
    text.len() == digits
        && is_digits(text)
        && text.parse().is_ok_and(|value| (low..=high).contains(&value))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(check: Check, text: &str) -> bool {
        check.complaint(text).is_none()
    }

    #[test]
    fn decimals() {
        for good in ["0", "27.75", "-5.00", "0.100", "719"] {
            assert!(fits(Check::Decimal, good), "{good}");
        }
        for bad in ["1,000.00", ".5", "5.", "1e3", "--1", "+1", " 1", "$5", "1.2.3", "-", "٣"] {
            assert!(!fits(Check::Decimal, bad), "{bad}");
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
            assert!(fits(Check::Time, good), "{good}");
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
            assert!(!fits(Check::Time, bad), "{bad}");
        }
        assert!(fits(Check::Date, "2024-09-10"));
        assert!(fits(Check::Date, "2024-09-10T10:42:38"));
        assert!(!fits(Check::Date, "10.09.2024"));
    }

    #[test]
    fn words_are_upper_cased_where_they_are_known() {
        let settled = |check: Check, text: &'static str| check.settle(Cow::Borrowed(text));
        let status = Check::Word(&["PENDING", "APPROVED"]);
        assert_eq!(settled(status, "Approved"), "APPROVED");
        assert_eq!(settled(status, "approvd"), "approvd");
        assert!(fits(status, "APPROVED"));
        assert!(!fits(status, "approvd"));
        assert_eq!(settled(Check::Open, "Item_returned"), "ITEM_RETURNED");
        assert_eq!(settled(Check::Currency, "usd"), "USD");
        assert_eq!(settled(Check::Currency, "us dollar"), "us dollar");
        assert!(!fits(Check::Currency, "us dollar"));
        assert_eq!(settled(Check::Text, "sale"), "sale");
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
