//! Which field a place in the input means, by everything the route says about names.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::check::Check;
use super::dictionary::{self, Table};
use super::path::{Path, normal};
use super::remarks::By;
use super::rows::{PLAIN_ITEMS, Spec};
use super::template::{Target, Template};
use super::{Kind, Rules, unknown_field};

/// The fields of an event or of a row, and the names that lead to them.
#[derive(Clone, Debug)]
pub(super) struct Names<'r> {
    known: Known<'r>,
    /// The route's own names: input key → canonical name.
    route: Option<&'r BTreeMap<String, String>>,
    template: Option<&'r Template>,
}

#[derive(Clone, Debug)]
enum Known<'r> {
    Table(&'static Table),
    /// What a `custom` route names in `fields`, sorted.
    Own(Vec<&'r str>),
}

impl<'r> Names<'r> {
    pub(super) fn of_route(rules: &'r Rules) -> Self {
        let known = match dictionary::table(rules.kind) {
            Some(table) => Known::Table(table),
            None => Known::Own(own(&rules.fields)),
        };
        let route = (!rules.fields.is_empty()).then_some(&rules.fields);
        Self { known, route, template: rules.template.as_deref() }
    }

    pub(super) fn of_row(spec: &Spec) -> Self {
        Self { known: Known::Table(dictionary::row_table(spec)), route: None, template: None }
    }

    pub(super) fn len(&self) -> usize {
        match &self.known {
            Known::Table(table) => table.fields.len(),
            Known::Own(names) => names.len(),
        }
    }

    /// The canonical name of field `index`.
    pub(super) fn name(&self, index: usize) -> Cow<'static, str> {
        match &self.known {
            Known::Table(table) => {
                let name = table.fields.get(index).map(|field| field.name);
                Cow::Borrowed(name.unwrap_or_default())
            }
            Known::Own(names) => {
                Cow::Owned(names.get(index).copied().unwrap_or_default().to_owned())
            }
        }
    }

    pub(super) fn check(&self, index: usize) -> Check {
        match &self.known {
            Known::Table(table) => table.fields.get(index).map_or(Check::Text, |field| field.check),
            Known::Own(_) => Check::Text,
        }
    }

    pub(super) fn rows(&self) -> Option<&'static Spec> {
        match &self.known {
            Known::Table(table) => table.rows,
            Known::Own(_) => Some(&PLAIN_ITEMS),
        }
    }

    pub(super) fn wrappers(&self) -> &'static [&'static str] {
        match &self.known {
            Known::Table(table) => table.wrappers,
            Known::Own(_) => &[],
        }
    }

    /// The field that `path` means: by the route's template, its `fields`, the dictionary.
    pub(super) fn find(&self, path: &Path<'_>) -> Option<(usize, By)> {
        let by_template = || self.by_template(path).map(|index| (index, By::Template));
        let by_route = || self.by_route(path).map(|index| (index, By::Fields));
        by_template().or_else(by_route).or_else(|| self.by_dictionary(path))
    }

    /// The numbered name that `path` means by the route's template, as `ItemSku1`.
    pub(super) fn numbered(&self, path: &Path<'_>) -> Option<&'r str> {
        match self.template?.target(path)? {
            Target::Row(name) => Some(name),
            Target::Field(_) => None,
        }
    }

    /// What [`Names::find`] gives for a name with none around it, where that is seen at once. `None`:
    /// it has to be looked for.
    pub(super) fn find_alone(&self, name: &str) -> Option<(usize, By)> {
        match &self.known {
            Known::Table(table) if self.template.is_none() && self.route.is_none() => {
                table.lookup(name.as_bytes()).map(|index| (index, By::Dictionary))
            }
            Known::Table(_) | Known::Own(_) => None,
        }
    }

    fn by_template(&self, path: &Path<'_>) -> Option<usize> {
        match self.template?.target(path)? {
            Target::Field(index) => Some(*index),
            Target::Row(_) => None,
        }
    }

    /// By `fields`: the longest suffix first, and each exactly before in normal form.
    fn by_route(&self, path: &Path<'_>) -> Option<usize> {
        let fields = self.route?;
        let entry = path.starts().filter(|&start| path.may_mean(start, self.wrappers())).find_map(
            |start| {
                let exact = fields.iter().find(|(key, _)| path.is_exactly(start, key));
                exact.or_else(|| {
                    let suffix = path.suffix(start).filter(|suffix| !suffix.is_empty())?;
                    fields.iter().find(|(key, _)| normal(key).eq(suffix.iter().copied()))
                })
            },
        );
        let (_, canonical) = entry?;
        (0..self.len()).find(|&index| self.name(index) == canonical.as_str())
    }

    fn by_dictionary(&self, path: &Path<'_>) -> Option<(usize, By)> {
        path.suffixes().find_map(|(start, suffix)| {
            let index = self.lookup(suffix)?;
            let by = match self.known {
                Known::Own(_) => By::Fields,
                Known::Table(_) if start == 0 => By::Dictionary,
                Known::Table(_) => By::Path,
            };
            path.may_mean(start, self.wrappers()).then_some((index, by))
        })
    }

    fn lookup(&self, suffix: &[u8]) -> Option<usize> {
        match &self.known {
            Known::Table(table) => table.lookup(suffix),
            Known::Own(names) => names
                .iter()
                .position(|name| !suffix.is_empty() && normal(name).eq(suffix.iter().copied())),
        }
    }
}

/// The canonical names of a route without dictionary: what its `fields` lead to must also be known
/// by its own name, or a canonical body would not convert to itself.
fn own(fields: &BTreeMap<String, String>) -> Vec<&str> {
    let mut names: Vec<&str> = fields
        .values()
        .map(String::as_str)
        .filter(|name| unknown_field(Kind::Custom, name).is_none())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_seen_at_once_means_what_it_means_when_looked_for() {
        for kind in Kind::ALL {
            let rules = Rules::of(kind);
            let names = Names::of_route(&rules);
            for index in 0..names.len() {
                let name = names.name(index);
                assert_eq!(names.find_alone(&name), Some((index, By::Dictionary)), "{name}");
            }
            let Known::Table(table) = &names.known else { continue };
            for spelling in table.spellings() {
                let mut path = Path::default();
                path.push(Cow::Borrowed(spelling));
                assert_eq!(names.find_alone(spelling), names.find(&path), "{spelling}");
            }
        }
    }

    #[test]
    fn a_route_that_says_something_of_names_is_asked_first() {
        let fields = [("payout".to_owned(), "amount".to_owned())].into();
        let rules = Rules { fields, ..Rules::of(Kind::Action) };
        assert_eq!(Names::of_route(&rules).find_alone("payout"), None);
    }
}
