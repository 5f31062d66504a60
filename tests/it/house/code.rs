//! Rust without its comments and literals, so that a word in a sentence is not taken for code.

/// `text` with every comment, string and character blanked out. Line breaks stay, so that lines
/// keep their numbers.
pub(super) fn only(text: &str) -> String {
    let mut scan = Scan { rest: text, code: String::with_capacity(text.len()) };
    while !scan.rest.is_empty() {
        scan.step();
    }
    scan.code
}

/// The line of the byte `at`, from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

struct Scan<'a> {
    rest: &'a str,
    code: String,
}

impl Scan<'_> {
    fn step(&mut self) {
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.blank(end);
        } else if self.rest.starts_with("/*") {
            self.blank(block_comment(self.rest));
        } else if let Some(hashes) = raw_string(self.rest, &self.code) {
            let open = 2 + hashes;
            let close = format!("\"{}", "#".repeat(hashes));
            let body = self.rest.get(open..).unwrap_or_default();
            let end = body.find(&close).map_or(self.rest.len(), |at| open + at + close.len());
            self.blank(end);
        } else if self.rest.starts_with('"') {
            self.blank(quoted(self.rest));
        } else if let Some(end) = character(self.rest) {
            self.blank(end);
        } else {
            let mut chars = self.rest.chars();
            self.code.extend(chars.next());
            self.rest = chars.as_str();
        }
    }

    fn blank(&mut self, bytes: usize) {
        let (gone, rest) = self.rest.split_at(bytes);
        self.code.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// The length of a comment that starts here; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut pairs = text.bytes().zip(text.bytes().skip(1)).enumerate();
    while let Some((at, pair)) = pairs.next() {
        match pair {
            (b'/', b'*') => depth += 1,
            (b'*', b'/') if depth == 1 => return at + 2,
            (b'*', b'/') => depth -= 1,
            _ => continue,
        }
        pairs.next();
    }
    text.len()
}

/// The number of `#` when a raw string starts here; `br"…"` starts at its `r`.
fn raw_string(text: &str, before: &str) -> Option<usize> {
    let tail = text.strip_prefix('r')?;
    let hashes = tail.len() - tail.trim_start_matches('#').len();
    let is_literal = tail.trim_start_matches('#').starts_with('"');
    let prefix = before.strip_suffix('b').unwrap_or(before);
    let in_word = prefix.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    (is_literal && !in_word).then_some(hashes)
}

/// The length of the string that starts here.
fn quoted(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character that starts here; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    if body.starts_with('\\') {
        return body.bytes().skip(2).position(|byte| byte == b'\'').map(|at| at + 4);
    }
    let first = body.chars().next()?;
    let after = body.get(first.len_utf8()..)?;
    after.starts_with('\'').then_some(first.len_utf8() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_gone_and_code_stays() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"a "b \" c" d"#, "a          d"),
            (r##"a r#"b " c"# d"##, "a            d"),
            (r#"a br"b\" d"#, "a b      d"),
            ("for\"\" x", "for   x"),
            (r"'a' '\'' '\u{7f}' 'ä' &'a str", "                      &'a str"),
            ("\"a\nb\" c", "  \n   c"),
            ("\"open", "     "),
            ("/* open", "       "),
        ] {
            assert_eq!(only(text).trim_end(), code.trim_end(), "{text}");
            assert_eq!(only(text).chars().count(), text.chars().count(), "{text}");
        }
    }

    #[test]
    fn lines_count_from_one() {
        assert_eq!(line("a\nb\nc", 0), 1);
        assert_eq!(line("a\nb\nc", 4), 3);
    }
}
