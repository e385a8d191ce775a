//! The command line: one file a command, progress, exit codes, the report's folder.

mod args;
mod check;
mod exit;
mod folder;
mod news;
mod progress;
mod run;
mod source;
mod summary;

use std::io::BufReader;

pub use args::{Arguments, Command};
pub use exit::Exit;

use crate::testbed::alb::process::{self, ProcessError};

/// Does what the arguments say.
pub fn dispatch(arguments: Arguments) -> Exit {
    match arguments.command {
        Command::Run(flags) => run::run(&flags),
        Command::Check(flags) => check::check(&flags),
        Command::AlbNode => exit::of_child("alb-node", alb_node()),
        Command::Worker => exit::of_child(
            "worker",
            crate::live::worker::run(BufReader::new(std::io::stdin()), std::io::stdout()),
        ),
    }
}

/// One process of a load-balancer node; it has one thread, as many of them share the machine.
fn alb_node() -> Result<(), ProcessError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(process::run(tokio::io::stdin(), tokio::io::stdout()));
    // Reading standard input blocks a thread that nothing can wake.
    runtime.shutdown_background();
    ended
}
