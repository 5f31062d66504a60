//! What is said about an event beside its body: the warnings, and, where somebody asks, which input
//! gave each value. Nobody asks while postbacks come in, and nothing is written down then.

use super::node::{Member, Node};
use super::path::shown;
use super::warnings::Warnings;

/// Where a value of the canonical body came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its place in the canonical body, as `items[0].sku`.
    pub field: String,
    /// The value; `None`: null.
    pub value: Option<String>,
    /// Its name in the input, with the names around it; `?` stands before one of the query, where
    /// there is a body as well.
    pub input: String,
    /// Why the name means that field.
    pub by: By,
}

/// Why a name of the input means a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The route's template has the macro there.
    Template,
    /// The route's `fields` say so.
    Fields,
    /// The dictionary knows it.
    Dictionary,
    /// The dictionary knows the end of its path.
    Path,
    /// It is an entry of a list.
    List,
    /// It has the number of an item in it.
    Number,
    /// Nothing does: it is in `custom`.
    Nothing,
}

impl By {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Fields => "fields",
            Self::Dictionary => "dictionary",
            Self::Path => "path",
            Self::List => "list",
            Self::Number => "number",
            Self::Nothing => "nothing",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Remarks {
    pub(super) warnings: Warnings,
    /// `None`: nobody asks.
    origins: Option<Vec<Origin>>,
    /// What holds for all values of the row at hand.
    row: Option<Row>,
}

#[derive(Debug)]
struct Row {
    by: By,
    /// Where the row is in the input.
    place: String,
}

/// How much was said at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    warnings: usize,
    origins: usize,
}

impl Remarks {
    /// Those that tell where values came from.
    pub(super) fn explaining() -> Self {
        Self { origins: Some(Vec::new()), ..Self::default() }
    }

    pub(super) fn into_origins(self) -> Vec<Origin> {
        self.origins.unwrap_or_default()
    }

    pub(super) fn mark(&self) -> Mark {
        let origins = self.origins.as_ref().map_or(0, Vec::len);
        Mark { warnings: self.warnings.count(), origins }
    }

    pub(super) fn has_warned_since(&self, mark: Mark) -> bool {
        self.warnings.count() > mark.warnings
    }

    /// Forgets what was said since: of a row that is none.
    pub(super) fn take_back(&mut self, mark: Mark) {
        self.warnings.truncate(mark.warnings);
        if let Some(origins) = &mut self.origins {
            origins.truncate(mark.origins);
        }
    }

    /// What follows is of the row at `place` of the input.
    pub(super) fn enter_row(&mut self, by: By, place: impl FnOnce() -> String) {
        self.row = self.origins.as_ref().map(|_| Row { by, place: place() });
    }

    pub(super) fn leave_row(&mut self) {
        self.row = None;
    }

    /// A known field. `prefix` is where its row stands in the canonical body.
    pub(super) fn field(
        &mut self,
        prefix: &str,
        name: &str,
        value: Option<&str>,
        (input, by): (&str, By),
    ) {
        let Some(origins) = &mut self.origins else { return };
        let (input, by) = match &self.row {
            // A numbered key is the whole place.
            Some(Row { by: By::Number, .. }) => (shown(input).into_owned(), By::Number),
            Some(Row { by, place }) => (format!("{place}.{}", shown(input)), *by),
            None => (shown(input).into_owned(), by),
        };
        let value = value.map(str::to_owned);
        origins.push(Origin { field: format!("{prefix}{name}"), value, input, by });
    }

    /// The names that only the query beside the body has: those from `beside` on.
    pub(super) fn names_beside(&self, members: &[Member<'_>], beside: usize) -> Vec<String> {
        let Some((body, query)) = members.split_at_checked(beside) else { return Vec::new() };
        if self.origins.is_none() {
            return Vec::new();
        }
        let is_new = |name: &str| body.iter().all(|(known, _)| known != name);
        let names = query.iter().filter(|(name, _)| is_new(name));
        names.map(|(name, _)| name.to_string()).collect()
    }

    /// What the dictionary does not know; `beside`: the names that came in the query.
    pub(super) fn custom(&mut self, prefix: &str, members: &[Member<'_>], beside: &[String]) {
        let Some(origins) = &mut self.origins else { return };
        for (name, node) in members {
            let around = match &self.row {
                Some(row) => format!("{}.", row.place),
                None if beside.iter().any(|of_query| of_query == name) => "?".to_owned(),
                None => String::new(),
            };
            leaves(node, &shown(name), &mut |path, value| {
                origins.push(Origin {
                    field: format!("{prefix}custom.{path}"),
                    value: value.map(str::to_owned),
                    input: format!("{around}{path}"),
                    by: By::Nothing,
                });
            });
        }
    }
}

/// Every scalar in a value of `custom`, with its path.
fn leaves(node: &Node<'_>, path: &str, found: &mut impl FnMut(&str, Option<&str>)) {
    match node {
        Node::Object(members) => {
            for (name, inner) in members {
                leaves(inner, &format!("{path}.{}", shown(name)), found);
            }
        }
        Node::List(entries) => {
            for (index, inner) in entries.iter().enumerate() {
                leaves(inner, &format!("{path}[{index}]"), found);
            }
        }
        Node::Text(text) => found(path, Some(text)),
        Node::Null => found(path, None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::event::{Input, Kind, Rules, Template, explain};

    /// Each origin as `field=value<input by`.
    fn told(query: &str, body: &str, rules: &Rules) -> Vec<String> {
        let input =
            Input { content_type: None, query: Some(query.as_bytes()), body: body.as_bytes() };
        let (_, origins) = explain(&input, rules).unwrap();
        let line = |origin: super::Origin| {
            let value = origin.value.as_deref().unwrap_or("null");
            format!("{}={value}<{} {}", origin.field, origin.input, origin.by.as_str())
        };
        origins.into_iter().map(line).collect()
    }

    #[test]
    fn every_value_tells_where_it_came_from_and_why() {
        let fields = [("uid".to_owned(), "sub_id1".to_owned())].into();
        let rules = Rules { fields, ..Rules::of(Kind::Action) };
        let body = r#"{"data":{"txid":"7","campaign":{"id":1,"zone":["z"]}},"uid":"u","Note":"",
            "lines":{"items":[{},{"Sku":"A","color":"red"}]}}"#;
        assert_eq!(
            told("commission=1.00&my=1&ItemSku1=A&items[1][color]=red", body, &rules),
            [
                "action_id=7<data.txid path",
                "campaign_id=1<data.campaign.id path",
                "payout=1.00<?commission dictionary",
                "sub_id1=u<uid fields",
                "note=null<Note dictionary",
                "items[0].sku=A<lines.items[1].Sku list",
                "items[0].custom.color=red<lines.items[1].color nothing",
                "custom.data.campaign.zone[0]=z<data.campaign.zone[0] nothing",
                "custom.my=1<?my nothing",
            ]
        );
    }

    #[test]
    fn the_template_is_told_of() {
        let template = Template::parse("nr={ActionId}&us={Payout}", Kind::Action, None).unwrap();
        let rules = Rules { template: Some(Arc::new(template)), ..Rules::of(Kind::Action) };
        assert_eq!(
            told("nr=7&us=1.00", "", &rules),
            ["action_id=7<nr template", "payout=1.00<us template"]
        );
    }

    #[test]
    fn a_numbered_key_is_told_as_it_came() {
        let query = "a[b][payout]=1.00&item_7_qty=2&items[7][color]=red&ItemSku3=";
        assert_eq!(
            told(query, "", &Rules::of(Kind::Action)),
            [
                "payout=1.00<a[b][payout] path",
                "items[0].quantity=2<item_7_qty number",
                "items[0].custom.color=red<items[7].color nothing",
            ]
        );
    }
}
