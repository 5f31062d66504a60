//! Lists of rows: the `items` of an action, the `comments` of an inquiry. They arrive as a JSON
//! list, as repeated XML elements, or under numbered keys.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::canonical::Record;
use super::dictionary;
use super::node::{Member, Node};
use super::path::normal_text;
use super::remarks::{By, Remarks};
use super::section::Section;
use super::{Format, Malformed};

/// A list that events of a kind can have.
#[derive(Debug)]
pub(super) struct Spec {
    /// Its canonical name.
    pub(super) name: &'static str,
    /// What the list, or one entry of it, is called, in normal form.
    pub(super) containers: &'static [&'static str],
    /// What stands before the field in a numbered key such as `ItemSku1`, in normal form.
    prefixes: &'static [&'static str],
    /// Fields that are numbered without a prefix as well (`sku1`), in normal form.
    bare: &'static [&'static str],
    /// The field that an entry without fields is.
    scalar: Option<&'static str>,
}

/// The line items of an action.
pub(super) const ITEMS: Spec = Spec {
    name: "items",
    containers: &[
        "items",
        "item",
        "lineitems",
        "lineitem",
        "orderitems",
        "orderitem",
        "products",
        "product",
        "skus",
    ],
    prefixes: &["item", "items", "lineitem", "lineitems", "product", "products"],
    bare: &["sku", "qty", "quantity", "amt", "subtotal"],
    scalar: None,
};

/// The items of a `custom` route, which has no other dictionary: so that they are the same in every
/// format. A `product` may be anything there.
pub(super) const PLAIN_ITEMS: Spec = Spec {
    containers: &["items", "item", "lineitems", "lineitem"],
    prefixes: &["item", "items", "lineitem", "lineitems"],
    bare: &[],
    ..ITEMS
};

/// What was written about an inquiry.
pub(super) const COMMENTS: Spec = Spec {
    name: "comments",
    containers: &["comments", "comment"],
    prefixes: &["comment", "comments"],
    bare: &[],
    scalar: Some("comment"),
};

/// The rows of an event as they come in.
pub(super) struct Rows<'a> {
    spec: &'static Spec,
    format: Format,
    /// Whole lists, and the path each came by.
    lists: Vec<(String, Vec<Section<'a, 'static>>)>,
    numbered: BTreeMap<u32, Section<'a, 'static>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(spec: &'static Spec, format: Format) -> Self {
        Self { spec, format, lists: Vec::new(), numbered: BTreeMap::new() }
    }

    /// Whether a container of this name holds rows.
    pub(super) fn is_list(&self, normal: &[u8]) -> bool {
        let containers = self.spec.containers;
        containers.iter().any(|name| name.as_bytes() == normal)
    }

    /// Whether a scalar of this name says that the list is empty.
    pub(super) fn is_empty_list(&self, normal: &[u8], node: &Node<'_>) -> bool {
        let is_blank = match node {
            Node::Text(text) => text.trim_ascii().is_empty(),
            other => other.is_empty(),
        };
        is_blank && normal == self.spec.name.as_bytes()
    }

    /// Takes the rows out of a container. What is left is not of a list.
    pub(super) fn take(
        &mut self,
        origin: String,
        node: Node<'a>,
    ) -> Result<Option<Node<'a>>, Malformed> {
        let (entries, rest) = self.entries(node);
        if entries.is_empty() {
            return Ok(rest);
        }
        let mut sections = Vec::with_capacity(entries.len());
        for members in entries {
            let mut section = Section::of_row(self.spec);
            section.absorb_row(members)?;
            sections.push(section);
        }
        match self.lists.last_mut() {
            // XML has no lists: what repeats is one.
            Some((place, rows)) if self.format == Format::Xml && *place == origin => {
                rows.extend(sections);
            }
            _ => self.lists.push((origin, sections)),
        }
        Ok(rest)
    }

    /// Takes a numbered key such as `ItemSku1` or `items[0][sku]`; gives back what is none.
    pub(super) fn take_numbered(
        &mut self,
        name: &str,
        node: Node<'a>,
        origin: impl FnOnce() -> Cow<'a, str>,
    ) -> Result<Option<Node<'a>>, Malformed> {
        let Some((number, field)) = self.number(name) else {
            return Ok(Some(node));
        };
        let spec = self.spec;
        let section = self.numbered.entry(number).or_insert_with(|| Section::of_row(spec));
        section.absorb_numbered((field, node), origin())?;
        Ok(None)
    }

    /// The list, without rows that say nothing: a template has slots for more items than an order.
    pub(super) fn finish(
        self,
        remarks: &mut Remarks,
    ) -> Result<(&'static str, Vec<Record<'a>>), Malformed> {
        let name = self.spec.name;
        let lists = self.lists.into_iter().map(|(origin, sections)| {
            let rows = (0..).zip(sections).collect();
            Source { origin, by: By::List, rows }
        });
        let numbered = (!self.numbered.is_empty()).then(|| Source {
            origin: "numbered keys".to_owned(),
            by: By::Number,
            rows: self.numbered.into_iter().collect(),
        });
        let mut list: Option<(String, Vec<Record<'a>>)> = None;
        for source in lists.chain(numbered) {
            let mark = remarks.mark();
            let origin = source.origin.clone();
            let records = records(name, source, remarks)?;
            match &list {
                None => list = Some((origin, records)),
                Some((_, known)) if *known == records => remarks.take_back(mark),
                Some((first, _)) => {
                    let what = format!("two different lists of `{name}`");
                    let names = format!("{what}: `{first}` and `{origin}`");
                    return Err(Malformed::new(names).or(what));
                }
            }
        }
        Ok((name, list.map(|(_, records)| records).unwrap_or_default()))
    }

    /// The members of each row in a container, and what in it is no row.
    fn entries(&self, node: Node<'a>) -> (Vec<Vec<Member<'a>>>, Option<Node<'a>>) {
        match node {
            Node::List(list) if list.iter().all(|entry| self.is_row(entry)) => {
                let rows = list.into_iter().filter_map(|entry| self.row(entry));
                (rows.collect(), None)
            }
            Node::Object(members) if members.iter().any(|member| self.is_entry(member)) => {
                self.entries_of(members)
            }
            Node::Object(members) => (vec![members], None),
            other => (Vec::new(), Some(other)),
        }
    }

    /// The rows among the members of a container: `<items count="2"><item>…`, `{"0":{…},"1":{…}}`.
    fn entries_of(&self, members: Vec<Member<'a>>) -> (Vec<Vec<Member<'a>>>, Option<Node<'a>>) {
        let mut rows = Vec::new();
        let mut rest = Vec::new();
        for (name, node) in members {
            let member = (name, node);
            if !self.is_entry(&member) {
                rest.push(member);
                continue;
            }
            let (name, node) = member;
            // Names that are no numbers keep the order in which they came.
            let number: u32 = name.parse().unwrap_or_default();
            match node {
                Node::List(list) if list.iter().all(|entry| self.is_row(entry)) => {
                    rows.extend(
                        list.into_iter().filter_map(|entry| Some((number, self.row(entry)?))),
                    );
                }
                Node::Object(members) => rows.push((number, members)),
                // An empty entry is no row.
                Node::Null => {}
                other => rest.push((name, other)),
            }
        }
        rows.sort_by_key(|(number, _)| *number);
        let rows = rows.into_iter().map(|(_, members)| members).collect();
        (rows, (!rest.is_empty()).then_some(Node::Object(rest)))
    }

    fn is_entry(&self, (name, node): &Member<'_>) -> bool {
        let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let is_named = || normal_text(name).is_some_and(|name| self.is_list(name.as_bytes()));
        !matches!(node, Node::Text(_)) && (is_number || is_named())
    }

    fn is_row(&self, node: &Node<'_>) -> bool {
        match node {
            Node::Object(_) | Node::Null => true,
            Node::Text(_) => self.spec.scalar.is_some(),
            Node::List(_) => false,
        }
    }

    fn row(&self, node: Node<'a>) -> Option<Vec<Member<'a>>> {
        match node {
            Node::Object(members) => Some(members),
            Node::Text(text) => {
                let field = self.spec.scalar?;
                Some(vec![(Cow::Borrowed(field), Node::Text(text))])
            }
            Node::Null | Node::List(_) => None,
        }
    }

    /// The row and the field that a numbered key means.
    fn number(&self, name: &str) -> Option<(u32, Cow<'a, str>)> {
        if !name.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.bracketed(name).or_else(|| self.compact(name))
    }

    /// `items[0][sku]`, `items.0.sku`: any field, known or not.
    fn bracketed(&self, name: &str) -> Option<(u32, Cow<'a, str>)> {
        let mut parts = name.split(['[', ']', '.']).filter(|part| !part.is_empty());
        let list = normal_text(parts.next()?)?;
        let number = parts.next()?.parse().ok()?;
        if !self.is_list(list.as_bytes()) {
            return None;
        }
        let mut field = String::from(parts.next()?);
        for part in parts {
            field.push('.');
            field.push_str(part);
        }
        Some((number, Cow::Owned(field)))
    }

    /// `ItemSku1`, `item_1_sku`, `sku1`: known fields alone.
    fn compact(&self, name: &str) -> Option<(u32, Cow<'a, str>)> {
        let name = normal_text(name)?;
        let table = dictionary::row_table(self.spec);
        let known = |field: &str| {
            let index = table.lookup(field.as_bytes())?;
            table.fields.get(index).map(|field| Cow::Borrowed(field.name))
        };
        let numbered_last = |text: &str| {
            let field = text.trim_end_matches(|last: char| last.is_ascii_digit());
            let number = text.strip_prefix(field)?.parse().ok()?;
            Some((number, known(field)?))
        };
        let numbered_first = |text: &str| {
            let field = text.trim_start_matches(|first: char| first.is_ascii_digit());
            let number = text.strip_suffix(field)?.parse().ok()?;
            Some((number, known(field)?))
        };
        let field = name.trim_end_matches(|last: char| last.is_ascii_digit());
        if self.spec.bare.contains(&field) {
            return numbered_last(&name);
        }
        self.spec.prefixes.iter().find_map(|prefix| {
            let rest = name.strip_prefix(prefix)?;
            // `item_name` is a field as a whole; `name` alone is it as well.
            numbered_last(rest).or_else(|| numbered_first(rest))
        })
    }
}

/// One of the places where an input has the list.
struct Source<'a> {
    origin: String,
    by: By,
    /// With their numbers in the input.
    rows: Vec<(u32, Section<'a, 'static>)>,
}

/// Rows are counted as they go out, so that a canonical body gives the same warnings again.
fn records<'a>(
    name: &str,
    source: Source<'a>,
    remarks: &mut Remarks,
) -> Result<Vec<Record<'a>>, Malformed> {
    let mut records = Vec::with_capacity(source.rows.len());
    let mut has_lost_macros = false;
    for (number, section) in source.rows {
        let mark = remarks.mark();
        remarks.enter_row(source.by, || match source.by {
            By::Number => format!("{name}[{number}]"),
            _ => format!("{}[{number}]", source.origin),
        });
        let record = section.finish(&format!("{name}[{}].", records.len()), remarks)?;
        if record.is_empty() {
            has_lost_macros |= remarks.has_warned_since(mark);
            remarks.take_back(mark);
        } else {
            records.push(record);
        }
    }
    remarks.leave_row();
    if has_lost_macros {
        remarks.warnings.add(|| {
            format!("an entry of `{name}` holds nothing but macros that were never substituted")
        });
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_keys_name_a_row_and_a_field() {
        let items = Rows::new(&ITEMS, Format::Query);
        let number = |name: &str| items.number(name);
        let known = |number, field: &'static str| Some((number, Cow::Borrowed(field)));
        assert_eq!(number("ItemSku1"), known(1, "sku"));
        assert_eq!(number("itemName12"), known(12, "item_name"));
        assert_eq!(number("items_0_qty"), known(0, "quantity"));
        assert_eq!(number("item3SubTotal"), known(3, "amount"));
        assert_eq!(number("sku1"), known(1, "sku"));
        assert_eq!(number("items[2][Color]"), known(2, "Color"));
        assert_eq!(number("line_items.2.a.b"), known(2, "a.b"));
        for none in ["ItemSku", "ItemColor1", "payout1", "item1", "items[x][sku]", "sub_id4"] {
            assert_eq!(number(none), None, "{none}");
        }
        assert_eq!(number("ItemSku4294967296"), None);
    }

    #[test]
    fn rows_that_say_nothing_are_left_out_and_lost_macros_are_told() {
        let text = |text: &'static str| Node::Text(Cow::Borrowed(text));
        let mut rows = Rows::new(&ITEMS, Format::Json);
        for (key, value) in [("sku1", ""), ("sku2", "{ItemSku2}"), ("sku3", "A"), ("qty3", "x")] {
            rows.take_numbered(key, text(value), || Cow::Borrowed(key)).unwrap();
        }
        let mut remarks = Remarks::default();
        let (name, records) = rows.finish(&mut remarks).unwrap();
        assert_eq!((name, records.len()), ("items", 1));
        assert_eq!(records[0].value("sku"), Some("A"));
        assert_eq!(
            remarks.warnings.behind(Vec::new()),
            [
                "`items[0].quantity` is not a decimal number",
                "an entry of `items` holds nothing but macros that were never substituted"
            ]
        );
    }
}
