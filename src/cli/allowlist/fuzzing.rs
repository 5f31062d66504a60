//! The import of pasted text, opened for its fuzz target.

use ipnet::IpNet;

use super::paste;

/// The ranges in the text, and what was refused, as it is written there.
#[must_use]
pub fn ranges(text: &str) -> (Vec<IpNet>, Vec<String>) {
    let pasted = paste::read(text, false);
    let refused = pasted.refused.into_iter().map(|refusal| refusal.text);
    (pasted.ranges, refused.collect())
}
