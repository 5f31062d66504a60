//! What comes in, and in which clothes.

use std::fmt;

/// What a route receives; decides the dictionary and the default key (`docs/fields.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An action was tracked, modified or reversed.
    Action,
    /// An action was cleared. The same fields as an action.
    Clearing,
    /// An action inquiry was created or resolved.
    Inquiry,
    /// A product of a catalog changed.
    Catalog,
    /// A tracking value was requested.
    Tracking,
    /// A report or an export is done.
    Job,
    /// Anything else: no dictionary but the route's own `fields`, and `items`.
    Custom,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Action,
        Self::Clearing,
        Self::Inquiry,
        Self::Catalog,
        Self::Tracking,
        Self::Job,
        Self::Custom,
    ];

    /// The word for it in `config.toml`, in `event` and in `ce-type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Clearing => "clearing",
            Self::Inquiry => "inquiry",
            Self::Catalog => "catalog",
            Self::Tracking => "tracking",
            Self::Job => "job",
            Self::Custom => "custom",
        }
    }

    /// The canonical field that keeps events of this kind in order unless the route names another.
    #[must_use]
    pub const fn default_key(self) -> Option<&'static str> {
        match self {
            Self::Action | Self::Clearing => Some("action_id"),
            Self::Inquiry => Some("inquiry_id"),
            Self::Catalog => Some("catalog_item_id"),
            Self::Tracking => Some("tracking_id"),
            Self::Job => Some("job_id"),
            Self::Custom => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A format a postback can arrive in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A JSON object (RFC 8259).
    Json,
    /// An XML document (XML 1.0).
    Xml,
    /// A body of `name=value` pairs (`application/x-www-form-urlencoded`).
    Form,
    /// `name=value` pairs behind the `?` of the address.
    Query,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Json, Self::Xml, Self::Form, Self::Query];

    /// The word for it in `config.toml` and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Form => "form",
            Self::Query => "query",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
