//! What the operator may ask of the spool.
//!
//! | request | answer |
//! |---|---|
//! | `GET /spool/events?state=…&route=…&key=…&since=MILLIS&after=PLACE&limit=N` | a record a line; header `postgate-next` has the place to go on after |
//! | `GET /spool/export?…` | the same, with all of each event; header `postgate-damaged` when not all can be read, with the ids that are left out |
//! | `GET /spool/events/ID` | all of one event |
//! | `POST /spool/replay`, `POST /spool/drop` | an outcome a line, for each id, one a line, of the body |
//! | `POST /spool/import` | an outcome a line, for each line of the body, which is of an export |
//! | `GET /spool/orphans` | each route that is not configured and has undelivered events, a line; how many |
//! | `POST /spool/compact` | what a step of giving free space back has come to |
//! | `GET /spool/verify` | what was found in the file |

use http::{Method, Uri};

use super::reply::Refused;

/// Ids of one request, at most: they are changed in one transaction, which delays acceptance by
/// some milliseconds.
pub const MOST_IDS: usize = 500;
/// [`MOST_IDS`] ids of 36 characters, each with the longest line end.
pub(super) const IDS_BYTES: usize = MOST_IDS * 38;
/// Lines of one import, at most: they are kept in one transaction.
pub const MOST_LINES: usize = 2000;
/// An import's body, at most: as much as an answer may have.
pub(super) const IMPORT_BYTES: usize = 64 << 20;

/// A request, as far as its path tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand<'a> {
    List { query: &'a str },
    Export { query: &'a str },
    Show { id: &'a str },
    Verify,
    Orphans,
    Replay,
    Drop,
    Import,
    Compact,
}

impl<'a> Errand<'a> {
    pub(super) fn find(uri: &'a Uri) -> Option<Self> {
        let query = uri.query().unwrap_or_default();
        Some(match uri.path().strip_prefix("/spool/")? {
            "events" => Self::List { query },
            "export" => Self::Export { query },
            "verify" => Self::Verify,
            "orphans" => Self::Orphans,
            "replay" => Self::Replay,
            "drop" => Self::Drop,
            "import" => Self::Import,
            "compact" => Self::Compact,
            path => Self::Show { id: path.strip_prefix("events/")? },
        })
    }

    /// As `Allow` lists them.
    pub(super) fn methods(self) -> &'static str {
        if self.changes() { "POST" } else { READ }
    }

    /// What its body may have; `None`: it has none, and one that comes all the same is not read.
    pub(super) fn most_bytes(self) -> Option<usize> {
        match self {
            Self::Replay | Self::Drop => Some(IDS_BYTES),
            Self::Import => Some(IMPORT_BYTES),
            _ => None,
        }
    }

    fn changes(self) -> bool {
        matches!(self, Self::Replay | Self::Drop | Self::Import | Self::Compact)
    }
}

/// The methods of what changes nothing.
pub(super) const READ: &str = "GET, HEAD";

/// Refuses the other methods.
pub(super) fn allow(method: &Method, methods: &'static str) -> Result<(), Refused> {
    let is_one = methods.split(", ").any(|one| one == method.as_str());
    if is_one { Ok(()) } else { Err(Refused::method(methods)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_an_errand_with_its_methods() {
        let find = |path: &str| Errand::find(&path.parse().unwrap()).map(Errand::methods);
        for path in ["events?state=dead", "export", "events/7", "verify", "orphans"] {
            assert_eq!(find(&format!("/spool/{path}")), Some(READ), "{path}");
        }
        for path in ["replay", "drop", "import", "compact"] {
            assert_eq!(find(&format!("/spool/{path}")), Some("POST"), "{path}");
        }
        for path in ["/spool/else", "/spool/", "/spool", "/events", "/spool/events7"] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn the_other_methods_are_refused() {
        for (method, methods, good) in [
            (Method::GET, READ, true),
            (Method::HEAD, READ, true),
            (Method::POST, READ, false),
            (Method::POST, "POST", true),
            (Method::GET, "POST", false),
            (Method::PUT, "POST", false),
        ] {
            assert_eq!(allow(&method, methods).is_ok(), good, "{method} {methods}");
        }
    }
}
