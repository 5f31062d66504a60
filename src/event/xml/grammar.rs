//! Well-formedness: what the tokenizer lets through and XML 1.0 (fifth edition) or Namespaces in
//! XML 1.0 does not. A number in parentheses is that of the production.
//!
//! Two readers that disagree about a document see two events. So a document is read exactly where
//! the standards define how, and refused everywhere else.

use std::borrow::Cow;

use super::super::Malformed;

/// (2) `Char`: the offset of the first character that is none, in whatever part of a document.
pub(super) fn forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_control = |&byte: &u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    // No early end: so the compiler looks at many bytes at once.
    if bytes.iter().fold(false, |found, byte| found | is_control(byte)) {
        return bytes.iter().position(is_control);
    }
    // U+FFFE and U+FFFF. Surrogates are not UTF-8.
    memchr::memchr_iter(0xEF, bytes)
        .find(|&at| matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])))
}

/// (3) `S`.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A name in its two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// What stands before the colon, if there is one.
    pub(super) prefix: Option<&'a str>,
    pub(super) local: &'a str,
}

impl<'a> Name<'a> {
    /// (5) `Name`, narrowed by Namespaces (7) `QName`: no colon but one between two parts.
    pub(super) fn parse(name: &'a str) -> Result<Self, Malformed> {
        let (prefix, local) = match name.split_once(':') {
            Some((prefix, local)) => (Some(prefix), local),
            None => (None, name),
        };
        if prefix.is_none_or(is_ncname) && is_ncname(local) {
            return Ok(Self { prefix, local });
        }
        Err(Malformed::new("a name that XML does not allow, or a `<` that should be `&lt;`"))
    }
}

/// Namespaces (4) `NCName`: a name without a colon.
fn is_ncname(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(is_name_start) && characters.all(is_name_part)
}

/// (4) `NameStartChar` without the colon.
fn is_name_start(character: char) -> bool {
    matches!(character,
        'a'..='z' | 'A'..='Z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// (4a) `NameChar` without the colon.
fn is_name_part(character: char) -> bool {
    is_name_start(character)
        || matches!(character,
            '0'..='9' | '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// (14) `CharData`: no end of a CDATA section outside of one.
pub(super) fn character_data(text: &str) -> Result<(), Malformed> {
    // Most texts have no bracket, and are left to the quicker search.
    let bytes = text.as_bytes();
    if memchr::memchr(b']', bytes).is_some() && memchr::memmem::find(bytes, b"]]>").is_some() {
        return Err(Malformed::new("a `]]>` that should be written `]]&gt;`"));
    }
    Ok(())
}

/// (15) `Comment`: no `--` inside, no `-` at the end.
pub(super) fn comment(inside: &str) -> Result<(), Malformed> {
    if inside.contains("--") || inside.ends_with('-') {
        return Err(Malformed::new("a comment holds `--` or ends with `-`"));
    }
    Ok(())
}

/// (16) `PI` and (17) `PITarget`; Namespaces section 7 allows it no colon.
pub(super) fn instruction(target: &str) -> Result<(), Malformed> {
    if target.eq_ignore_ascii_case("xml") {
        return Err(Malformed::new("a processing instruction must not be called `xml`"));
    }
    if !is_ncname(target) {
        return Err(Malformed::new("a processing instruction without a proper name"));
    }
    Ok(())
}

/// (23) `XMLDecl`, from behind `<?xml` to before `?>`: the encoding it names.
pub(super) fn declaration(inside: &str) -> Result<Option<&str>, Malformed> {
    let broken = || Malformed::new("the XML declaration is not as XML wants it");
    let mut attributes = Attributes::new(inside);
    // (24) and (26). XML 1.1 has other line ends and other characters, so it would be read wrongly.
    match attributes.next().transpose()? {
        Some(("version", "1.0")) => {}
        Some(("version", _)) => return Err(Malformed::new("only XML 1.0 is read")),
        _ => return Err(broken()),
    }
    let mut next = attributes.next().transpose()?;
    let mut encoding = None;
    // (80) and (81).
    if let Some(("encoding", name)) = next {
        let mut bytes = name.bytes();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic()) || !bytes.all(is_part) {
            return Err(broken());
        }
        encoding = Some(name);
        next = attributes.next().transpose()?;
    }
    // (32).
    if let Some(("standalone", "yes" | "no")) = next {
        next = attributes.next().transpose()?;
    }
    if next.is_some() { Err(broken()) } else { Ok(encoding) }
}

/// What stands behind the name in (40) `STag` and (44) `EmptyElemTag`: pairs of a name, which is
/// not looked at, and a raw value.
pub(super) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(rest: &'a str) -> Self {
        Self { rest }
    }

    /// (41) `Attribute`, (25) `Eq`, and the quotes of (10) `AttValue`.
    fn pair(&mut self, text: &'a str) -> Option<(&'a str, &'a str)> {
        let end = text.bytes().position(|byte| byte == b'=' || is_space(byte))?;
        let (name, rest) = text.split_at_checked(end)?;
        let rest = without_space(without_space(rest).strip_prefix('=')?);
        let quote = rest.bytes().next().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let rest = rest.get(1..)?;
        let (value, rest) = rest.split_at_checked(memchr::memchr(quote, rest.as_bytes())?)?;
        self.rest = rest.get(1..)?;
        Some((name, value))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(&'a str, &'a str), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = without_space(self.rest);
        if text.is_empty() {
            return None;
        }
        if text.len() == self.rest.len() {
            return Some(Err(Malformed::new("there is no space before an attribute")));
        }
        let pair = self.pair(text);
        Some(pair.ok_or_else(|| Malformed::new("an attribute is not of the form name=\"value\"")))
    }
}

/// (10) `AttValue` without its quotes, normalized as section 3.3.3 says: a line break or a tab is a
/// space, unless it is written as a reference.
pub(super) fn attribute_value(raw: &str) -> Result<Cow<'_, str>, Malformed> {
    if memchr::memchr(b'<', raw.as_bytes()).is_some() {
        return Err(Malformed::new("an attribute holds a `<` that should be written `&lt;`"));
    }
    let is_special = |character| matches!(character, '&' | '\t' | '\n' | '\r');
    if !raw.contains(is_special) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, special)) =
        rest.find(is_special).and_then(|at| rest.split_at_checked(at))
    {
        value.push_str(plain);
        if let Some(referred) = special.strip_prefix('&') {
            let (name, after) =
                referred.split_once(';').ok_or_else(|| Malformed::new(UNKNOWN_ENTITY))?;
            value.push(reference(name)?);
            rest = after;
        } else {
            value.push(' ');
            // Section 2.11: a carriage return with its line feed is one line end.
            let after = special.strip_prefix("\r\n").or_else(|| special.get(1..));
            rest = after.unwrap_or_default();
        }
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

/// (66) `CharRef` and (68) `EntityRef`, without `&` and `;`. Without a DTD there are only the
/// entities of section 4.6.
pub(super) fn reference(name: &str) -> Result<char, Malformed> {
    let Some(number) = name.strip_prefix('#') else {
        return match name {
            "amp" => Ok('&'),
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "apos" => Ok('\''),
            "quot" => Ok('"'),
            _ => Err(Malformed::new(UNKNOWN_ENTITY)),
        };
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // The standard library would take a sign, too.
    let are_digits = digits.chars().all(|digit| digit.is_digit(radix));
    let code = u32::from_str_radix(digits, radix).ok().filter(|_| are_digits);
    code.and_then(char::from_u32)
        .filter(|character| forbidden(character.encode_utf8(&mut [0; 4])).is_none())
        .ok_or_else(|| Malformed::new("a reference to a character that XML does not allow"))
}

/// Also what is said where the tokenizer finds it.
pub(super) const UNKNOWN_ENTITY: &str =
    "an entity that XML does not define, or an `&` that should be written `&amp;`";

fn without_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_those_of_production_2() {
        assert_eq!(forbidden("a\t\r\n\u{7f}\u{85}é\u{fffd}\u{10ffff}"), None);
        assert_eq!(forbidden("\u{ffef}\u{ffbe}"), None);
        assert_eq!(forbidden("ab\0"), Some(2));
        assert_eq!(forbidden("é\u{1f}"), Some(2));
        assert_eq!(forbidden("a\u{fffe}"), Some(1));
        assert_eq!(forbidden("\u{ffff}"), Some(0));
    }

    #[test]
    fn names_have_at_most_one_colon_between_two_parts() {
        let name = |prefix, local| Ok(Name { prefix, local });
        assert_eq!(Name::parse("a-1.·"), name(None, "a-1.·"));
        assert_eq!(Name::parse("é:Größe"), name(Some("é"), "Größe"));
        for wrong in ["", "1", "-a", ".a", "·", "a b", "a/", "a<", ":", ":a", "a:", "a:b:c", "a:1"]
        {
            assert!(Name::parse(wrong).is_err(), "{wrong}");
        }
        // The characters before and after a range.
        for wrong in ["\u{D7}", "\u{F7}", "\u{37E}", "\u{2000}", "\u{3000}", "\u{F0000}"] {
            assert!(Name::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_declaration_is_as_production_23_says() {
        let read = |inside| declaration(inside).map_err(|_| ());
        assert_eq!(read(" version='1.0'"), Ok(None));
        let whole = " version = \"1.0\"\n encoding='x-1._y' standalone='no' ";
        assert_eq!(read(whole), Ok(Some("x-1._y")));
        for wrong in [
            "",
            " encoding='utf-8'",
            " version='1.1'",
            " version='1'",
            " version=1.0",
            " version='1.0\"",
            " version='1.0'encoding='utf-8'",
            " version='1.0' encoding=''",
            " version='1.0' encoding='1'",
            " version='1.0' encoding='a b'",
            " version='1.0' Encoding='utf-8'",
            " version='1.0' standalone='maybe'",
            " version='1.0' standalone='yes' encoding='utf-8'",
            " version='1.0' version='1.0'",
            " version='1.0' x='y'",
            " version='1.0' ?",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn attributes_are_set_apart_and_quoted() {
        let pairs = |text| Attributes::new(text).collect::<Result<Vec<_>, _>>().map_err(|_| ());
        assert_eq!(pairs(" \n"), Ok(vec![]));
        assert_eq!(pairs(" a='\"' b\t=\n\"'\" "), Ok(vec![("a", "\""), ("b", "'")]));
        for wrong in
            ["a='1'", " a='1'b='2'", " a", " a=", " a=1", " a='1", " a '1'", " /", " a='' /"]
        {
            assert!(pairs(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_are_normalized_and_references_are_not() {
        let value = |raw| attribute_value(raw).map_err(|_| ());
        assert_eq!(value("x\r\ny\r\rz\t\n"), Ok("x y  z  ".into()));
        assert_eq!(value("&#13;&#xA;&lt;&amp;lt;>"), Ok("\r\n<&lt;>".into()));
        for wrong in ["<", "&", "&amp", "&;", "&a;", "& amp;", "&amp &amp;"] {
            assert!(value(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn references_are_to_characters_that_are_allowed() {
        let read = |name| reference(name).map_err(|_| ());
        assert_eq!(read("#x1F389"), Ok('🎉'));
        assert_eq!(read("#0065"), Ok('A'));
        for wrong in ["#", "#x", "#+65", "#x+41", "#X41", "#6 5", "#a", "#0", "#xFFFE", "#xD800"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        for wrong in ["#x110000", "#99999999999", "AMP", "nbsp", "lt ", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
