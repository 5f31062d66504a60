//! cli
mod check;
