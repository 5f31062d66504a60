//! What a crashed or debugged process must not give away: its memory holds keys, secrets and
//! postbacks.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Asks the kernel to write no core file of this process and to let nobody else look into its
/// memory. What cannot be had is returned, to be logged, and not insisted upon: postbacks matter more.
pub(super) fn keep_memory_private() -> Vec<String> {
    let mut missing = Vec::new();
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        missing.push(format!("core files cannot be switched off, and would hold secrets: {error}"));
    }
    // The limit does not reach a collector to which the kernel pipes cores (core(5)); this does. It
    // also keeps other processes of the same user from attaching.
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        missing.push(format!("the process stays dumpable, and a dump would hold secrets: {error}"));
    }
    missing
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    use super::*;

    /// Of the process that all tests share; none of them wants to be looked into.
    #[test]
    fn nobody_looks_into_the_memory_of_the_process_from_then_on() {
        assert_eq!(keep_memory_private(), [""; 0]);
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let core = getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    }
}
