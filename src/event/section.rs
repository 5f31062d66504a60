//! A section gives every value of a tree its place: a known field, a row of a list, or `custom`.
//! An event is one, and so is each of its rows.

use std::borrow::Cow;

use super::canonical::Record;
use super::check::Scalar;
use super::custom::{self, never_substituted};
use super::names::Names;
use super::node::{Member, Node, OWN_TEXT};
use super::path::{Path, normal_text, shown};
use super::remarks::{By, Remarks};
use super::rows::{Rows, Spec};
use super::{Format, Kind, Malformed, Rules};

pub(super) struct Section<'a, 'r> {
    names: Names<'r>,
    /// One for each known field.
    slots: Vec<Option<Slot<'a>>>,
    rows: Option<Rows<'a>>,
    custom: Vec<Member<'a>>,
    /// How many of them are not of the query beside the body.
    custom_of_body: usize,
    path: Path<'a>,
    /// The kind of the event; a row has none.
    kind: Option<Kind>,
    /// The warnings of a canonical body that comes in again.
    carried: Vec<String>,
}

/// What a known field holds, under which name it came, and why that means the field.
struct Slot<'a> {
    value: Scalar<'a>,
    origin: Cow<'a, str>,
    by: By,
}

impl<'a, 'r> Section<'a, 'r> {
    pub(super) fn of_event(rules: &'r Rules, format: Format) -> Self {
        let names = Names::of_route(rules);
        let rows = names.rows().map(|spec| Rows::new(spec, format));
        Self::new(names, rows, Some(rules.kind))
    }

    pub(super) fn of_row(spec: &Spec) -> Self {
        Self::new(Names::of_row(spec), None, None)
    }

    fn new(names: Names<'r>, rows: Option<Rows<'a>>, kind: Option<Kind>) -> Self {
        let slots = std::iter::repeat_with(|| None).take(names.len()).collect();
        Self {
            names,
            slots,
            rows,
            custom: Vec::new(),
            custom_of_body: 0,
            path: Path::default(),
            kind,
            carried: Vec::new(),
        }
    }

    /// Takes in the members of an outermost object. An object that stands there alone is a wrapper.
    pub(super) fn absorb(&mut self, members: Vec<Member<'a>>) -> Result<(), Malformed> {
        let members = self.unwrap(members);
        self.path.set_base();
        self.members(members)?;
        self.custom_of_body = self.custom.len();
        Ok(())
    }

    /// Takes in the query that came beside the body. A `?` stands before its names in messages.
    pub(super) fn absorb_beside(&mut self, members: Vec<Member<'a>>) -> Result<(), Malformed> {
        self.path.restart("?");
        self.members(members)
    }

    /// Takes in the members of a row.
    pub(super) fn absorb_row(&mut self, members: Vec<Member<'a>>) -> Result<(), Malformed> {
        self.members(members)?;
        self.custom_of_body = self.custom.len();
        Ok(())
    }

    /// Takes in one member of a row, which had the numbered name `origin`.
    pub(super) fn absorb_numbered(
        &mut self,
        member: Member<'a>,
        origin: Cow<'a, str>,
    ) -> Result<(), Malformed> {
        self.path.call(origin);
        self.absorb_row(vec![member])
    }

    pub(super) fn take_carried(&mut self) -> Vec<String> {
        std::mem::take(&mut self.carried)
    }

    /// What was said, in canonical order. `prefix` is where a row stands.
    pub(super) fn finish(
        self,
        prefix: &str,
        remarks: &mut Remarks,
    ) -> Result<Record<'a>, Malformed> {
        let mut fields = Vec::with_capacity(self.slots.iter().flatten().count());
        for (index, slot) in self.slots.into_iter().enumerate() {
            let Some(slot) = slot else { continue };
            let name = self.names.name(index);
            let value = match slot.value {
                Scalar::Empty => None,
                Scalar::Macro => {
                    remarks.warnings.add(|| never_substituted(&format!("{prefix}{name}")));
                    None
                }
                Scalar::Text(text) => {
                    if let Some(complaint) = self.names.check(index).complaint(&text) {
                        remarks.warnings.add(|| format!("`{prefix}{name}` {complaint}"));
                    }
                    Some(text)
                }
            };
            remarks.field(prefix, &name, value.as_deref(), (&slot.origin, slot.by));
            fields.push((name, value));
        }
        let rows = self.rows.map(|rows| rows.finish(remarks)).transpose()?;
        if let Some((name, rows)) = &rows
            && !rows.is_empty()
            && fields.iter().any(|(field, _)| field == name)
        {
            return Err(Malformed::new(format!("`{name}` is a text and a list at once")));
        }
        let beside = remarks.names_beside(&self.custom, self.custom_of_body);
        let custom = custom::settle(self.custom, prefix, &mut remarks.warnings)?;
        remarks.custom(prefix, &custom, &beside);
        Ok(Record { fields, rows, custom })
    }

    /// The members inside the wrappers around them; the wrappers' names go into the path.
    fn unwrap(&mut self, mut members: Vec<Member<'a>>) -> Vec<Member<'a>> {
        loop {
            if members.len() != 1 {
                return members;
            }
            let Some((name, node)) = members.pop() else {
                return members;
            };
            match self.inside(&name, node) {
                Ok(inner) => {
                    self.path.push(name);
                    members = inner;
                }
                Err(node) => return vec![(name, node)],
            }
        }
    }

    /// The members of a wrapper of this name; the node again, where it is none. A list of one
    /// object can be one where it is called so.
    fn inside(&mut self, name: &str, node: Node<'a>) -> Result<Vec<Member<'a>>, Node<'a>> {
        self.path.push(Cow::Owned(name.to_owned()));
        let is_possible = name != "custom" && name != OWN_TEXT && !self.holds_rows();
        let is_called_so = self.path.is_wrapper(self.names.wrappers());
        self.path.pop();
        match node {
            Node::Object(members) if is_possible && !members.is_empty() => Ok(members),
            Node::List(mut entries) if is_possible && is_called_so && entries.len() == 1 => {
                match entries.pop() {
                    Some(Node::Object(members)) if !members.is_empty() => Ok(members),
                    other => Err(Node::List(other.into_iter().collect())),
                }
            }
            node => Err(node),
        }
    }

    fn members(&mut self, members: Vec<Member<'a>>) -> Result<(), Malformed> {
        for (name, node) in members {
            if let Some(rest) = self.member(name, node)? {
                self.custom.push(rest);
            }
        }
        Ok(())
    }

    /// Gives a member its place; gives back what the dictionary does not know.
    fn member(
        &mut self,
        name: Cow<'a, str>,
        node: Node<'a>,
    ) -> Result<Option<Member<'a>>, Malformed> {
        if node.is_scalar() {
            if self.path.is_blank()
                && let Some(found) = self.names.find_alone(&name)
            {
                return self.place(found, node, |_| name).map(|()| None);
            }
            if name == OWN_TEXT {
                return Ok(self.leaf(node)?.map(|rest| (name, rest)));
            }
        }
        self.path.push(name);
        let rest = self.value(node)?;
        let name = self.path.pop().unwrap_or_default();
        Ok(rest.map(|rest| (name, rest)))
    }

    fn value(&mut self, node: Node<'a>) -> Result<Option<Node<'a>>, Malformed> {
        let node = match self.path.top_name() {
            Some("custom" | "event" | "warnings") => match self.canonical_part(node) {
                Some(node) => node,
                None => return Ok(None),
            },
            _ => node,
        };
        if node.is_empty() {
            return self.leaf(Node::Null);
        }
        if !node.is_scalar() && self.holds_rows() {
            let origin = self.path.dotted();
            return match &mut self.rows {
                Some(rows) => rows.take(origin, node),
                None => Ok(Some(node)),
            };
        }
        match node {
            Node::Object(members) => self.object(members),
            Node::List(entries) => self.list(entries),
            scalar => self.leaf(scalar),
        }
    }

    /// Takes what only a canonical body has at its top: so that it converts to itself.
    fn canonical_part(&mut self, node: Node<'a>) -> Option<Node<'a>> {
        match (self.path.top_name(), node) {
            (Some("custom"), Node::Object(members)) => {
                self.custom.extend(members);
                None
            }
            (Some("event"), Node::Text(text)) => {
                let is_kind = self.kind.is_some_and(|kind| kind.as_str() == text);
                (!is_kind).then_some(Node::Text(text))
            }
            (Some("warnings"), Node::List(entries))
                if self.kind.is_some()
                    && entries.iter().all(|entry| matches!(entry, Node::Text(_))) =>
            {
                for entry in entries {
                    if let Node::Text(warning) = entry {
                        self.carried.push(warning.into_owned());
                    }
                }
                None
            }
            (_, node) => Some(node),
        }
    }

    fn holds_rows(&self) -> bool {
        match (&self.rows, self.path.last_normal()) {
            (Some(rows), Some(name)) => rows.is_list(name),
            _ => false,
        }
    }

    fn object(&mut self, members: Vec<Member<'a>>) -> Result<Option<Node<'a>>, Malformed> {
        let mut rest = Vec::new();
        for (name, node) in members {
            rest.extend(self.member(name, node)?);
        }
        // An element's attributes found their fields, and its text is all that is left of it.
        if rest.len() == 1
            && let Some((name, node)) = rest.pop()
        {
            if name == OWN_TEXT {
                return Ok(Some(node));
            }
            rest.push((name, node));
        }
        Ok((!rest.is_empty()).then_some(Node::Object(rest)))
    }

    fn list(&mut self, mut entries: Vec<Node<'a>>) -> Result<Option<Node<'a>>, Malformed> {
        if entries.iter().all(Node::is_scalar) {
            let Some(found) = self.names.find(&self.path) else {
                return Ok(Some(Node::List(entries)));
            };
            for entry in entries {
                self.place(found, entry, Path::origin)?;
            }
            return Ok(None);
        }
        let are_objects = entries.iter().all(|entry| matches!(entry, Node::Object(_)));
        if !are_objects || !self.path.is_wrapper(self.names.wrappers()) {
            return Ok(Some(Node::List(entries)));
        }
        match (entries.pop(), entries.is_empty()) {
            (Some(Node::Object(members)), true) => self.object(members),
            _ => Err(Malformed::new("it holds several events, and a request carries one")),
        }
    }

    fn leaf(&mut self, node: Node<'a>) -> Result<Option<Node<'a>>, Malformed> {
        if let (Some(rows), Some(name)) = (&mut self.rows, self.names.numbered(&self.path)) {
            return rows.take_numbered(name, node, || self.path.origin());
        }
        if let Some(found) = self.names.find(&self.path) {
            self.place(found, node, Path::origin)?;
            return Ok(None);
        }
        let Some(node) = self.row(node)? else {
            return Ok(None);
        };
        match self.find_by_parts() {
            Some(found) => self.place(found, node, Path::origin).map(|()| None),
            None => Ok(Some(node)),
        }
    }

    /// Takes what is a row's by its name; gives back what is none.
    fn row(&mut self, node: Node<'a>) -> Result<Option<Node<'a>>, Malformed> {
        let (Some(rows), Some(name)) = (&mut self.rows, self.path.last_name()) else {
            return Ok(Some(node));
        };
        let is_empty_list = |normal| rows.is_empty_list(normal, &node);
        if self.path.last_normal().is_some_and(is_empty_list) {
            return Ok(None);
        }
        rows.take_numbered(name, node, || self.path.origin())
    }

    /// The field that a name means which is a path itself, as pairs have them.
    fn find_by_parts(&mut self) -> Option<(usize, By)> {
        let parts = self.path.parts_of_last()?;
        let (_, outer) = parts.split_last()?;
        let is_list = |part: &String| {
            let rows = self.rows.as_ref();
            rows.is_some_and(|rows| normal_text(part).is_some_and(|n| rows.is_list(n.as_bytes())))
        };
        if outer.iter().any(|part| part == "custom" || is_list(part)) {
            return None;
        }
        let name = self.path.pop()?;
        let depth = parts.len();
        for part in parts {
            self.path.push(Cow::Owned(part));
        }
        let found = self.names.find(&self.path);
        for _ in 0..depth {
            self.path.pop();
        }
        self.path.push(name);
        found
    }

    /// Puts a scalar into its field. What says nothing gives way to what says something. `origin`
    /// is the name that it came under.
    fn place(
        &mut self,
        (index, by): (usize, By),
        node: Node<'a>,
        origin: impl FnOnce(&Path<'a>) -> Cow<'a, str>,
    ) -> Result<(), Malformed> {
        let (Some(mut value), Some(slot)) = (Scalar::of(node), self.slots.get_mut(index)) else {
            return Ok(());
        };
        value.settle(self.names.check(index));
        match slot {
            Some(known) if known.value == value => Ok(()),
            Some(Slot { value: Scalar::Text(_), origin: first, .. })
                if matches!(value, Scalar::Text(_)) =>
            {
                Err(contradiction(&self.names.name(index), first, &origin(&self.path)))
            }
            Some(Slot { value: Scalar::Text(_), .. }) => Ok(()),
            Some(Slot { value: Scalar::Macro, .. }) if value == Scalar::Empty => Ok(()),
            _ => {
                *slot = Some(Slot { value, origin: origin(&self.path), by });
                Ok(())
            }
        }
    }
}

#[cold]
fn contradiction(name: &str, first: &str, second: &str) -> Malformed {
    let (first, second) = (shown(first), shown(second));
    let what = format!("two different values for `{name}`");
    let names = if first == second {
        format!("{what}: `{first}` came twice")
    } else {
        format!("{what}: `{first}` and `{second}`")
    };
    Malformed::new(names).or(what)
}
