//! The `tiketi-sim` command.

use std::process::ExitCode;

use clap::Parser;
use tiketi_sim::cli::{self, Arguments};

/// Buyers come, reconnect and leave by the thousand: the system's allocator costs a load worker a tenth of its CPU, and
/// keeps more memory after a storm.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::dispatch(Arguments::parse()).into()
}
