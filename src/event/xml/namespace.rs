//! Which prefix stands for which namespace, element by element (Namespaces in XML 1.0). Only to
//! see that a document is in order: the names of fields are read without prefixes.

use std::borrow::Cow;

use super::super::Malformed;
use super::grammar::Name;

/// An attribute of one tag.
#[derive(Debug)]
pub(super) struct Attribute<'a> {
    pub(super) name: Name<'a>,
    pub(super) value: Cow<'a, str>,
}

/// The prefixes that are bound where the reader is.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    /// Prefix and namespace, innermost last. The empty prefix is not kept: nothing asks for it.
    bound: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Scope<'a> {
    /// Binds what a tag declares; then its own names have to be bound, and its attributes distinct.
    /// The result goes to [`Scope::leave`] where the element ends.
    pub(super) fn enter(
        &mut self,
        name: Name<'a>,
        attributes: &[Attribute<'a>],
    ) -> Result<usize, Malformed> {
        let outside = self.bound.len();
        for attribute in attributes {
            self.declare(attribute)?;
        }
        if let Some(prefix) = name.prefix {
            self.of(prefix)?;
        }
        if attributes.len() < 2 {
            // One attribute still needs its prefix, and has nothing to be equal to.
            attributes.iter().try_for_each(|attribute| self.expanded(attribute).map(drop))?;
            return Ok(outside);
        }
        let names: Result<Vec<_>, _> = attributes.iter().map(|one| self.expanded(one)).collect();
        let mut names = names?;
        names.sort_unstable();
        if names.windows(2).any(|two| matches!(two, [one, other] if one == other)) {
            return Err(Malformed::new("an attribute stands twice"));
        }
        Ok(outside)
    }

    pub(super) fn leave(&mut self, outside: usize) {
        self.bound.truncate(outside);
    }

    /// Section 3: what may be bound, and to what.
    fn declare(&mut self, attribute: &Attribute<'a>) -> Result<(), Malformed> {
        let namespace = attribute.value.as_ref();
        let prefix = match (attribute.name.prefix, attribute.name.local) {
            (Some("xmlns"), prefix) => Some(prefix),
            (None, "xmlns") => None,
            _ => return Ok(()),
        };
        let is_sound = match prefix {
            Some("xmlns") => false,
            Some("xml") => namespace == XML,
            Some(_) => !matches!(namespace, "" | XML | XMLNS),
            None => !matches!(namespace, XML | XMLNS),
        };
        if !is_sound {
            return Err(Malformed::new("a namespace is declared as it must not be"));
        }
        if let Some(prefix) = prefix {
            self.bound.push((prefix, attribute.value.clone()));
        }
        Ok(())
    }

    /// The local part and the namespace (none without a prefix: section 6.2). In this order: a long
    /// namespace that many attributes share is not compared for each two of them.
    fn expanded(&self, attribute: &Attribute<'a>) -> Result<(&'a str, &str), Malformed> {
        let Name { prefix, local } = attribute.name;
        Ok((local, prefix.map_or(Ok(""), |prefix| self.of(prefix))?))
    }

    fn of(&self, prefix: &str) -> Result<&str, Malformed> {
        match prefix {
            "xml" => return Ok(XML),
            "xmlns" => return Ok(XMLNS),
            _ => {}
        }
        let bound = self.bound.iter().rev().find(|(bound, _)| *bound == prefix);
        bound
            .map(|(_, namespace)| namespace.as_ref())
            .ok_or_else(|| Malformed::new("the prefix of a name is not declared with `xmlns:`"))
    }
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<Attribute<'a>> {
        let attribute = |&(name, value): &(&'a str, &'a str)| Attribute {
            name: Name::parse(name).unwrap(),
            value: Cow::Borrowed(value),
        };
        pairs.iter().map(attribute).collect()
    }

    fn enter(name: &str, pairs: &[(&str, &str)]) -> Result<(), String> {
        let name = Name::parse(name).unwrap();
        let entered = Scope::default().enter(name, &attributes(pairs));
        entered.map(drop).map_err(|malformed| malformed.reason)
    }

    #[test]
    fn a_prefix_is_bound_inside_the_element_that_declares_it() {
        let mut scope = Scope::default();
        let name = Name::parse("p:a").unwrap();
        let outside = scope.enter(name, &attributes(&[("xmlns:p", "u")])).unwrap();
        assert!(scope.enter(name, &[]).is_ok());
        scope.leave(outside);
        assert!(scope.enter(name, &[]).is_err());
        assert!(enter("a", &[("q:b", "")]).unwrap_err().contains("not declared"));
        assert!(enter("a", &[("b", ""), ("q:b", "")]).is_err());
        assert_eq!(enter("a", &[("xml:lang", "en")]), Ok(()));
    }

    #[test]
    fn attributes_are_distinct_by_their_namespace() {
        let two = [("xmlns:p", "u"), ("xmlns:q", "u")];
        assert_eq!(enter("a", &[two[0], two[1], ("p:b", ""), ("b", "")]), Ok(()));
        assert!(enter("a", &[two[0], two[1], ("p:b", ""), ("q:b", "")]).is_err());
        assert!(enter("a", &[("b", ""), ("c", ""), ("b", "")]).unwrap_err().contains("twice"));
        assert!(enter("a", &[("xmlns:p", "u"), ("xmlns:p", "v")]).is_err());
        assert!(enter("a", &[("xmlns", "u"), ("xmlns", "u")]).is_err());
    }

    #[test]
    fn the_two_namespaces_of_xml_itself_stay_where_they_are() {
        for sound in [("xmlns", ""), ("xmlns:xml", XML)] {
            assert_eq!(enter("a", &[sound]), Ok(()), "{sound:?}");
        }
        for wrong in [
            ("xmlns:p", ""),
            ("xmlns:xmlns", XMLNS),
            ("xmlns:xml", "u"),
            ("xmlns:p", XML),
            ("xmlns:p", XMLNS),
            ("xmlns", XML),
            ("xmlns", XMLNS),
        ] {
            assert!(enter("a", &[wrong]).is_err(), "{wrong:?}");
        }
    }
}
