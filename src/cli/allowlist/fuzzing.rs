//! The import of pasted text, opened for its fuzz target.

use ipnet::IpNet;

use super::paste;

/// The ranges in the text, and how many more were refused.
#[must_use]
pub fn ranges(text: &str) -> (Vec<IpNet>, usize) {
    let pasted = paste::read(text, false);
    (pasted.ranges, pasted.refused.len())
}
