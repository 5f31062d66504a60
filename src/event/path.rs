//! Where a value stands in the input, and the normal form in which names are compared: ASCII lower
//! case, without `_`, `-`, `.`, space and square brackets.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::dictionary::{GENERIC, NEUTRAL};

/// No known name is longer in normal form, so no longer one is kept: a name of a megabyte must not
/// be copied for every value below it.
const LONGEST_NAME: usize = 64;

/// Each byte in normal form. A table, because every byte of every name is looked up.
static NORMAL: LazyLock<[u8; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| match u8::try_from(byte).unwrap_or(NOTHING) {
        b'_' | b'-' | b'.' | b' ' | b'[' | b']' => NOTHING,
        byte => byte.to_ascii_lowercase(),
    })
});

/// The byte is left out. No UTF-8 has it.
const NOTHING: u8 = 0xFF;

/// The normal form of a name, byte by byte.
pub(super) fn normal(name: &str) -> impl Iterator<Item = u8> + '_ {
    let normal = &*NORMAL;
    let bytes = name.bytes().filter_map(|byte| normal.get(usize::from(byte)).copied());
    bytes.filter(|&byte| byte != NOTHING)
}

/// The normal form of a name as text; `None` where it is too long to be known.
pub(super) fn normal_text(name: &str) -> Option<String> {
    let bytes: Vec<u8> = normal(name).take(LONGEST_NAME + 1).collect();
    if bytes.len() > LONGEST_NAME {
        return None;
    }
    String::from_utf8(bytes).ok()
}

/// A name as messages show it. They are kept and sent, and one may tell of every value below a
/// name, so none is repeated in full that no person has typed; and what no person sees, or what would
/// move what stands around it, is spelt out. A name that was shown is shown as it is.
pub(super) fn shown(name: &str) -> Cow<'_, str> {
    if name.len() > LONGEST_NAME {
        let begin: String = name.chars().take(LONGEST_NAME / 2).collect();
        return Cow::Owned(format!("{}… ({} bytes)", spelt(&begin), name.len()));
    }
    spelt(name)
}

fn spelt(name: &str) -> Cow<'_, str> {
    if !name.contains(is_unseen) {
        return Cow::Borrowed(name);
    }
    let mut spelt = String::with_capacity(2 * name.len());
    for c in name.chars() {
        if is_unseen(c) {
            spelt.extend(c.escape_unicode());
        } else {
            spelt.push(c);
        }
    }
    Cow::Owned(spelt)
}

/// Controls, breaks of lines, marks without a width, and those that turn the direction of a text
/// (Unicode, UAX #9).
fn is_unseen(c: char) -> bool {
    let unseen =
        matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}');
    c.is_control() || unseen || matches!(c, '\u{61C}' | '\u{FEFF}')
}

/// The names from the outermost object to a value.
#[derive(Debug, Default)]
pub(super) struct Path<'a> {
    /// What messages put before the names.
    mark: &'static str,
    /// What messages say instead of the names: the numbered key that a row's field came by.
    called: Option<Cow<'a, str>>,
    segments: Vec<Segment<'a>>,
    /// The normal forms one after the other.
    normal: Vec<u8>,
    /// How many of the outermost names are wrappers because nothing stands beside them.
    base: usize,
}

#[derive(Debug)]
struct Segment<'a> {
    name: Cow<'a, str>,
    /// Where its normal form begins.
    start: usize,
    /// Too long to be known.
    is_long: bool,
}

impl<'a> Path<'a> {
    pub(super) fn push(&mut self, name: Cow<'a, str>) {
        let start = self.normal.len();
        let mut buffer = [0; LONGEST_NAME + 1];
        let mut length = 0;
        // No branch for what is in the name: not even one for what is left out.
        let table = &*NORMAL;
        for byte in name.bytes().filter_map(|byte| table.get(usize::from(byte)).copied()) {
            let Some(cell) = buffer.get_mut(length) else { break };
            *cell = byte;
            length += usize::from(byte != NOTHING);
        }
        let is_long = length > LONGEST_NAME;
        if !is_long {
            self.normal.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
        self.segments.push(Segment { name, start, is_long });
    }

    pub(super) fn pop(&mut self) -> Option<Cow<'a, str>> {
        let segment = self.segments.pop()?;
        self.normal.truncate(segment.start);
        self.base = self.base.min(self.segments.len());
        Some(segment.name)
    }

    /// Says `name` in messages, whatever the names are.
    pub(super) fn call(&mut self, name: Cow<'a, str>) {
        self.called = Some(name);
    }

    /// Begins anew. `mark` stands before the names in messages.
    pub(super) fn restart(&mut self, mark: &'static str) {
        self.mark = mark;
        self.segments.clear();
        self.normal.clear();
        self.base = 0;
    }

    /// The parts of the last name, where it is a path itself: `action[payout]`, `action.payout`.
    /// One with a number in it is of a list, and no path.
    pub(super) fn parts_of_last(&self) -> Option<Vec<String>> {
        let name = self.last_name()?;
        if name.len() > LONGEST_NAME || memchr::memchr2(b'[', b'.', name.as_bytes()).is_none() {
            return None;
        }
        let parts = name.split(['[', ']', '.']).filter(|part| !part.is_empty());
        let parts: Vec<String> = parts.map(str::to_owned).collect();
        let is_path = parts.len() > 1 && parts.iter().all(|part| part.parse::<u64>().is_err());
        is_path.then_some(parts)
    }

    /// What was pushed so far is a wrapper.
    pub(super) fn set_base(&mut self) {
        self.base = self.segments.len();
    }

    /// Nothing stands around a name pushed now, nor do messages say anything else than it.
    pub(super) fn is_blank(&self) -> bool {
        self.segments.is_empty() && self.mark.is_empty() && self.called.is_none()
    }

    /// The name, where it is the only one below the wrappers.
    pub(super) fn top_name(&self) -> Option<&str> {
        (self.segments.len() == self.base + 1).then(|| self.last_name()).flatten()
    }

    pub(super) fn last_name(&self) -> Option<&str> {
        self.segments.last().map(|segment| &*segment.name)
    }

    /// The normal form of the last name. `None`: too long, or there is none.
    pub(super) fn last_normal(&self) -> Option<&[u8]> {
        self.suffix(self.segments.len().checked_sub(1)?)
    }

    /// The places where a suffix can begin, longest suffix first.
    pub(super) fn starts(&self) -> std::ops::Range<usize> {
        0..self.segments.len()
    }

    /// The normal form from the name `start` on. `None`: a name in it is too long to be known.
    pub(super) fn suffix(&self, start: usize) -> Option<&[u8]> {
        let segments = self.segments.get(start..)?;
        if segments.iter().any(|segment| segment.is_long) {
            return None;
        }
        self.normal.get(segments.first()?.start..)
    }

    /// The suffixes that can be known, longest first: where each begins, and its normal form.
    pub(super) fn suffixes(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let long = self.segments.iter().rposition(|segment| segment.is_long);
        let known = self.segments.iter().enumerate().skip(long.map_or(0, |long| long + 1));
        known.filter_map(|(start, segment)| Some((start, self.normal.get(segment.start..)?)))
    }

    /// Whether the names from `start` on are exactly `dotted`.
    pub(super) fn is_exactly(&self, start: usize, dotted: &str) -> bool {
        let mut rest = Some(dotted);
        for (index, segment) in self.segments.iter().enumerate().skip(start) {
            let Some(after) = rest.and_then(|rest| rest.strip_prefix(&*segment.name)) else {
                return false;
            };
            rest = if index + 1 == self.segments.len() {
                after.is_empty().then_some(after)
            } else {
                after.strip_prefix('.')
            };
        }
        rest.is_some()
    }

    /// Whether the suffix from `start` on may mean a field: a generic word does so only where
    /// nothing but wrappers stands around it.
    pub(super) fn may_mean(&self, start: usize, wrappers: &[&str]) -> bool {
        let is_generic = || self.suffix(start).is_some_and(|suffix| among(suffix, GENERIC));
        self.is_wrapped(start, wrappers) || !is_generic()
    }

    /// Whether every name is a wrapper.
    pub(super) fn is_wrapper(&self, wrappers: &[&str]) -> bool {
        self.is_wrapped(self.segments.len(), wrappers)
    }

    fn is_wrapped(&self, end: usize, wrappers: &[&str]) -> bool {
        (self.base..end).all(|index| {
            let Some(segment) = self.segments.get(index) else {
                return false;
            };
            let to = self.segments.get(index + 1).map_or(self.normal.len(), |next| next.start);
            let name = self.normal.get(segment.start..to).unwrap_or_default();
            !segment.is_long && (among(name, NEUTRAL) || among(name, wrappers))
        })
    }

    /// The names joined by dots: for messages.
    pub(super) fn dotted(&self) -> String {
        if let Some(name) = &self.called {
            return shown(name).into_owned();
        }
        let names: Vec<_> = self.segments.iter().map(|segment| shown(&segment.name)).collect();
        self.mark.to_owned() + &names.join(".")
    }

    /// The name of a value that matched: borrowed, where there is but one.
    pub(super) fn origin(&self) -> Cow<'a, str> {
        if let Some(name) = &self.called {
            return name.clone();
        }
        match self.segments.as_slice() {
            [only] if self.mark.is_empty() => only.name.clone(),
            _ => Cow::Owned(self.dotted()),
        }
    }
}

fn among(normal: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| word.as_bytes() == normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path<'a>(names: &[&'a str]) -> Path<'a> {
        let mut path = Path::default();
        for name in names {
            path.push(Cow::Borrowed(name));
        }
        path
    }

    #[test]
    fn suffixes_are_normal_and_run_from_the_longest() {
        let path = path(&["Data", "My-Campaign", "i_d"]);
        let suffixes: Vec<_> = path.starts().filter_map(|start| path.suffix(start)).collect();
        assert_eq!(suffixes, [&b"datamycampaignid"[..], b"mycampaignid", b"id"]);
    }

    #[test]
    fn a_name_too_long_to_be_known_matches_nothing_but_itself() {
        let long = "x".repeat(65);
        let path = path(&[&long, "id"]);
        assert_eq!(path.suffix(0), None);
        assert_eq!(path.suffix(1), Some(&b"id"[..]));
        assert!(path.is_exactly(0, &format!("{long}.id")));
    }

    #[test]
    fn messages_show_no_endless_names() {
        let long = "é".repeat(500_000);
        let dotted = path(&["a", &long, "b"]).dotted();
        assert!(dotted.starts_with("a.éé") && dotted.ends_with("… (1000000 bytes).b"), "{dotted}");
        assert_eq!(shown(&"x".repeat(64)), "x".repeat(64));
        assert!(shown(&"x".repeat(65)).ends_with("x… (65 bytes)"));
    }

    #[test]
    fn messages_show_what_nobody_sees() {
        for (name, expected) in [
            ("a\nb", "a\\u{a}b"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\u{202e}b\u{2028}", "a\\u{202e}b\\u{2028}"),
            ("\u{85}\u{7f}\u{0}", "\\u{85}\\u{7f}\\u{0}"),
            ("größe \\u{a} 名", "größe \\u{a} 名"),
        ] {
            assert_eq!(shown(name), expected);
            assert_eq!(shown(&shown(name)), expected, "once is enough");
        }
        assert!(shown(&"\n".repeat(65)).starts_with("\\u{a}\\u{a}"));
        assert_eq!(path(&["a\r", "b"]).dotted(), "a\\u{d}.b");
    }

    #[test]
    fn a_name_can_be_a_path() {
        let parts = |name| path(&["above", name]).parts_of_last();
        let two = Some(vec!["action".to_owned(), "payout".to_owned()]);
        assert_eq!(parts("action[payout]"), two);
        assert_eq!(parts("action.payout"), two);
        for none in ["payout", "payout[]", ".payout", "a[0][payout]", "items.1.payout"] {
            assert_eq!(parts(none), None, "{none}");
        }
        assert_eq!(parts(&"a.".repeat(33)), None);
    }

    #[test]
    fn exact_names_are_dotted() {
        let path = path(&["a", "b.c", "d"]);
        assert!(path.is_exactly(0, "a.b.c.d"));
        assert!(path.is_exactly(1, "b.c.d"));
        assert!(path.is_exactly(2, "d"));
        assert!(!path.is_exactly(1, "b.c"));
        assert!(!path.is_exactly(2, "D"));
        assert!(!path.is_exactly(2, "d.e"));
    }

    #[test]
    fn generic_words_mean_a_field_only_among_wrappers() {
        assert!(path(&["Data", "id"]).may_mean(1, &[]));
        assert!(path(&["job", "id"]).may_mean(1, &["job"]));
        assert!(!path(&["job", "id"]).may_mean(1, &[]));
        assert!(path(&["job", "payout"]).may_mean(1, &[]));
        let mut wrapped = path(&["anything"]);
        wrapped.set_base();
        wrapped.push(Cow::Borrowed("id"));
        assert!(wrapped.may_mean(1, &[]));
        assert_eq!(wrapped.top_name(), Some("id"));
    }
}
