//! What a crashed or debugged process must not give away: its memory holds keys, secrets and
//! postbacks.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Asks the kernel to write no core file of this process and to let nobody else look into its
/// memory. What cannot be had is logged and not insisted upon: postbacks matter more.
pub(super) fn keep_memory_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core files cannot be switched off; they would hold secrets");
    }
    // The limit does not reach a collector to which the kernel pipes cores (core(5)); this does. It
    // also keeps other processes of the same user from attaching.
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::warn!(%error, "the process stays dumpable; a dump would hold secrets");
    }
}
