//! The name of a configuration key with its way down: `routes[0].secret.value`.

use std::fmt;

/// A key with its way from the top of the file. List positions count from 0, as in the names of
/// environment variables (`POSTGATE_ROUTES__0__PATH`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<String>);

impl Key {
    /// The section or key of this name at the top of the file.
    pub(super) fn top(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// The key `name` in this table.
    pub(super) fn child(&self, name: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(name.to_owned());
        Self(steps)
    }

    /// The element at `index` of this list.
    pub(super) fn at(&self, index: usize) -> Self {
        self.child(&index.to_string())
    }

    /// The table or list that holds this key; `None` at the top.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        (!above.is_empty()).then(|| Self(above.to_vec()))
    }

    /// True for this key and for every key below it.
    pub(super) fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The steps from the top; list positions are decimal numbers.
    pub(super) fn steps(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for Key {
    fn from(steps: Vec<String>) -> Self {
        Self(steps)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            if position > 0 && step.bytes().all(|byte| byte.is_ascii_digit()) {
                write!(f, "[{step}]")?;
            } else if position > 0 {
                write!(f, ".{step}")?;
            } else {
                f.write_str(step)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_path() {
        let key = Key::top("routes").at(0).child("secret").child("value");
        assert_eq!(key.to_string(), "routes[0].secret.value");
    }

    #[test]
    fn covers_what_is_below_and_nothing_beside() {
        let route = Key::top("routes").at(0);
        assert!(route.covers(&route.child("path")));
        assert!(!route.covers(&Key::top("routes").at(1)));
        assert!(!route.covers(&Key::top("routes")));
    }
}
