//! What is wrong with a template, before an event is lost by it.

use super::super::check::Check;
use super::super::dictionary;
use super::super::{Format, Kind, Malformed, Position};
use super::Template;
use super::macros::{self, Spelling, Target};
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
    /// What is wrong with the text, in its order; what is missing comes last. `key`: the canonical
    /// field that keeps events in order, where it is not the kind's own.
    #[must_use]
    pub fn lint(&self, key: Option<&str>) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.syntax());
        for (index, slot) in self.slots.iter().enumerate() {
            findings.extend(self.spelling(slot));
            findings.extend(self.quotes(slot));
            findings.extend(self.encoding(index, slot));
            findings.extend(self.neighbour(index, slot));
        }
        findings.sort_by_key(|finding| finding.at.map(|at| (at.line, at.column)));
        // What is sorted has its place; what has none follows.
        let without_place = findings.iter().take_while(|finding| finding.at.is_none()).count();
        findings.rotate_left(without_place);
        findings.extend(self.order(key));
        findings.extend(self.missing());
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
        Some(self.fault(slot, what, format!("write \"{own}\"")))
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

    fn order(&self, key: Option<&str>) -> Option<Finding> {
        let key = key.or_else(|| self.kind.default_key())?;
        // Without a dictionary nobody knows which macro the key would be.
        if self.kind == Kind::Custom || self.has(key) {
            return None;
        }
        Some(Finding {
            weight: Weight::Fault,
            at: None,
            what: format!("there is no key for `{key}`, which keeps events in order"),
            mend: format!("add {{{}}} under a key of its own", macros::of_field(key)),
        })
    }

    fn missing(&self) -> Option<Finding> {
        let missing: Vec<String> = recommended(self.kind)
            .iter()
            .filter(|field| !self.has(field))
            .map(|field| format!("{{{}}}", macros::of_field(field)))
            .collect();
        (!missing.is_empty()).then(|| Finding {
            weight: Weight::Advice,
            at: None,
            what: format!("recommended macros are missing: {}", missing.join(", ")),
            mend: "add them, each under a key of its own".to_owned(),
        })
    }

    fn has(&self, canonical: &str) -> bool {
        self.slots.iter().any(|slot| self.field(slot) == Some(canonical))
    }

    /// The canonical field of an action, not of its items.
    fn field(&self, slot: &Slot) -> Option<&'static str> {
        match slot.target {
            Some(Target::Field(index)) => {
                Some(dictionary::table(self.kind)?.fields.get(index)?.name)
            }
            Some(Target::Row(_)) | None => None,
        }
    }

    fn fault(&self, slot: &Slot, what: String, mend: String) -> Finding {
        let at = Malformed::at("", self.source.as_bytes(), slot.offset).at;
        Finding { weight: Weight::Fault, at, what, mend }
    }

    /// A place in the part that is sent, as a place in the file.
    fn place_in_source(&self, at: Position) -> Position {
        let Some(start) = Malformed::at("", self.source.as_bytes(), self.sent.start).at else {
            return at;
        };
        let column = if at.line == 1 { at.column + start.column - 1 } else { at.column };
        Position { line: at.line + start.line - 1, column }
    }
}

/// Holds an address with a query of its own.
pub(super) fn is_address(canonical: &str) -> bool {
    ["url", "uri", "link"].iter().any(|end| canonical.ends_with(end))
}

/// What most systems behind need of a kind, beside its key.
fn recommended(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Action => {
            &["action_id", "campaign_id", "status", "payout", "currency", "event_date", "sub_id1"]
        }
        Kind::Clearing => {
            &["action_id", "campaign_id", "payout", "currency", "cleared_date", "sub_id1"]
        }
        Kind::Inquiry => &["inquiry_id", "campaign_id", "action_id", "resolution_status"],
        Kind::Catalog => &["catalog_id", "catalog_item_id", "stock_availability"],
        Kind::Tracking => &["tracking_id", "status"],
        Kind::Job => &["job_id", "status"],
        Kind::Custom => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that is recommended, so that a test sees nothing but what it is about.
    const REST: &str =
        "c={CampaignId}&s={Status}&p={Payout}&cu={Currency}&d={EventDate}&u={SubId1}";

    fn lint(text: &str) -> Vec<String> {
        let template = Template::parse(text, Kind::Action, None).unwrap();
        let findings = template.lint(None).into_iter();
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
        assert_eq!(template.lint(None), []);
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
    fn no_key_for_order() {
        one("b={SubId1}", "no key for `action_id`, which keeps events in order / add {ActionId}");
        let template = Template::parse("b={Oid}", Kind::Action, None).unwrap();
        let by_order = template.lint(Some("order_id"));
        assert!(by_order.iter().all(|finding| finding.weight == Weight::Advice), "{by_order:?}");
    }

    #[test]
    fn what_is_recommended_and_missing() {
        let template = Template::parse("a={ActionId}&s={Status}", Kind::Action, None).unwrap();
        let findings = template.lint(None);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].weight, Weight::Advice);
        assert_eq!(
            findings[0].what,
            "recommended macros are missing: {CampaignId}, {Payout}, {Currency}, {EventDate}, \
             {SubId1}"
        );
    }

    #[test]
    fn a_kind_without_dictionary_knows_no_wrong_name() {
        let template = Template::parse("a={anything}", Kind::Custom, None).unwrap();
        assert_eq!(template.lint(Some("a")), []);
    }
}
