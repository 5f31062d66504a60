//! The import of pasted text, opened for its fuzz target.

use ipnet::IpNet;

use super::paste;
use super::sane::Care;

/// What an import comes to.
#[derive(Debug)]
pub struct Import {
    /// The ranges in the text.
    pub ranges: Vec<IpNet>,
    /// What was refused, as it is written there.
    pub refused: Vec<String>,
    /// The list that is printed, or why none is.
    pub merged: Result<Vec<IpNet>, String>,
}

/// Reads the text as `allowlist import` does.
#[must_use]
pub fn import(text: &str) -> Import {
    let pasted = paste::read(text, Care::Usual);
    let merged = pasted.merged(Care::Usual);
    let refused = pasted.refused.into_iter().map(|refusal| refusal.text);
    Import { ranges: pasted.ranges, refused: refused.collect(), merged }
}
