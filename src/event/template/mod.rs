//! Templates: the very text that was pasted into impact.com. In: that text. Out: which key holds
//! which field, what is wrong with the text, and the values of an input that no parser can read.
//! Never: a value that was not put in; what two readings leave open stays malformed.
//!
//! What is sent is the template with every macro replaced, textually. So an input is matched
//! against the literal text where parsing it does not give what the template makes, and where it
//! does but a value may have hidden literal text from the parser (`hiding`). Recovered
//! values are taken as they stand: nothing in a broken JSON or XML says whether they were escaped.
//! In pairs, a value is decoded as in every other query, unless it holds a `&`: then it was not
//! encoded by the sender, and a `%` in it is its own; nor is it where decoding gives no text.

mod arrange;
mod compose;
mod fill;
mod gauge;
mod hiding;
mod lint;
mod macros;
#[cfg(test)]
mod made;
mod matching;
#[cfg(test)]
mod properties;
mod recovery;
mod shape;
mod text;
mod trial;

use std::borrow::Cow;
use std::ops::Range;

pub use compose::{ComposeError, compose};
pub use fill::Macro;
pub use lint::{Finding, Weight};

use super::path::Path;
use super::{Format, Kind, Malformed};
pub(super) use macros::Target;
#[cfg(test)]
pub(super) use macros::{item_spellings, spellings};
pub(super) use recovery::Settled;

use hiding::Hiding;
use matching::Pattern;
use recovery::without_pairs;
use shape::Shape;
use text::{Pieces, Slot};

/// A text pasted into impact.com, read once at start-up.
#[derive(Clone, Debug)]
pub struct Template {
    kind: Kind,
    format: Format,
    source: String,
    /// The part of `source` that is sent.
    sent: Range<usize>,
    slots: Vec<Slot>,
    /// What a parser makes of it, or what is wrong with it.
    shape: Result<Vec<(String, Shape)>, Malformed>,
    /// The dotted path of each key that holds one macro and nothing else.
    places: Vec<(String, Target)>,
    /// What fits is still to be arranged.
    has_lists: bool,
    hiding: Hiding,
    /// A pair of it was the secret.
    had_secret: bool,
    /// With the line ends of the text, and with the other ones: a browser may have changed them.
    patterns: Vec<Pattern>,
}

/// Why a text is no template at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Nothing in it will be replaced.
    #[error("there is no macro in it, such as {{ActionId}}")]
    NoMacro,
    /// More than [`Template::MOST_MACROS`].
    #[error("it has more than {} macros", Template::MOST_MACROS)]
    ManyMacros,
    /// More than [`Template::MOST_BYTES`].
    #[error("it is longer than {} bytes", Template::MOST_BYTES)]
    Long,
}

impl Template {
    /// No form of impact.com takes that much.
    pub const MOST_BYTES: usize = 64 * 1024;
    /// Ten times the macros there are.
    pub const MOST_MACROS: usize = 1000;

    /// Reads a template. `format`: what the route says; `None` looks at the text. A URL is read for
    /// its query.
    ///
    /// A template that is not valid JSON or XML still serves recovery; [`Template::lint`] tells.
    ///
    /// # Errors
    /// When the text cannot be a template.
    pub fn parse(text: &str, kind: Kind, format: Option<Format>) -> Result<Self, TemplateError> {
        let source = text.strip_prefix('\u{feff}').unwrap_or(text);
        if source.len() > Self::MOST_BYTES {
            return Err(TemplateError::Long);
        }
        let format = format.unwrap_or_else(|| text::format(source));
        let sent = text::sent(source, format);
        let pieces = text::scan(source, sent.clone(), format, kind);
        if pieces.slots.is_empty() {
            return Err(TemplateError::NoMacro);
        }
        if pieces.slots.len() > Self::MOST_MACROS {
            return Err(TemplateError::ManyMacros);
        }
        let shape = shape::members(&pieces, format);
        let members = shape.as_deref().unwrap_or_default();
        Ok(Self {
            kind,
            format,
            places: arrange::places(members, &pieces.slots),
            has_lists: arrange::is_needed(members, &pieces.slots),
            hiding: Hiding::of(&pieces, format),
            had_secret: false,
            shape,
            patterns: patterns(&pieces, is_pairs(format)),
            source: source.to_owned(),
            sent,
            slots: pieces.slots,
        })
    }

    /// The template without a parameter of the query: the secret is taken out of what arrives, too.
    ///
    /// # Errors
    /// When no macro is left.
    pub fn without_parameter(self, name: &str) -> Result<Self, TemplateError> {
        let sent = self.source.get(self.sent.clone()).unwrap_or_default();
        match is_pairs(self.format).then(|| without_pairs(sent, name)) {
            Some(Some(Cow::Owned(rest))) => {
                let template = Self::parse(&rest, self.kind, Some(self.format))?;
                Ok(Self { had_secret: true, ..template })
            }
            _ => Ok(self),
        }
    }

    /// The format that it is written in; a URL is [`Format::Query`].
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What the key at `path` holds.
    pub(super) fn target(&self, path: &Path<'_>) -> Option<&Target> {
        let (_, target) = self.places.iter().find(|(dotted, _)| path.is_exactly(0, dotted))?;
        Some(target)
    }

    /// Whether inputs of this format are made by it.
    pub(super) fn makes(&self, format: Format) -> bool {
        self.format == format || (is_pairs(self.format) && is_pairs(format))
    }
}

fn is_pairs(format: Format) -> bool {
    matches!(format, Format::Form | Format::Query)
}

/// The two ways to write line ends, where there are any.
fn patterns(pieces: &Pieces, is_pairs: bool) -> Vec<Pattern> {
    let with = |end: &str| {
        let change = |text: &String| text.replace("\r\n", "\n").replace('\n', end);
        let literals: Vec<String> = pieces.literals.iter().map(change).collect();
        Pieces { literals, slots: pieces.slots.clone() }
    };
    let feeds = with("\n");
    let returns = with("\r\n");
    let mut patterns = vec![Pattern::new(&feeds, is_pairs)];
    if feeds.literals != returns.literals {
        patterns.push(Pattern::new(&returns, is_pairs));
    }
    patterns
}
