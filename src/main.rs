//! The `tiketi-sim` command.

use std::process::ExitCode;

use tiketi_sim::cli;

fn main() -> ExitCode {
    cli::main().into()
}
