//! `template_file` of a route.

use std::path::Path;
use std::sync::Arc;

use super::file;
use super::key::Key;
use super::report::Report;
use crate::event::{Finding, Rules, Template, TemplateError, Weight};

const MEND: &str = "name a file with the text that was pasted into impact.com; `postgate template \
                    new` writes one";

/// Reads the template of a route into its rules. What works and should be otherwise is a warning.
pub(super) fn template(
    text: &str,
    key: &Key,
    rules: Option<Rules>,
    report: &mut Report,
) -> Option<Rules> {
    if text.is_empty() {
        return rules;
    }
    let path = report.path(text);
    report.watch(&path);
    let source = match read(&path) {
        Ok(source) => source,
        Err(what) => {
            report.problem(key, what, MEND);
            return None;
        }
    };
    // What is wrong with the rest of the route is told already.
    let mut rules = rules?;
    let template = match Template::parse(&source, rules.kind, rules.format) {
        Ok(template) => template,
        Err(error) => return unusable(&path, error, key, report),
    };
    for Finding { weight, at, what, mend } in template.lint(&rules) {
        let what = match weight {
            Weight::Fault => what,
            Weight::Advice => format!("advice: {what}"),
        };
        report.warn_in(&path, at.map(|at| (at.line, at.column)), key, what, mend);
    }
    let template = match &rules.secret_parameter {
        Some(name) => template.without_parameter(name),
        None => Ok(template),
    };
    match template {
        Ok(template) => rules.template = Some(Arc::new(template)),
        Err(error) => return unusable(&path, error, key, report),
    }
    Some(rules)
}

fn unusable<T>(path: &Path, error: TemplateError, key: &Key, report: &mut Report) -> Option<T> {
    let what = format!("{} is no template: {error}", path.display());
    report.problem(key, what, MEND);
    None
}

/// The text of a template; else what is wrong with the file.
fn read(path: &Path) -> Result<String, String> {
    let most = u64::try_from(Template::MOST_BYTES).unwrap_or(u64::MAX);
    let bytes = file::bytes(path, most).map_err(|error| format!("{} {error}", path.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let line = before.unwrap_or_default().split(|&byte| byte == b'\n').count();
        format!("{}:{line} is not UTF-8", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, convert};

    fn load(text: &[u8], rules: Rules) -> (Option<Rules>, Report) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("t.json"), text).expect("written");
        let mut report = super::super::tests::report_in(folder.path());
        let key = Key::top("routes").at(0).child("template_file");
        let rules = template("t.json", &key, Some(rules), &mut report);
        (rules, report)
    }

    fn problem(text: &[u8]) -> String {
        let (rules, report) = load(text, Rules::of(Kind::Action));
        assert!(rules.is_none());
        let [problem] = report.problems.as_slice() else { panic!("{:?}", report.problems) };
        assert_eq!(problem.key, "routes[0].template_file");
        problem.what.clone()
    }

    #[test]
    fn a_template_says_which_key_is_which_field() {
        let (rules, report) = load(b"{\"x\":\"{ActionId}\"}", Rules::of(Kind::Action));
        assert_eq!(report.problems, []);
        assert!(report.watched.files().any(|path| path.ends_with("t.json")));
        let input = crate::event::Input { body: b"{\"x\":\"7\"}", ..Default::default() };
        let rules = rules.expect("no problem");
        let event = convert(&input, &rules).expect("an event");
        assert_eq!(event.key(), Some("7"));
    }

    #[test]
    fn findings_are_warnings_at_their_place() {
        let (rules, report) = load(b"{\n\"x\":\"{actionid}\"}", Rules::of(Kind::Action));
        assert!(rules.is_some());
        let warning = report.warnings.first().expect("a finding");
        assert!(warning.file.ends_with("t.json"));
        assert_eq!((warning.line, warning.column), (Some(2), Some(6)));
        assert!(warning.mend.contains("{ActionId}"), "{}", warning.mend);
        let advice = report.warnings.last().expect("a finding");
        assert!(advice.what.starts_with("advice: "), "{}", advice.what);
        assert_eq!(advice.line, None);
    }

    #[test]
    fn a_template_is_tried_with_the_names_of_the_route() {
        let text = b"a={ActionId}&p={Payout}&agreed=5";
        let refused = |rules| {
            let (_, report) = load(text, rules);
            report.warnings.iter().any(|warning| warning.what.contains("refused: two different"))
        };
        assert!(!refused(Rules::of(Kind::Action)));
        let fields = [("agreed".to_owned(), "payout".to_owned())].into();
        assert!(refused(Rules { fields, ..Rules::of(Kind::Action) }));
    }

    #[test]
    fn what_cannot_be_used_is_a_problem() {
        assert!(problem(b"{}").contains("no macro"));
        assert!(problem(b"{Oid}\n\xff{Oid}").contains(":2 is not UTF-8"));
        assert!(problem(b"{Oid}\n{Oid}\xe2\x82").contains(":2 is not UTF-8"), "a cut character");
        let long = |bytes: usize| [b"{Oid}".as_slice(), &vec![b' '; bytes - 5]].concat();
        let (rules, _) = load(&long(Template::MOST_BYTES), Rules::of(Kind::Action));
        assert!(rules.is_some());
        assert!(problem(&long(Template::MOST_BYTES + 1)).contains("larger than"));
        let cut = [long(Template::MOST_BYTES), "€".into()].concat();
        assert!(problem(&cut).contains("larger than"));
        let secret = Rules { secret_parameter: Some("t".to_owned()), ..Rules::of(Kind::Action) };
        let (rules, report) = load(b"t={Oid}", secret);
        assert!(rules.is_none() && report.problems.len() == 1);
    }
}
