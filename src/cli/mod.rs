//! cli

pub mod healthcheck;
