//! The bytes of an XML body → text (XML 1.0 section 4.3.3, RFC 7303 section 3).
//!
//! Three places can name the encoding: a byte-order mark, `charset` in the `Content-Type`, and the
//! XML declaration. RFC 7303 lets the first of them win. Here all that speak have to agree, because
//! readers differ in whom they believe. Exempt is a text that is ASCII throughout: it is the same
//! in each encoding that contains ASCII. Where nobody speaks it is UTF-8, or UTF-16 when the first
//! character is a `<` of two bytes (XML 1.0 appendix F).
//!
//! ISO-8859-1 is read as windows-1252, its superset, as the WHATWG Encoding Standard says.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::super::Malformed;
use super::grammar;

/// The text of `body`, without a mark; borrowed unless it had to be converted.
pub(super) fn text<'a>(
    body: &'a [u8],
    content_type: Option<&[u8]>,
) -> Result<Cow<'a, str>, Malformed> {
    let (seen, mark) = match Encoding::for_bom(body) {
        Some((encoding, length)) => (Some(encoding), length),
        None => (unmarked(body), 0),
    };
    let content = body.get(mark..).unwrap_or_default();
    let charset = content_type.and_then(charset);
    match seen {
        Some(wide) if wide != UTF_8 => wide_text(content, wide, charset).map(Cow::Owned),
        marked => narrow_text(content, marked.map(|_| Narrow::Utf8), charset),
    }
}

/// An encoding that contains ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Narrow {
    Utf8,
    Western,
    /// ASCII itself, or an encoding that is not read beyond ASCII.
    Ascii,
}

impl Narrow {
    fn named(label: &[u8]) -> Result<Self, Malformed> {
        let of_ascii = |name: &&[u8]| label.eq_ignore_ascii_case(name);
        match Encoding::for_label(label) {
            Some(encoding) if encoding == UTF_8 => Ok(Self::Utf8),
            Some(_) if [&b"us-ascii"[..], b"ascii"].iter().any(of_ascii) => Ok(Self::Ascii),
            Some(encoding) if encoding == WINDOWS_1252 => Ok(Self::Western),
            Some(encoding) if encoding.is_ascii_compatible() => Ok(Self::Ascii),
            Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {
                Err(Malformed::new("it is said to be UTF-16, and is not"))
            }
            _ => Err(Malformed::new("it is said to be in an encoding that is not known")),
        }
    }
}

fn narrow_text<'a>(
    content: &'a [u8],
    marked: Option<Narrow>,
    charset: Option<&[u8]>,
) -> Result<Cow<'a, str>, Malformed> {
    // A mark is not ASCII.
    let is_ascii = || marked.is_none() && content.is_ascii();
    let mut encoding = marked;
    for label in [charset, declared(content)].into_iter().flatten() {
        let named = Narrow::named(label)?;
        match encoding {
            Some(other) if other != named && !is_ascii() => {
                return Err(Malformed::new(DISAGREE));
            }
            _ => encoding = Some(named),
        }
    }
    match (encoding.unwrap_or(Narrow::Utf8), str::from_utf8(content)) {
        (Narrow::Utf8, Ok(text)) => Ok(Cow::Borrowed(text)),
        (_, Ok(text)) if text.is_ascii() => Ok(Cow::Borrowed(text)),
        (Narrow::Utf8, Err(error)) => {
            Err(Malformed::at("the body is not UTF-8", content, error.valid_up_to()))
        }
        // Whole UTF-8 by accident hardly exists. A template's declaration that nobody meant does.
        (Narrow::Western, Ok(_)) => {
            Err(Malformed::new("it is said to be ISO-8859-1 or windows-1252, and is UTF-8"))
        }
        (Narrow::Western, Err(_)) => Ok(WINDOWS_1252.decode_without_bom_handling(content).0),
        (Narrow::Ascii, _) => Err(Malformed::new(
            "beyond ASCII, only UTF-8, UTF-16, ISO-8859-1 and windows-1252 are read",
        )),
    }
}

fn wide_text(
    content: &[u8],
    encoding: &'static Encoding,
    charset: Option<&[u8]>,
) -> Result<String, Malformed> {
    let text = encoding
        .decode_without_bom_handling_and_without_replacement(content)
        .ok_or_else(|| Malformed::new("the body is not UTF-16 throughout"))?;
    let agrees = |label: &[u8]| match Encoding::for_label(label) {
        Some(named) => named == encoding || label.eq_ignore_ascii_case(b"utf-16"),
        None => false,
    };
    if [charset, declared(text.as_bytes())].into_iter().flatten().all(agrees) {
        return Ok(text.into_owned());
    }
    Err(Malformed::new(DISAGREE))
}

const DISAGREE: &str = "byte-order mark, `charset` and XML declaration name different encodings";

/// A `<` of two bytes. With a mark it need not be a `<`.
fn unmarked(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [b'<', 0, ..] => Some(UTF_16LE),
        [0, b'<', ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// What the XML declaration names, if there is a proper one; the reader refuses the others.
fn declared(content: &[u8]) -> Option<&[u8]> {
    let inside = content.strip_prefix(b"<?xml")?;
    let end = memchr::memchr(b'?', inside)?;
    let inside = str::from_utf8(inside.get(..end)?).ok()?;
    grammar::declaration(inside).ok().flatten().map(str::as_bytes)
}

/// The `charset` parameter of a media type (RFC 9110 section 8.3.2). The type itself does not
/// matter here.
fn charset(content_type: &[u8]) -> Option<&[u8]> {
    let mut parameters = content_type.split(|&byte| byte == b';').skip(1);
    parameters.find_map(|parameter| {
        let equals = memchr::memchr(b'=', parameter)?;
        let (name, value) = parameter.split_at_checked(equals)?;
        let value = value.get(1..)?.trim_ascii();
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        name.trim_ascii().eq_ignore_ascii_case(b"charset").then(|| bare.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, body: &[u8]) -> Result<String, String> {
        let read = text(body, Some(content_type.as_bytes()));
        read.map(Cow::into_owned).map_err(|malformed| malformed.reason)
    }

    fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    const WESTERN: &str = "<?xml version='1.0' encoding='ISO-8859-1'?><a>";
    const WIDE: &str = "<?xml version='1.0' encoding='UTF-16'?><a>é</a>";

    #[test]
    fn utf8_is_borrowed_and_loses_its_mark() {
        let body = "\u{feff}<a>é</a>".as_bytes();
        assert!(matches!(text(body, None), Ok(Cow::Borrowed("<a>é</a>"))));
        assert_eq!(read("text/xml; charset=UTF-8", body).unwrap(), "<a>é</a>");
        assert!(read("text/xml", b"<a>\xE9</a>").unwrap_err().contains("not UTF-8"));
    }

    #[test]
    fn western_is_read_where_the_declaration_or_the_type_says_so() {
        let body = [WESTERN.as_bytes(), b"\xE9\x80"].concat();
        assert_eq!(read("text/xml", &body).unwrap(), format!("{WESTERN}é€"));
        assert_eq!(read("text/xml; charset=\"Windows-1252\"", b"<a>\xE9").unwrap(), "<a>é");
        assert!(read("text/xml;charset=utf-8", &body).unwrap_err().contains("different"));
        assert!(read("text/xml;charset=us-ascii", b"<a>\xE9").unwrap_err().contains("ASCII"));
        let other = b"<?xml version='1.0' encoding='ISO-8859-15'?><a>\xA4</a>";
        assert!(read("text/xml", other).unwrap_err().contains("ASCII"));
    }

    #[test]
    fn what_says_western_and_is_utf8_is_refused_unless_it_makes_no_difference() {
        assert!(read("text/xml", format!("{WESTERN}é").as_bytes()).is_err());
        assert_eq!(read("text/xml;charset=utf-8", WESTERN.as_bytes()).unwrap(), WESTERN);
        let marked = format!("\u{feff}{WESTERN}");
        assert!(read("text/xml", marked.as_bytes()).unwrap_err().contains("different"));
        // Not every encoding contains ASCII: `+ADw-` would be a bracket.
        assert!(read("text/xml; charset=utf-7", b"<a>+ADw-</a>").is_err());
        assert!(read("text/xml; charset=utf-16", b"<a/>").unwrap_err().contains("UTF-16"));
    }

    #[test]
    fn utf16_is_seen_by_its_mark_or_its_first_character() {
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(read("", &wide(WIDE, unit)).unwrap(), WIDE);
            assert_eq!(read("", &wide(&format!("\u{feff}{WIDE}"), unit)).unwrap(), WIDE);
            assert_eq!(read("a/xml; charset=utf-16", &wide("<a/>", unit)).unwrap(), "<a/>");
        }
        let little = wide(WIDE, u16::to_le_bytes);
        assert!(read("text/xml; charset=utf-16be", &little).is_err());
        assert!(read("text/xml; charset=utf-8", &little).unwrap_err().contains("different"));
        assert!(read("", little.get(..little.len() - 1).unwrap()).is_err());
        assert!(read("", b"<\0\0\xD8").unwrap_err().contains("throughout"));
    }

    #[test]
    fn the_charset_is_one_parameter_among_others() {
        assert_eq!(charset(b"text/xml; a=b ; CharSet = \"x\""), Some(&b"x"[..]));
        assert_eq!(charset(b"text/xml;charset=x;charset=y"), Some(&b"x"[..]));
        assert_eq!(charset(b"charset=x"), None);
        assert_eq!(charset(b"text/xml; charset"), None);
    }
}
