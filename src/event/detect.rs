//! Which format an input is in. The body's first character decides, because the `Content-Type` is
//! what a person left in a form; the header decides where the body could be anything.

use super::{Format, Input, Malformed};

/// The format to read `input` as; `wanted` is what the route says.
pub(super) fn format(input: &Input<'_>, wanted: Option<Format>) -> Result<Format, Malformed> {
    let blank = input.body.trim_ascii().is_empty();
    match wanted {
        Some(Format::Query) if !blank => {
            Err(Malformed::new("the route reads the query alone, and there is a body")
                .read_as(Format::Query))
        }
        Some(Format::Query) => Ok(Format::Query),
        Some(format) if blank => Err(Malformed::new("the body is empty").read_as(format)),
        Some(format) => Ok(format),
        None if !blank => of_body(input.body, input.content_type),
        None if input.query.is_some_and(|query| !query.is_empty()) => Ok(Format::Query),
        None => Err(Malformed::new("there is neither a body nor a query")),
    }
}

/// A JSON body as text, without a byte-order mark. JSON is UTF-8 (RFC 8259 section 8.1) and its
/// media type has no `charset`, so nothing but the body is asked.
pub(super) fn text(body: &[u8]) -> Result<&str, Malformed> {
    if is_wide(body) {
        return Err(Malformed::new("it is UTF-16, and JSON is always UTF-8"));
    }
    let body = without_mark(body);
    str::from_utf8(body)
        .map_err(|error| Malformed::at("the body is not UTF-8", body, error.valid_up_to()))
}

fn of_body(body: &[u8], content_type: Option<&[u8]>) -> Result<Format, Malformed> {
    let body = without_mark(body).trim_ascii_start();
    match first(body) {
        Some(b'{' | b'[') => return Ok(Format::Json),
        Some(b'<') => return Ok(Format::Xml),
        _ if looks_like_pairs(body) => return Ok(Format::Form),
        _ => {}
    }
    content_type.and_then(named).ok_or_else(|| {
        Malformed::new("the body is neither JSON, nor XML, nor a form, and no Content-Type says so")
    })
}

/// Whether a name of the usual characters and `=` come first.
fn looks_like_pairs(body: &[u8]) -> bool {
    let name = body.iter().take_while(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']' | b'%')
    });
    let length = name.count();
    length > 0 && body.get(length) == Some(&b'=')
}

/// The format of a media type; its parameters mean nothing here.
fn named(content_type: &[u8]) -> Option<Format> {
    let essence = content_type
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
        .to_ascii_lowercase();
    if essence == b"application/x-www-form-urlencoded" {
        Some(Format::Form)
    } else if essence.ends_with(b"/json") || essence.ends_with(b"+json") {
        Some(Format::Json)
    } else if essence.ends_with(b"/xml") || essence.ends_with(b"+xml") {
        Some(Format::Xml)
    } else {
        None
    }
}

/// The first character that is no space, of UTF-16 too, if it is ASCII.
fn first(body: &[u8]) -> Option<u8> {
    if !is_wide(body) {
        return body.first().copied();
    }
    let units = body.iter().filter(|byte| !matches!(byte, 0 | 0xFE | 0xFF));
    units.copied().find(|byte| !byte.is_ascii_whitespace())
}

/// Whether it begins as UTF-16 does: with a mark, or with an ASCII character of two bytes.
fn is_wide(body: &[u8]) -> bool {
    match body {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => true,
        [0, ascii, ..] | [ascii, 0, ..] => ascii.is_ascii_graphic(),
        _ => false,
    }
}

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(content_type: &str, body: &str) -> Option<Format> {
        let input = Input {
            content_type: Some(content_type.as_bytes()),
            query: None,
            body: body.as_bytes(),
        };
        format(&input, None).ok()
    }

    #[test]
    fn the_content_type_decides_where_the_body_could_be_anything() {
        assert_eq!(detected("application/json; charset=utf-8", "x"), Some(Format::Json));
        assert_eq!(detected("application/vnd.x+JSON", "x"), Some(Format::Json));
        assert_eq!(detected("text/xml", "x"), Some(Format::Xml));
        assert_eq!(detected("application/x-www-form-urlencoded", "x"), Some(Format::Form));
        assert_eq!(detected("text/plain", "x"), None);
        assert_eq!(detected("multipart/form-data; boundary=x", "--x\r\n"), None);
    }

    #[test]
    fn the_body_decides_where_the_content_type_is_wrong() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(detected(form, " {}"), Some(Format::Json));
        assert_eq!(detected(form, "\u{feff}<a/>"), Some(Format::Xml));
        assert_eq!(detected("application/json", "a.b%5B0%5D=1"), Some(Format::Form));
        assert_eq!(detected("application/json", "\"a\"=1"), Some(Format::Json));
        assert_eq!(detected("", "a_b[0]=1"), Some(Format::Form));
    }

    #[test]
    fn what_the_route_says_is_not_questioned() {
        let input = |body| Input { content_type: None, query: Some(b"a=1"), body };
        assert_eq!(format(&input(b"{}"), Some(Format::Form)), Ok(Format::Form));
        assert_eq!(format(&input(b" "), Some(Format::Query)), Ok(Format::Query));
        assert!(format(&input(b"{}"), Some(Format::Query)).is_err());
        assert!(format(&input(b""), Some(Format::Json)).is_err());
        assert_eq!(format(&input(b"\r\n"), None), Ok(Format::Query));
        assert!(format(&Input::default(), None).is_err());
    }

    #[test]
    fn what_is_not_utf8_is_refused_with_its_place() {
        let refused = text(b"{\"a\":\n\"\xE9\"}").unwrap_err();
        let at = refused.at.unwrap();
        assert_eq!((at.line, at.column), (2, 2));
        assert_eq!(text(b"\xEF\xBB\xBF{}"), Ok("{}"));
    }
}
