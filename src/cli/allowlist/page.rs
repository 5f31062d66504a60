//! The text of a page of the web as a reader sees it. Pure, and in one pass: a page may be large.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, StartTag, Tag, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

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

/// Stands behind the page. Whatever swallows it has no end; and no page can hold it.
const END: char = '\0';

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

/// What a reader sees.
pub(super) struct Page {
    /// Without tags and scripts, references resolved.
    pub(super) text: String,
    /// A tag, a comment or a script has no end: nothing is seen from this line on, from 1.
    pub(super) cut: Option<usize>,
}

/// Reads text as well: it is a page without tags.
pub(super) fn visible(text: &str) -> Page {
    // JSON may write the slash of an end as `\/`.
    let mut page = whole_lines(text).replace("<\\/", "</");
    page.push(END);
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(page));
    let tokenizer = Tokenizer::new(Reader::default(), TokenizerOpts::default());
    // It would stop where a script is to be run, and the reader never asks for that.
    drop(tokenizer.feed(&input));
    tokenizer.end();
    let seen = tokenizer.sink.0.into_inner();
    let text = seen.text.chars().filter(|c| !has_no_width(*c)).map(in_ascii).collect();
    Page { text, cut: (!seen.is_whole).then_some(seen.ended + 1) }
}

#[derive(Default)]
struct Reader(RefCell<Seen>);

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut seen = self.0.borrow_mut();
        // It counts from 1.
        let line = usize::try_from(line).unwrap_or(usize::MAX) - 1;
        match token {
            Token::CharacterTokens(text) => seen.characters(&text, line),
            Token::TagToken(tag) => return seen.tag(&tag, line),
            Token::CommentToken(text) => seen.comment(&text, line),
            Token::DoctypeToken(_) => seen.mark(TAG, line),
            Token::NullCharacterToken => seen.is_whole = true,
            Token::EOFToken | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

#[derive(Default)]
struct Seen {
    text: String,
    /// How many lines have ended in the text.
    ended: usize,
    /// Within a script.
    is_hidden: bool,
    /// The element that nobody sees, and how many of its name are open.
    gone: Option<(String, usize)>,
    is_whole: bool,
}

impl Seen {
    fn characters(&mut self, text: &str, line: usize) {
        if self.is_hidden {
            return;
        }
        // A line that is not over ends with a reference, and that is a blank on the page.
        let has_breaks = line > self.ended && text.contains(LINE);
        self.text.extend(text.chars().map(|c| match c {
            LINE if has_breaks => c,
            c if c.is_control() && c != '\t' => ' ',
            c => c,
        }));
        if has_breaks {
            self.ended = line;
        }
    }

    fn tag(&mut self, tag: &Tag, line: usize) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        let is_start = tag.kind == StartTag;
        self.is_hidden = is_start && HIDDEN.contains(&name);
        self.mark(stand_in(name), line);
        match &mut self.gone {
            Some((of, depth)) if of == name && is_start => *depth += 1,
            Some((of, depth)) if of == name => {
                *depth -= 1;
                if *depth == 0 {
                    self.gone = None;
                    self.text.push(BACK);
                }
            }
            None if is_start && is_withdrawn(tag) => {
                self.gone = Some((name.to_owned(), 1));
                self.text.push(GONE);
            }
            _ => {}
        }
        if self.is_hidden {
            TokenSinkResult::RawData(RawKind::Rawtext)
        } else {
            TokenSinkResult::Continue
        }
    }

    fn comment(&mut self, text: &str, line: usize) {
        // Frameworks put empty ones into the middle of a text.
        let [open, close] = if text.trim().is_empty() { [TAG, TAG] } else { [GONE, BACK] };
        // Without an end it has swallowed the sign, and is told of where it begins.
        let line = if text.ends_with('\u{fffd}') { self.ended } else { line };
        self.text.push(open);
        self.characters(text, line);
        self.mark(close, line);
    }

    /// What ends in this line leaves a mark there.
    fn mark(&mut self, mark: char, line: usize) {
        self.text.push(mark);
        self.text.extend(std::iter::repeat_n(LINE, line.saturating_sub(self.ended)));
        self.ended = self.ended.max(line);
    }
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

fn is_withdrawn(tag: &Tag) -> bool {
    let is_hidden = tag.attrs.iter().any(|attribute| match &*attribute.name.local {
        "hidden" => true,
        "style" => {
            let style: String = attribute.value.split_whitespace().collect();
            let style = style.to_ascii_lowercase();
            STYLES.iter().any(|hidden| style.contains(hidden))
        }
        _ => false,
    });
    !VOID.contains(&&*tag.name) && (WITHDRAWN.contains(&&*tag.name) || is_hidden)
}

fn stand_in(name: &str) -> char {
    if COLUMNS.contains(&name) {
        COLUMN
    } else if BLOCKS.contains(&name) {
        BLOCK
    } else {
        TAG
    }
}

/// Nobody sees these, and pages put them where a line may break.
fn has_no_width(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What is written in the width of an ideograph, other blanks and other slashes, as everybody else writes
/// it.
fn in_ascii(c: char) -> char {
    match c {
        LINE | '\t' => c,
        c if c.is_whitespace() => ' ',
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
            ("a < b <\n&\n<35.0.2.7>", "a < b <\n&\n<35.0.2.7>"),
            ("<script>a</b>\n</scrip</SCRIPT>c", "\0\0\nc"),
            ("a&nbsp;b&sol;c&ndash;d", "a b/c-d"),
            ("&#47;&#x2F;&#X2f;&#47 &#8211;&#150;", "//// --"),
            ("&#;&#x;&#xg;&", "&#;&#x;&#xg;&"),
            ("a&#31;b&#10;c\nd", "a b c\nd"),
            ("a&thinsp;b&amp;c&d &1;&rarr;e", "a b&c&d &1;\u{2192}e"),
            ("a<!-- b\n--><!-- -->c", "a\x0e b\n\x0f\0 \0c"),
            ("a<!b\n>c<?d?>e<!doctype html>f", "a\x0eb\n\x0fc\x0e?d?\x0fe\0f"),
            ("<p><S>a<s>b</s></S>c<img hidden>", "\x1e\0\x0ea\0b\0\0\x0fc\0"),
            ("<p class='a hidden' title='a>b'>a<\\/p>", "\x1ea\x1e"),
            ("<b style='Display: NONE'>a", "\0\x0ea"),
            ("a=\nb\n==\n=", "ab\n\n==\n="),
            ("a&#8203;b\u{feff}c&shy;d\0e", "abcd e"),
        ] {
            let page = visible(text);
            assert_eq!((&*page.text, page.cut), (expected, None), "{text}");
        }
    }

    #[test]
    fn what_has_no_end_is_told_with_its_line() {
        for text in ["<b", "<b title='>\nb", "</b ", "<!-- b>\nb", "<script>\nb", "<style>\n<b>"] {
            let page = visible(&format!("a\nb {text}"));
            assert_eq!(page.cut, Some(2), "{text}");
        }
    }

    /// To look at the rest of the page again for each of these would take minutes here.
    #[test]
    fn a_large_page_is_read_in_one_pass() {
        for piece in ["<script></script>", "<STYLE>a</style>", "<a", "<!--", "</", "&#", "&a"] {
            let page = piece.repeat((2 << 20) / piece.len());
            assert!(visible(&page).text.len() < page.len() + 8, "{piece}");
        }
    }
}
