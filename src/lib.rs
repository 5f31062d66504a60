//! postgate receives impact.com postbacks and never loses one.
//!
//! A postback comes in over TLS from an allowed address, is converted into one canonical JSON body,
//! is made durable, is acknowledged, and is delivered to the system behind with retries.
//! ARCHITECTURE.md is the map of this crate.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deliver;
pub mod event;
pub mod ingress;
mod ledger;
pub mod net;
pub mod spool;
pub mod telemetry;
mod turns;
