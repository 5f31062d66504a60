//! How far it is: on a terminal only, because a pipe needs no such thing.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for work of this length; it draws nothing where stderr is no terminal.
pub(super) fn bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    match ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A bar for this many bytes.
pub(super) fn bytes(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template("{wide_bar} {binary_bytes} of {binary_total_bytes}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A count for work whose length nobody knows.
pub(super) fn count(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    match ProgressStyle::with_template("{spinner} {human_pos} {msg}, {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
