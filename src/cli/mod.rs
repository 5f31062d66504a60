//! cli

mod healthcheck;
