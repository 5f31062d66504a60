//! The text of a page of the web as a reader sees it. Pure, and in one pass: a page may be large.

/// Between two lines; they keep their numbers.
pub(super) const LINE: char = '\n';
/// In the place of each tag, so that nothing grows together across one.
pub(super) const TAG: char = '\0';
/// In the place of a tag that parts two columns of a table (ASCII's own sign for it).
pub(super) const COLUMN: char = '\x1f';
/// In the place of a tag that begins or ends a line, an item or a row.
pub(super) const BLOCK: char = '\x1e';

/// Where text begins and ends that nobody sees on the page, or sees struck out.
pub(super) const GONE: char = '\x0e';
pub(super) const BACK: char = '\x0f';

/// Elements whose text is not meant for people.
const HIDDEN: [&str; 2] = ["script", "style"];
/// Elements whose text does not count for people, and what makes one of any other.
const WITHDRAWN: [&str; 4] = ["s", "del", "strike", "template"];
const STYLES: [&str; 3] = ["display:none", "visibility:hidden", "line-through"];
/// Elements without an end.
const VOID: [&str; 6] = ["br", "hr", "img", "input", "link", "meta"];
/// Elements of a table's row.
const COLUMNS: [&str; 2] = ["td", "th"];
/// Elements that stand below each other.
const BLOCKS: [&str; 30] = [
    "address",
    "article",
    "blockquote",
    "body",
    "br",
    "caption",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tbody",
    "thead",
    "tr",
    "ul",
];
/// Characters by name that may stand in a range or beside one.
const NAMED: [(&str, &str); 23] = [
    ("nbsp", " "),
    ("lt", "<"),
    ("gt", ">"),
    ("amp", "&"),
    ("ndash", "-"),
    ("mdash", "-"),
    ("minus", "-"),
    ("hyphen", "-"),
    ("dash", "-"),
    ("horbar", "-"),
    ("sim", "~"),
    ("lowbar", "_"),
    ("percnt", "%"),
    ("shy", ""),
    ("zwj", ""),
    ("zwnj", ""),
    ("ZeroWidthSpace", ""),
    ("sol", "/"),
    ("frasl", "/"),
    ("period", "."),
    ("colon", ":"),
    ("ast", "*"),
    ("comma", ","),
];
/// Others that stand between words and mean nothing there: blanks, quotes and the like.
const PARTING: [&str; 19] = [
    "Tab", "NewLine", "ensp", "emsp", "emsp13", "emsp14", "numsp", "puncsp", "thinsp", "hairsp",
    "quot", "apos", "lsquo", "rsquo", "ldquo", "rdquo", "bull", "middot", "semi",
];
/// In the place of every other one: something stands there, and nobody has looked at what.
const UNKNOWN: char = '\u{fffd}';

/// What is left without tags and scripts, its references resolved.
pub(super) fn visible(text: &str) -> String {
    let text = whole_lines(text);
    let mut seen = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // The element that nobody sees, and how many of its name are open.
    let mut gone: Option<(&str, usize)> = None;
    while let Some((before, tail)) = rest.split_once('<') {
        seen.push_str(before);
        rest = tail;
        if let Some(comment) = tail.strip_prefix("!--") {
            let (inside, after) = comment.split_once("-->").unwrap_or((comment, ""));
            // Frameworks put empty ones into the middle of a text.
            let marks = if inside.trim().is_empty() { [TAG, TAG] } else { [GONE, BACK] };
            seen.extend([marks[0]]);
            seen.push_str(inside);
            seen.extend([marks[1]]);
            rest = after;
            continue;
        }
        // JSON may write the slash of an end as `\/`.
        let tail = if tail.starts_with("\\/") { tail.trim_start_matches('\\') } else { tail };
        let is_tag = tail.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        if !is_tag {
            seen.push('<');
            continue;
        }
        let Some((tag, after)) = end_of_tag(tail).and_then(|end| tail.split_at_checked(end)) else {
            // Nor has any of those behind it an end.
            seen.push('<');
            break;
        };
        let after = after.strip_prefix('>').unwrap_or(after);
        let is_end = tag.starts_with('/');
        let name = tag.strip_prefix('/').unwrap_or(tag);
        let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        seen.push(stand_in(name));
        keep_lines(&mut seen, tag);
        rest = after;
        gone = match gone {
            Some((of, depth)) if of.eq_ignore_ascii_case(name) => match (is_end, depth) {
                (true, 1) => {
                    seen.push(BACK);
                    None
                }
                (true, _) => Some((of, depth - 1)),
                (false, _) => Some((of, depth + 1)),
            },
            None if !is_end && is_withdrawn(name, tag) => {
                seen.push(GONE);
                Some((name, 1))
            }
            _ => gone,
        };
        if !is_end && is_one_of(&HIDDEN, name) {
            let (inside, after) = after.split_at(end_of(name, after));
            keep_lines(&mut seen, inside);
            rest = after;
        }
    }
    seen.push_str(rest);
    let seen = by_name(&by_number(&seen));
    seen.chars().filter(|c| !has_no_width(*c)).map(in_ascii).collect()
}

/// Undoes the breaks of quoted-printable, a `=` at the end of a line; the lines behind keep their
/// numbers. Signs that stand for something here are blanks in a text.
fn whole_lines(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut owed = 0;
    let readable = |c: char| if c.is_control() && !matches!(c, LINE | '\t') { ' ' } else { c };
    for line in text.split_inclusive(LINE) {
        match line.trim_end().strip_suffix('=') {
            Some(start) if line.ends_with(LINE) && !start.ends_with('=') => {
                whole.extend(start.chars().map(readable));
                owed += 1;
            }
            _ => {
                whole.extend(line.chars().map(readable));
                whole.extend(std::iter::repeat_n(LINE, std::mem::take(&mut owed)));
            }
        }
    }
    whole
}

/// The `>` that no value of an attribute holds.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    let end = tag.char_indices().find(|&(_, c)| {
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            _ => {}
        }
        quote.is_none() && c == '>'
    });
    end.map(|(at, _)| at).or_else(|| tag.find('>'))
}

fn is_withdrawn(name: &str, tag: &str) -> bool {
    let mut outside = tag.split(['"', '\'']).step_by(2).flat_map(str::split_whitespace);
    let is_hidden = outside.any(|part| matches!(part.split('=').next(), Some("hidden" | "HIDDEN")));
    let style: String = tag.chars().filter(|c| !c.is_whitespace()).collect();
    let style = style.to_ascii_lowercase();
    let is_styled = STYLES.iter().any(|hidden| style.contains(hidden));
    let has_end = !is_one_of(&VOID, name) && !tag.ends_with('/');
    has_end && (is_one_of(&WITHDRAWN, name) || is_hidden || is_styled)
}

fn stand_in(name: &str) -> char {
    if is_one_of(&COLUMNS, name) {
        COLUMN
    } else if is_one_of(&BLOCKS, name) {
        BLOCK
    } else {
        TAG
    }
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Where the element ends that `text` is the inside of.
fn end_of(name: &str, text: &str) -> usize {
    let mut ends = text.match_indices("</");
    let is_its_own = |found: &(usize, &str)| {
        let behind = text.get(found.0 + 2..).and_then(|behind| behind.get(..name.len()));
        behind.is_some_and(|behind| behind.eq_ignore_ascii_case(name))
    };
    ends.find(is_its_own).map_or(text.len(), |(at, _)| at)
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

/// Puts what it stands for in the place of each reference by a name.
fn by_name(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('&') {
        seen.push_str(before);
        let end = tail.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tail.len());
        let (name, after) = tail.split_at(end);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if let Some(after) = after.strip_prefix(';').filter(|_| is_name) {
            match NAMED.iter().find(|(known, _)| *known == name) {
                Some((_, meant)) => seen.push_str(meant),
                None => seen.push(if PARTING.contains(&name) { ' ' } else { UNKNOWN }),
            }
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

/// What is written in the width of an ideograph, and other slashes, as everybody else writes it.
fn in_ascii(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{2044}' | '\u{2215}' | '\u{29f8}' => '/',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => '-',
        '\u{2dc}' | '\u{223c}' | '\u{301c}' => '~',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_sees_is_left_on_its_line() {
        for (text, expected) in [
            ("a<br>b<B>c</TD>d</li>e", "a\x1eb\0c\x1fd\x1ee"),
            ("a<b\nc='d'>e", "a\0\ne"),
            ("a < b", "a < b"),
            ("a<b", "a<b"),
            ("<script>a</b>\n</scrip</SCRIPT>c", "\0\n\0c"),
            ("<style>a", "\0"),
            ("a&nbsp;b&sol;c&ndash;d", "a b/c-d"),
            ("&#47;&#x2F;&#X2f;&#47 &#8211;", "//// -"),
            ("&#;&#x;&#xg;&#99999999999;&#xd800;&", "&#;&#x;&#xg;&#99999999999;&#xd800;&"),
            ("a&#0;b&#10;c", "a b c"),
            ("a&thinsp;b&amp;c&d &1;&rarr;e", "a b&c&d &1;\u{fffd}e"),
            ("a<!-- b\n--><!-- -->c", "a\x0e b\n\x0f\0 \0c"),
            ("<p><S>a<s>b</s></S>c<img hidden>", "\x1e\0\x0ea\0b\0\0\x0fc\0"),
            ("<p class='a hidden' title='a>b'>a<\\/p>", "\x1ea\x1e"),
            ("a=\nb\n==\n=", "ab\n\n==\n="),
            ("a&#8203;b\u{feff}c&shy;d", "abcd"),
        ] {
            assert_eq!(visible(text), expected, "{text}");
        }
    }

    /// To look at the rest of the page again for each of these would take minutes here.
    #[test]
    fn a_large_page_is_read_in_one_pass() {
        for piece in ["<script></script>", "<STYLE>a</style>", "<a", "<!--", "</", "&#", "&a"] {
            let page = piece.repeat((2 << 20) / piece.len());
            assert!(visible(&page).len() <= page.len(), "{piece}");
        }
    }
}
