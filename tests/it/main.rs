//! The whole gateway: the library on free ports with real TLS, and the real binary where processes
//! matter.

// `cfg(test)` says nothing new to the compiler. It tells clippy that whatever stands there is a
// test and may panic.
#[cfg(test)]
mod admission;
#[cfg(test)]
mod allowlist_command;
#[cfg(test)]
mod client_certificates;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod conservation;
#[cfg(test)]
mod corpora;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod disk_faults;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod found_files;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod house;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod log;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod power_loss;
#[cfg(test)]
mod proxy_protocol;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod send_command;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod smuggling;
#[cfg(test)]
mod spool_command;
#[cfg(test)]
mod spool_transfer;
#[cfg(test)]
mod support;
#[cfg(test)]
mod together;
#[cfg(test)]
mod upstream_certificates;
#[cfg(test)]
mod upstream_request;
#[cfg(test)]
mod usage;
