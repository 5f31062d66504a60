//! `postgate check`.
