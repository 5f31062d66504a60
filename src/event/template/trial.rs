//! What is wrong with a template that no look at its text shows: it is filled with values of the
//! right types, twice, and converted as its events will be.

use std::sync::Arc;

use super::super::check::Check;
use super::super::{Format, Input, Kind, Malformed, Rules, explain};
use super::lint::{Finding, Weight};
use super::text::Slot;
use super::{Template, macros};

/// An event that the template made.
struct Trial {
    /// What keeps it in order.
    key: Option<String>,
    /// What stands where in the canonical body.
    values: Vec<(String, Option<String>)>,
    warnings: Vec<String>,
}

impl Trial {
    fn has(&self, canonical: &str) -> bool {
        self.values.iter().any(|(name, value)| name == canonical && value.is_some())
    }
}

/// Which of the two events: they differ in every value but words.
type Round = u8;

impl Template {
    /// `known`: what the text has shown already.
    pub(super) fn by_trial(&self, rules: &Rules, known: &[Finding]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let is_sound = known.iter().all(|finding| finding.weight == Weight::Advice);
        let trials = self.trials(rules);
        match &trials {
            Err(malformed) => {
                let mend = "correct it here and at impact.com; until then every event is malformed";
                findings.push(fault(format!("its events are refused: {malformed}"), mend));
            }
            Ok(Some([trial, _])) if is_sound => {
                let mend = "let a macro be all of its value, and constants be of their type";
                let warnings = trial.warnings.iter();
                let told = warnings.map(|text| format!("its events have the warning: {text}"));
                findings.extend(told.map(|what| fault(what, mend)));
            }
            Ok(_) => {}
        }
        let trials = trials.ok().flatten();
        let first = trials.as_ref().map(|[first, _]| first);
        findings.extend(self.order(rules, trials.as_ref()));
        findings.extend(self.parts(first));
        findings.extend(self.missing(first));
        findings
    }

    /// Both events. `None`: they cannot be made, and that is told elsewhere.
    fn trials(&self, rules: &Rules) -> Result<Option<[Trial; 2]>, Malformed> {
        let template = match &rules.secret_parameter {
            Some(name) => self.clone().without_parameter(name),
            None => Ok(self.clone()),
        };
        let (Ok(_), Ok(template)) = (&self.shape, template) else { return Ok(None) };
        let format = Some(self.format);
        let rules = Rules { format, template: Some(Arc::new(template)), ..rules.clone() };
        Ok(Some([self.trial(&rules, 0)?, self.trial(&rules, 1)?]))
    }

    fn trial(&self, rules: &Rules, round: Round) -> Result<Trial, Malformed> {
        let text = self.filled_by(|slot| Some(self.sample(slot, round)));
        let input = match self.format {
            Format::Query => Input { query: Some(text.as_bytes()), ..Input::default() },
            _ => Input { body: text.as_bytes(), ..Input::default() },
        };
        let (event, origins) = explain(&input, rules)?;
        Ok(Trial {
            key: event.key().map(str::to_owned),
            values: origins.into_iter().map(|origin| (origin.field, origin.value)).collect(),
            warnings: event.warnings().to_vec(),
        })
    }

    /// The same for each macro of a field, and nothing that is escaped anywhere.
    fn sample(&self, slot: &Slot, round: Round) -> String {
        let is_same = |other: &Slot| match &slot.target {
            Some(_) => other.target == slot.target,
            None => other.name == slot.name,
        };
        let number = self.slots.iter().position(is_same).unwrap_or_default();
        sample(slot.check, number, round)
    }

    fn order(&self, rules: &Rules, trials: Option<&[Trial; 2]>) -> Option<Finding> {
        let key = rules.key.as_deref().or_else(|| self.kind.default_key())?;
        let is_there = match trials {
            Some([first, second]) => first.key.is_some() && first.key != second.key,
            // Without a dictionary nobody knows which macro the key would be.
            None => self.kind == Kind::Custom || self.names(key),
        };
        let mend = || match self.kind {
            Kind::Custom => format!("call the key of a macro `{key}`"),
            _ => format!("add {{{}}} under a key of its own", macros::of_field(key)),
        };
        (!is_there).then(|| {
            fault(format!("there is no key for `{key}`, which keeps events in order"), &mend())
        })
    }

    /// Macros of fields that have no value all the same.
    fn parts(&self, trial: Option<&Trial>) -> Vec<Finding> {
        let Some(trial) = trial else { return Vec::new() };
        let is_part = |slot: &&Slot| self.field(slot).is_some_and(|field| !trial.has(field));
        let told = |slot: &Slot| {
            let what = format!("`{}` fills no field where it stands", slot.own);
            self.advice(slot, what, "let it be all of the value of a key".to_owned())
        };
        self.slots.iter().filter(is_part).map(told).collect()
    }

    fn missing(&self, trial: Option<&Trial>) -> Option<Finding> {
        let is_there =
            |field: &str| self.names(field) || trial.is_some_and(|trial| trial.has(field));
        let missing = recommended(self.kind).iter().filter(|field| !is_there(field));
        let missing: Vec<String> =
            missing.map(|field| format!("{{{}}}", macros::of_field(field))).collect();
        (!missing.is_empty()).then(|| Finding {
            weight: Weight::Advice,
            at: None,
            what: format!("recommended macros are missing: {}", missing.join(", ")),
            mend: "add them, each under a key of its own".to_owned(),
        })
    }

    /// Whether there is a macro of the field.
    fn names(&self, canonical: &str) -> bool {
        self.slots.iter().any(|slot| self.field(slot) == Some(canonical))
    }
}

fn fault(what: String, mend: &str) -> Finding {
    Finding { weight: Weight::Fault, at: None, what, mend: mend.to_owned() }
}

/// Value `number` of a type.
fn sample(check: Check, number: usize, round: Round) -> String {
    let own = number * 2 + usize::from(round);
    match check {
        Check::Text | Check::Open => (1_000_000 + own).to_string(),
        Check::Decimal => format!("{}.{round}5", 1000 + number),
        Check::Time | Check::Date => {
            let (minute, second) = (own / 60, own % 60);
            format!("2026-01-02T{:02}:{:02}:{second:02}Z", minute / 60 % 24, minute % 60)
        }
        Check::Currency => {
            let letter = |place: usize| b'A' + u8::try_from(place % 26).unwrap_or_default();
            [own / 26 / 26, own / 26, own].map(|place| char::from(letter(place))).iter().collect()
        }
        Check::Word(words) => {
            let word = words.iter().cycle().nth(usize::from(round));
            word.copied().unwrap_or_default().to_owned()
        }
    }
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

    fn lint(text: &str, rules: &Rules) -> Vec<Finding> {
        Template::parse(text, rules.kind, rules.format).unwrap().lint(rules)
    }

    fn faults(text: &str, rules: &Rules) -> Vec<String> {
        let faults = lint(text, rules).into_iter().filter(|one| one.weight == Weight::Fault);
        faults.map(|one| format!("{} / {}", one.what, one.mend)).collect()
    }

    #[track_caller]
    fn one(text: &str, part: &str) {
        let found = faults(text, &Rules::of(Kind::Action));
        assert!(found.len() == 1 && found[0].contains(part), "{part}: {found:#?}");
    }

    #[test]
    fn what_contradicts_itself_once_it_is_filled() {
        one(
            r#"{"id":"{ActionId}","p":"{Payout}","commission":"5"}"#,
            "refused: two different values for `payout`",
        );
        one("a={ActionId}&s=x{SubId1}&s=x{SubId2}", "refused: two different values for `s`");
        // The same macro gives the same value.
        let twice = r#"{"a":"{ActionId}","b":"{ActionId}","o":"{Oid}","OrderId":"{OrderId}"}"#;
        assert_eq!(faults(twice, &Rules::of(Kind::Action)), [""; 0]);
        // Under the names of the route.
        let fields = [("agreed".to_owned(), "payout".to_owned())].into();
        let rules = Rules { fields, ..Rules::of(Kind::Action) };
        let text = "a={ActionId}&p={Payout}&agreed=5";
        assert_eq!(faults(text, &Rules::of(Kind::Action)), [""; 0]);
        assert_eq!(faults(text, &rules).len(), 1);
    }

    #[test]
    fn what_is_past_a_limit_once_it_is_filled() {
        let limits = crate::event::Limits { fields: 1, ..crate::event::Limits::USUAL };
        let rules = Rules { limits, ..Rules::of(Kind::Action) };
        assert_eq!(faults("a={ActionId}", &rules), [""; 0]);
        let found = faults("a={ActionId}&b={SubId1}", &rules);
        assert!(found[0].contains("more than 1 fields"), "{found:?}");
    }

    #[test]
    fn what_is_warned_of_in_every_event() {
        one("a={ActionId}&payout=USD {Payout}", "the warning: `payout` is not a decimal number");
        one("a={ActionId}&status=done", "the warning: `status` is none of");
        // One fault is enough to mend.
        one("a={ActionId}&b={subid1}&status=done", "`{subid1}` is no macro");
        one(
            r#"{"a":"{ActionId}","{SubId1}":"x"}"#,
            "parsed into what the template cannot have made",
        );
    }

    #[test]
    fn no_key_for_order() {
        one("b={SubId1}", "no key for `action_id`, which keeps events in order / add {ActionId}");
        one(r#"{"nr":"act-{ActionId}"}"#, "no key for `action_id`");
        one("a={Oid}&action_id=7", "no key for `action_id`");
        let action = Rules::of(Kind::Action);
        assert_eq!(faults("action_id=act-{ActionId}", &action), [""; 0]);
        let by_order = Rules { key: Some("order_id".to_owned()), ..action };
        assert_eq!(faults("b={Oid}", &by_order), [""; 0]);
        let custom = Rules { key: Some("nr".to_owned()), ..Rules::of(Kind::Custom) };
        assert_eq!(lint("nr={anything}", &custom), []);
        let found = faults("a={anything}", &custom);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with("call the key of a macro `nr`"), "{}", found[0]);
        assert_eq!(lint("a={anything}", &Rules::of(Kind::Custom)), []);
    }

    #[test]
    fn a_secret_in_the_text_is_no_part_of_the_event() {
        let secret = Some("t".to_owned());
        let rules = Rules { secret_parameter: secret, ..Rules::of(Kind::Action) };
        assert_eq!(faults("https://h/p?t=s3cret&a={ActionId}", &rules), [""; 0]);
    }

    #[test]
    fn a_macro_that_fills_no_field() {
        let found = lint("a={ActionId}&s=x{SubId1}", &Rules::of(Kind::Action));
        let part = found.iter().find(|one| one.what.contains("{SubId1}")).unwrap();
        assert_eq!(part.weight, Weight::Advice);
        assert_eq!(part.what, "`{SubId1}` fills no field where it stands");
        assert_eq!(part.at.map(|at| at.column), Some(17));
    }

    #[test]
    fn what_is_recommended_and_missing() {
        let found = lint("a={ActionId}&s={Status}&currency=USD", &Rules::of(Kind::Action));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].weight, Weight::Advice);
        assert_eq!(
            found[0].what,
            "recommended macros are missing: {CampaignId}, {Payout}, {EventDate}, {SubId1}"
        );
    }
}
