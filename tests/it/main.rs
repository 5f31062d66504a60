//! The tests of the whole, in one binary.

// `cfg(test)` says nothing to the compiler here; it tells the lints that these are tests.
#[cfg(test)]
mod golden;
