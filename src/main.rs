//! The `postgate` binary: everything is in the library, so that tests can reach it.

use std::process::ExitCode;

/// Static binaries are linked with musl, whose own allocator is slow under threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    postgate::cli::main()
}
