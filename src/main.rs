//! The `tiketi-sim` command.

use std::process::ExitCode;

use clap::Parser;
use tiketi_sim::cli::{self, Arguments};

fn main() -> ExitCode {
    cli::dispatch(Arguments::parse()).into()
}
