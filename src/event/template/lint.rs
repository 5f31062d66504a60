//! What is wrong with a template, before an event is lost by it.

use super::super::check::Check;
use super::super::dictionary;
use super::super::{Format, Malformed, Position, Rules};
use super::Template;
use super::macros::{Spelling, Target};
use super::text::Slot;

/// Something that should be otherwise in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub weight: Weight,
    /// Where, in the text of the template; `None`: in what is not there.
    pub at: Option<Position>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Events will be malformed or will lack a value.
    Fault,
    /// It works, and could tell more.
    Advice,
}

impl Template {
    /// What is wrong with the text, in its order; what has no place in it comes last. `rules`: of
    /// the route that has the template.
    #[must_use]
    pub fn lint(&self, rules: &Rules) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.syntax());
        findings.extend(self.fragment());
        for (index, slot) in self.slots.iter().enumerate() {
            findings.extend(self.spelling(slot));
            findings.extend(self.quotes(slot));
            findings.extend(self.encoding(index, slot));
            findings.extend(self.neighbour(index, slot));
        }
        let of_trial = self.by_trial(rules, &findings);
        findings.extend(of_trial);
        findings.sort_by_key(|finding| {
            finding.at.map_or((usize::MAX, usize::MAX), |at| (at.line, at.column))
        });
        findings
    }

    fn syntax(&self) -> Option<Finding> {
        let malformed = self.shape.as_ref().err()?;
        Some(Finding {
            weight: Weight::Fault,
            at: malformed.at.map(|at| self.place_in_source(at)),
            what: format!("filled with values it is {}", malformed.reason),
            mend: "correct it here and at impact.com; until then every event is recovered at best"
                .to_owned(),
        })
    }

    /// What stands behind a `#` is of the page, and no client sends it.
    fn fragment(&self) -> Option<Finding> {
        let at = self.source.find('#').filter(|_| self.format == Format::Query)?;
        Some(Finding {
            weight: Weight::Fault,
            at: self.place(at),
            what: "a `#` ends the URL: nothing from it on is sent".to_owned(),
            mend: "write %23".to_owned(),
        })
    }

    fn spelling(&self, slot: &Slot) -> Option<Finding> {
        // A macro may go on in the next line; what is told of it must not.
        let own = slot.own.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let (what, right) = match (&slot.spelling, slot.is_broken()) {
            (Spelling::Right | Spelling::Unknown, true) => {
                (format!("`{own}` is broken by a space"), Some(&slot.name))
            }
            (Spelling::Right | Spelling::Unknown, false) => return None,
            (Spelling::Wrong(right), _) => {
                (format!("`{own}` is no macro of kind `{}`", self.kind), right.as_ref())
            }
        };
        let mend = match right {
            Some(right) => format!("write {{{right}}}; impact.com sends a wrong name as it is"),
            None => {
                "impact.com sends what it does not know as it is; look the name up there".to_owned()
            }
        };
        Some(self.fault(slot, what, mend))
    }

    /// JSON alone: a value without quotes is nothing at all when it is blank.
    fn quotes(&self, slot: &Slot) -> Option<Finding> {
        if self.format != Format::Json || slot.is_guarded() {
            return None;
        }
        let own = &slot.own;
        let what = if matches!(slot.check, Check::Decimal) {
            format!("`{own}` has no quotes: when it is blank, the JSON is not valid")
        } else {
            format!("`{own}` has no quotes: any text makes the JSON invalid")
        };
        let mend = format!("write \"{own}\"");
        Some(match slot.target {
            Some(_) => self.fault(slot, what, mend),
            None => self.advice(slot, what, mend + ", unless it stands for a whole list"),
        })
    }

    /// The address of a page has `&` in it, and impact.com does not encode it.
    fn encoding(&self, index: usize, slot: &Slot) -> Option<Finding> {
        let is_address = |slot: &Slot| self.field(slot).is_some_and(is_address);
        if !is_address(slot) {
            return None;
        }
        let own = &slot.own;
        let (what, mend) = match self.format {
            Format::Form | Format::Query => {
                let mut behind = self.slots.iter().skip(index + 1);
                if behind.all(is_address) {
                    return None;
                }
                (
                    format!("`{own}` is not encoded: a `&` in it splits it"),
                    "put it at the end, or send JSON with POST".to_owned(),
                )
            }
            Format::Xml if !slot.is_guarded() => (
                format!("`{own}` is not encoded: a `&` in it breaks the XML"),
                format!("write <![CDATA[{own}]]>"),
            ),
            Format::Xml | Format::Json => return None,
        };
        Some(self.fault(slot, what, mend))
    }

    fn neighbour(&self, index: usize, slot: &Slot) -> Option<Finding> {
        let before = self.slots.get(index.checked_sub(1)?)?;
        (before.offset + before.own.len() == slot.offset).then(|| {
            let what = format!("nothing stands between `{}` and `{}`", before.own, slot.own);
            self.fault(slot, what, "give each macro a key of its own".to_owned())
        })
    }

    /// The canonical field of an action, not of its items.
    pub(super) fn field(&self, slot: &Slot) -> Option<&'static str> {
        match slot.target {
            Some(Target::Field(index)) => {
                Some(dictionary::table(self.kind)?.fields.get(index)?.name)
            }
            Some(Target::Row(_)) | None => None,
        }
    }

    fn fault(&self, slot: &Slot, what: String, mend: String) -> Finding {
        Finding { weight: Weight::Fault, at: self.place(slot.offset), what, mend }
    }

    pub(super) fn advice(&self, slot: &Slot, what: String, mend: String) -> Finding {
        Finding { weight: Weight::Advice, ..self.fault(slot, what, mend) }
    }

    fn place(&self, offset: usize) -> Option<Position> {
        Malformed::at("", self.source.as_bytes(), offset).at
    }

    /// A place in the part that is sent, as a place in the file.
    fn place_in_source(&self, at: Position) -> Position {
        let Some(start) = self.place(self.sent.start) else { return at };
        let column = if at.line == 1 { at.column + start.column - 1 } else { at.column };
        Position { line: at.line + start.line - 1, column }
    }
}

/// Holds an address with a query of its own.
pub(super) fn is_address(canonical: &str) -> bool {
    ["url", "uri", "link"].iter().any(|end| canonical.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::super::super::Kind;
    use super::*;

    /// All that is recommended, so that a test sees nothing but what it is about.
    const REST: &str =
        "c={CampaignId}&s={Status}&p={Payout}&cu={Currency}&d={EventDate}&u={SubId1}";

    fn lint(text: &str) -> Vec<String> {
        let template = Template::parse(text, Kind::Action, None).unwrap();
        let findings = template.lint(&Rules::of(Kind::Action)).into_iter();
        let faults = findings.filter(|finding| finding.weight == Weight::Fault);
        faults
            .map(|finding| match finding.at {
                Some(at) => {
                    format!("{}:{} {} / {}", at.line, at.column, finding.what, finding.mend)
                }
                None => format!("{} / {}", finding.what, finding.mend),
            })
            .collect()
    }

    #[track_caller]
    fn one(text: &str, part: &str) {
        let found = lint(text);
        assert!(found.len() == 1 && found[0].contains(part), "{part}: {found:#?}");
    }

    #[test]
    fn a_good_one_has_nothing_wrong() {
        let text = format!("https://h/p?a={{ActionId}}&{REST}&l={{LandingPageUrl}}");
        let template = Template::parse(&text, Kind::Action, None).unwrap();
        assert_eq!(template.lint(&Rules::of(Kind::Action)), []);
    }

    #[test]
    fn not_valid_once_filled() {
        one("\n{\"x\", \"a\":\"{ActionId}\"}", "2:5 filled with values it is not valid JSON");
        one("<a><b>{ActionId}</a>", "filled with values it is not well-formed XML");
        assert_eq!(lint("{\"a\":\"{ActionId}\"}"), [""; 0]);
    }

    #[test]
    fn a_wrong_macro_with_the_right_one() {
        one(
            "a={ActionId}&b={subid1}",
            "1:16 `{subid1}` is no macro of kind `action` / write {SubId1}",
        );
        one("a={ActionId}&b={Payuot}", "write {Payout}");
        one("a={ActionId}&b={Shoe_Size}", "look the name up");
        one("a={ActionId}&b={Sub Id1}", "`{Sub Id1}` is broken by a space / write {SubId1}");
        one("a={ActionId}&b={Sub\n  Id1}", "`{Sub Id1}` is broken by a space / write {SubId1}");
        one("a={ActionId}&b={sub Id1}", "no macro of kind `action` / write {SubId1}");
    }

    #[test]
    fn a_number_without_quotes() {
        one(
            r#"{"a":"{ActionId}","p":{Payout}}"#,
            "1:23 `{Payout}` has no quotes: when it is blank",
        );
        one(r#"{"a":{ActionId}}"#, "any text makes the JSON invalid");
        // What nobody knows may be a list.
        let template = Template::parse(r#"{"items":{Rows}}"#, Kind::Custom, None).unwrap();
        let found = template.lint(&Rules::of(Kind::Custom));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].weight, Weight::Advice);
        assert!(found[0].mend.contains("a whole list"), "{}", found[0].mend);
        assert_eq!(lint(r#"{"a":"{ActionId}","p":"{Payout}"}"#), [""; 0]);
        assert_eq!(lint("<a><i>{ActionId}</i><p>{Payout}</p></a>"), [""; 0]);
    }

    #[test]
    fn an_address_that_will_not_be_encoded() {
        one(
            "l={LandingPageUrl}&a={ActionId}",
            "1:3 `{LandingPageUrl}` is not encoded: a `&` in it",
        );
        assert_eq!(lint("a={ActionId}&u={Uri}&l={LandingPageUrl}"), [""; 0]);
        one(
            "<x><a>{ActionId}</a><b>{LandingPageUrl}</b></x>",
            "write <![CDATA[{LandingPageUrl}]]>",
        );
        assert_eq!(lint("<x><a>{ActionId}</a><b><![CDATA[{LandingPageUrl}]]></b></x>"), [""; 0]);
        assert_eq!(lint(r#"{"a":"{ActionId}","l":"{LandingPageUrl}"}"#), [""; 0]);
    }

    #[test]
    fn nothing_between_two_macros() {
        one("a={ActionId}&b={SubId1}{SubId2}", "nothing stands between `{SubId1}` and `{SubId2}`");
    }

    #[test]
    fn nothing_behind_a_hash_is_sent() {
        one("https://h/p?a={ActionId}&b=x#{SubId1}", "1:29 a `#` ends the URL: nothing from it on");
        one("https://h/#/p?a={ActionId}", "1:11 a `#` ends the URL");
        assert_eq!(lint(r##"{"a":"{ActionId}","n":"#{SubId2}"}"##), [""; 0]);
    }
}
