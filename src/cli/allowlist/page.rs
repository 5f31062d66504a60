//! The text of a page of the web as a reader sees it. Pure.

/// Between two lines; they keep their numbers.
pub(super) const LINE: char = '\n';
/// In the place of each tag, so that nothing grows together across one.
pub(super) const TAG: char = '\0';

/// Elements whose text is not meant for people.
const HIDDEN: [&str; 2] = ["script", "style"];
/// Characters by name that may stand in a range or beside one.
const NAMED: [(&str, &str); 18] = [
    ("&nbsp;", " "),
    ("&ndash;", "-"),
    ("&mdash;", "-"),
    ("&minus;", "-"),
    ("&hyphen;", "-"),
    ("&dash;", "-"),
    ("&horbar;", "-"),
    ("&sim;", "~"),
    ("&lowbar;", "_"),
    ("&percnt;", "%"),
    ("&shy;", ""),
    ("&zwj;", ""),
    ("&zwnj;", ""),
    ("&ZeroWidthSpace;", ""),
    ("&sol;", "/"),
    ("&period;", "."),
    ("&colon;", ":"),
    ("&ast;", "*"),
];

/// What is left without tags and what is hidden, its references resolved.
pub(super) fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('<') {
        seen.push_str(before);
        let is_tag = tail.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        let Some((tag, after)) = tail.split_once('>').filter(|_| is_tag) else {
            seen.push(' ');
            rest = tail;
            continue;
        };
        seen.push(TAG);
        keep_lines(&mut seen, tag);
        rest = after;
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        if let Some(hidden) = HIDDEN.iter().find(|hidden| hidden.eq_ignore_ascii_case(name)) {
            let close = format!("</{hidden}");
            let end = after.to_ascii_lowercase().find(&close).unwrap_or(after.len());
            let (inside, after) = after.split_at(end);
            keep_lines(&mut seen, inside);
            rest = after;
        }
    }
    seen.push_str(rest);
    for (name, meant) in NAMED {
        seen = seen.replace(name, meant);
    }
    seen = others_by_name(&by_number(&seen));
    seen.retain(|c| !has_no_width(c));
    seen
}

fn keep_lines(seen: &mut String, hidden: &str) {
    seen.extend(hidden.chars().filter(|c| *c == LINE));
}

/// Puts characters in the place of `&#47;` and `&#x2f;`. As browsers do, it does not insist on the
/// semicolon.
fn by_number(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("&#") {
        seen.push_str(before);
        let (digits, radix) = match tail.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (tail, 10),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let (number, after) = digits.split_at(end);
        if let Some(c) = u32::from_str_radix(number, radix).ok().and_then(char::from_u32) {
            seen.push(if c.is_control() { ' ' } else { c });
            rest = after.strip_prefix(';').unwrap_or(after);
        } else {
            seen.push_str("&#");
            rest = tail;
        }
    }
    seen.push_str(rest);
    seen
}

/// Puts a space in the place of each reference by a name that is not in [`NAMED`]: none of those
/// characters belongs to a range, and their names are no words of the page.
fn others_by_name(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('&') {
        seen.push_str(before);
        let end = tail.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tail.len());
        let (name, after) = tail.split_at(end);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if let Some(after) = after.strip_prefix(';').filter(|_| is_name) {
            seen.push(' ');
            rest = after;
        } else {
            seen.push('&');
            rest = tail;
        }
    }
    seen.push_str(rest);
    seen
}

/// Nobody sees these, and pages put them where a line may break.
fn has_no_width(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_sees_is_left_on_its_line() {
        for (text, expected) in [
            ("a<br>b", "a\0b"),
            ("a<b\nc='d'>e", "a\0\ne"),
            ("a < b", "a   b"),
            ("<script>a\nb</script>c", "\0\n\0c"),
            ("a&nbsp;b&sol;c&ndash;d", "a b/c-d"),
            ("&#47;&#x2F;&#X2f;&#47 &#8211;", "///\u{2f} \u{2013}"),
            ("&#;&#x;&#xg;&#99999999999;&#xd800;&", "&#;&#x;&#xg;&#99999999999;&#xd800;&"),
            ("a&#0;b&#10;c", "a b c"),
            ("a&thinsp;b&amp;c&d &1;", "a b c&d &1;"),
            ("a&#8203;b\u{feff}c&shy;d", "abcd"),
        ] {
            assert_eq!(visible(text), expected, "{text}");
        }
    }
}
