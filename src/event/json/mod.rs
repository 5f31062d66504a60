//! JSON (RFC 8259) → nodes, in one pass. Numbers keep their text, which no reader of serde's does
//! without reading every container as often as it is deep.

#[cfg(test)]
mod properties;

use std::borrow::Cow;

use super::Malformed;
use super::node::{Budget, Member, Node};
use super::plain::plain_length;

/// The members of the one object that `text` is, or that is the only entry of the list it is.
pub(super) fn parse<'a>(text: &'a str, budget: &mut Budget) -> Result<Vec<Member<'a>>, Malformed> {
    match (Reader { text, at: 0, budget }).document()? {
        Node::Object(members) => Ok(members),
        Node::List(mut entries) if entries.len() < 2 => match entries.pop() {
            Some(Node::Object(members)) => Ok(members),
            _ => Err(Malformed::new("the JSON is not an object")),
        },
        Node::List(_) => Err(Malformed::new("it holds several events, and a request carries one")),
        Node::Null | Node::Text(_) => {
            Err(Malformed::at("the JSON is not an object", text.as_bytes(), 0))
        }
    }
}

struct Reader<'a, 'b> {
    text: &'a str,
    /// The byte that is read next.
    at: usize,
    budget: &'b mut Budget,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self) -> Result<Node<'a>, Malformed> {
        let node = match self.next() {
            // The fields of a usual event find room without growing.
            Some(b'{') => self.object(32)?,
            _ => self.value()?,
        };
        match self.next() {
            None => Ok(node),
            Some(_) => Err(self.fault("trailing characters")),
        }
    }

    /// Recursion is bounded by the budget's depth.
    fn value(&mut self) -> Result<Node<'a>, Malformed> {
        match self.next() {
            Some(b'"') => self.string().map(Node::Text),
            Some(b'{') => self.object(0),
            Some(b'[') => self.list(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true").map(Node::Text),
            Some(b'f') => self.word("false").map(Node::Text),
            Some(b'n') => self.word("null").map(|_| Node::Null),
            Some(_) => Err(self.fault("expected value")),
            None => Err(self.cut_off("a value")),
        }
    }

    fn object(&mut self, room: usize) -> Result<Node<'a>, Malformed> {
        self.enter()?;
        let mut members = Vec::with_capacity(room);
        if self.next() == Some(b'}') {
            return Ok(self.leave(Node::Object(members)));
        }
        loop {
            match self.next() {
                Some(b'"') => {}
                Some(b'}') => return Err(self.fault("trailing comma")),
                Some(_) => return Err(self.fault("key must be a string")),
                None => return Err(self.cut_off("an object")),
            }
            let name = self.string()?;
            match self.next() {
                Some(b':') => self.at += 1,
                Some(_) => return Err(self.fault("expected `:`")),
                None => return Err(self.cut_off("an object")),
            }
            let value = self.entry()?;
            members.push((name, value));
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b'}') => return Ok(self.leave(Node::Object(members))),
                Some(_) => return Err(self.fault("expected `,` or `}`")),
                None => return Err(self.cut_off("an object")),
            }
        }
    }

    fn list(&mut self) -> Result<Node<'a>, Malformed> {
        self.enter()?;
        let mut entries = Vec::new();
        if self.next() == Some(b']') {
            return Ok(self.leave(Node::List(entries)));
        }
        loop {
            if self.next() == Some(b']') {
                return Err(self.fault("trailing comma"));
            }
            entries.push(self.entry()?);
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b']') => return Ok(self.leave(Node::List(entries))),
                Some(_) => return Err(self.fault("expected `,` or `]`")),
                None => return Err(self.cut_off("a list")),
            }
        }
    }

    /// One counted value of a container.
    fn entry(&mut self) -> Result<Node<'a>, Malformed> {
        self.next();
        self.budget.field().map_err(|limit| self.place(limit))?;
        self.value()
    }

    /// Past an opening bracket, one level down.
    fn enter(&mut self) -> Result<(), Malformed> {
        self.budget.enter().map_err(|limit| self.place(limit))?;
        self.at += 1;
        Ok(())
    }

    /// Past a closing bracket, one level up.
    fn leave(&mut self, container: Node<'a>) -> Node<'a> {
        self.budget.leave();
        self.at += 1;
        container
    }

    /// Past a string, from its opening quote on. Borrowed where it has no escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let start = self.at + 1;
        self.at = start + plain_length(self.text.as_bytes().get(start..).unwrap_or_default());
        if self.peek() != Some(b'"') {
            return self.escaped(start);
        }
        let inside = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Cow::Borrowed(inside))
    }

    /// Past the rest of a string that began at `start` and is plain up to here.
    fn escaped(&mut self, start: usize) -> Result<Cow<'a, str>, Malformed> {
        loop {
            match self.peek() {
                Some(b'"') => break,
                // What is escaped is looked at below; a quote would not be the end.
                Some(b'\\') => self.at += 2,
                Some(_) => return Err(self.fault(CONTROL)),
                None => return Err(self.cut_off("a string")),
            }
            self.at += plain_length(self.text.as_bytes().get(self.at..).unwrap_or_default());
        }
        self.at += 1;
        let quoted = self.text.get(start - 1..self.at).unwrap_or_default();
        let unescaped: Result<String, _> = serde_json::from_str(quoted);
        unescaped.map(Cow::Owned).map_err(|error| self.escape(start - 1, &error))
    }

    /// Past a number, which stays as it is written.
    fn number(&mut self) -> Result<Node<'a>, Malformed> {
        let start = self.at;
        self.skip(b"-");
        if self.skip(b"0") {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.fault("invalid number"));
            }
        } else {
            self.digits()?;
        }
        if self.skip(b".") {
            self.digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
        }
        Ok(Node::Text(Cow::Borrowed(self.text.get(start..self.at).unwrap_or_default())))
    }

    /// Past digits, one at least.
    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.peek() {
            _ if self.at > start => Ok(()),
            Some(_) => Err(self.fault("invalid number")),
            None => Err(self.cut_off("a value")),
        }
    }

    /// Past `word`; its first letter is there.
    fn word(&mut self, word: &'static str) -> Result<Cow<'a, str>, Malformed> {
        if !self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.fault("expected value"));
        }
        self.at += word.len();
        Ok(Cow::Borrowed(word))
    }

    /// Past one of `these`, where it is there.
    fn skip(&mut self, these: &[u8]) -> bool {
        let is_there = self.peek().is_some_and(|byte| these.contains(&byte));
        self.at += usize::from(is_there);
        is_there
    }

    /// Past white space; the byte behind it.
    fn next(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The byte at hand is wrong. In the words of `serde_json`, which people know.
    #[cold]
    fn fault(&self, reason: &str) -> Malformed {
        self.not_valid(reason, self.at)
    }

    /// The text ends inside of `what`; the place is its last byte.
    #[cold]
    fn cut_off(&self, what: &str) -> Malformed {
        self.not_valid(&format!("EOF while parsing {what}"), self.text.len().saturating_sub(1))
    }

    /// What `serde_json` says of the string that begins at `start`.
    #[cold]
    fn escape(&self, start: usize, error: &serde_json::Error) -> Malformed {
        let said = error.to_string();
        let tail = format!(" at line {} column {}", error.line(), error.column());
        let reason = said.strip_suffix(&tail).unwrap_or(&said);
        // A column counts from 1. A string has one line.
        self.not_valid(reason, start + error.column().saturating_sub(1))
    }

    fn not_valid(&self, reason: &str, at: usize) -> Malformed {
        Malformed::at(format!("not valid JSON: {reason}"), self.text.as_bytes(), at)
    }

    #[cold]
    fn place(&self, limit: Malformed) -> Malformed {
        Malformed::at(limit.reason, self.text.as_bytes(), self.at)
    }
}

const CONTROL: &str = "control character (\\u0000-\\u001F) found while parsing a string";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Limits;

    fn read(text: &str) -> Result<Vec<Member<'_>>, Malformed> {
        read_within(text, 32, 1000)
    }

    fn read_within(text: &str, depth: usize, fields: usize) -> Result<Vec<Member<'_>>, Malformed> {
        parse(text, &mut Budget::new(Limits { depth, fields }))
    }

    fn place(text: &str) -> (usize, usize) {
        let at = read(text).unwrap_err().at.unwrap();
        (at.line, at.column)
    }

    #[test]
    fn scalars_keep_their_text() {
        let members = read(
            r#" {"a":12345678901234567890,"b":12.50,"c":1E5,"d":true,"e":null,"f":"\u00e9\n"} "#,
        )
        .unwrap();
        let texts: Vec<_> = members.into_iter().map(|(_, node)| node).collect();
        let text = |text: &'static str| Node::Text(Cow::Borrowed(text));
        assert_eq!(
            texts,
            [
                text("12345678901234567890"),
                text("12.50"),
                text("1E5"),
                text("true"),
                Node::Null,
                text("é\n"),
            ]
        );
    }

    #[test]
    fn numbers_are_those_of_the_grammar() {
        for right in ["0", "-0", "0.50", "10", "1e5", "1E+05", "-1.5e-05", "1e999"] {
            assert!(read(&format!("{{\"a\":{right}}}")).is_ok(), "{right}");
        }
        for wrong in ["01", "-01", "-", "+1", "1.", ".5", "1.e1", "1e", "1e+", "0x1", "NaN"] {
            assert!(read(&format!("{{\"a\":{wrong}}}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_and_plain_strings_are_borrowed() {
        let members = read(r#"{"a":"x"}"#).unwrap();
        assert!(matches!(
            members.as_slice(),
            [(Cow::Borrowed("a"), Node::Text(Cow::Borrowed("x")))]
        ));
    }

    #[test]
    fn a_fault_is_placed_in_the_whole_body() {
        assert_eq!(place("{\"a\":\n  \"é\", \"payout\": ,}"), (2, 18));
        assert_eq!(place(r#"{"a":{"b":[1,"\ud800"]}}"#), (1, 21));
        assert_eq!(place(r#"{"a":1} x"#), (1, 9));
    }

    #[test]
    fn depth_and_fields_are_bounded() {
        assert!(read_within(r#"{"a":{"b":1}}"#, 2, 9).is_ok());
        assert!(read_within(r#"{"a":{"b":{}}}"#, 2, 9).is_err());
        assert!(read_within(r#"{"a":[1,2]}"#, 2, 3).is_ok());
        assert!(read_within(r#"{"a":[1,2,3]}"#, 2, 3).is_err());
    }

    #[test]
    fn nesting_without_end_is_refused_without_recursion() {
        assert!(read(&"[".repeat(1_000_000)).is_err());
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).unwrap_err().reason.contains("32 levels"));
    }

    #[test]
    fn one_event_and_no_more() {
        assert!(read(r#"[{"a":1}]"#).is_ok());
        assert!(read(r#"[{"a":1},{"a":1}]"#).unwrap_err().reason.contains("several"));
        assert!(read("[]").is_err());
        assert!(read("7").unwrap_err().reason.contains("not an object"));
    }
}
