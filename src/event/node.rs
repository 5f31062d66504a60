//! What every parser makes: a tree of text, borrowed where the input holds it as it is meant.

use std::borrow::Cow;

use super::{Limits, Malformed};

/// One value of an input. Numbers and `true` are text; names may repeat in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Null,
    Text(Cow<'a, str>),
    Object(Vec<Member<'a>>),
    List(Vec<Node<'a>>),
}

/// A name and its value.
pub(super) type Member<'a> = (Cow<'a, str>, Node<'a>);

/// The name of an element's own text beside its attributes and children. No XML name has a `#`.
pub(super) const OWN_TEXT: &str = "#text";

impl Node<'_> {
    /// Says nothing: null, the empty string, an object or a list without entries.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Object(members) => members.is_empty(),
            Self::List(entries) => entries.is_empty(),
        }
    }

    /// The same, borrowing nothing. Recursion is bounded by [`Limits::DEEPEST`].
    pub(super) fn into_owned(self) -> Node<'static> {
        match self {
            Self::Null => Node::Null,
            Self::Text(text) => Node::Text(Cow::Owned(text.into_owned())),
            Self::Object(members) => {
                let members = members.into_iter();
                let owned =
                    members.map(|(name, node)| (name.into_owned().into(), node.into_owned()));
                Node::Object(owned.collect())
            }
            Self::List(entries) => Node::List(entries.into_iter().map(Node::into_owned).collect()),
        }
    }

    pub(super) fn is_scalar(&self) -> bool {
        matches!(self, Self::Null | Self::Text(_))
    }
}

/// What is left of [`Limits`] while one input is read.
#[derive(Debug)]
pub(super) struct Budget {
    depth: usize,
    fields: usize,
    limits: Limits,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self { depth: limits.depth.min(Limits::DEEPEST), fields: limits.fields, limits }
    }

    /// Counts one pair, key, element, attribute or list entry.
    pub(super) fn field(&mut self) -> Result<(), Malformed> {
        let Some(left) = self.fields.checked_sub(1) else {
            let limit = self.limits.fields;
            return Err(Malformed::new(format!("it has more than {limit} fields")));
        };
        self.fields = left;
        Ok(())
    }

    /// Counts so many at once.
    pub(super) fn take(&mut self, number: usize) -> Result<(), Malformed> {
        for _ in 0..number {
            self.field()?;
        }
        Ok(())
    }

    /// One level down.
    pub(super) fn enter(&mut self) -> Result<(), Malformed> {
        let Some(left) = self.depth.checked_sub(1) else {
            let limit = self.limits.depth.min(Limits::DEEPEST);
            return Err(Malformed::new(format!("it is nested more than {limit} levels deep")));
        };
        self.depth = left;
        Ok(())
    }

    /// One level up.
    pub(super) fn leave(&mut self) {
        self.depth += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_hold_at_the_limit_and_not_one_past_it() {
        let mut budget = Budget::new(Limits { depth: 2, fields: 2 });
        assert!(budget.field().is_ok() && budget.field().is_ok());
        assert!(budget.field().is_err());
        assert!(budget.enter().is_ok() && budget.enter().is_ok());
        assert!(budget.enter().is_err());
        budget.leave();
        assert!(budget.enter().is_ok());
    }

    #[test]
    fn a_depth_that_would_exhaust_the_stack_is_capped() {
        let mut budget = Budget::new(Limits { depth: usize::MAX, fields: 0 });
        let levels = (0..1000).take_while(|_| budget.enter().is_ok()).count();
        assert_eq!(levels, Limits::DEEPEST);
    }
}
