//! The gateway as a whole, and the house rules.

// `cfg(test)` says nothing new to the compiler. It tells clippy that whatever stands there is a
// test and may panic.
#[cfg(test)]
mod house;
