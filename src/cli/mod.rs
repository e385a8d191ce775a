//! The command line: one file a command, progress, exit codes, the report's folder.

mod args;
mod check;
mod exit;
mod folder;
mod progress;
mod run;
mod source;

pub use args::{Arguments, Command};
pub use exit::Exit;

/// Does what the arguments say.
pub fn dispatch(arguments: Arguments) -> Exit {
    match arguments.command {
        Command::Run(flags) => run::run(&flags),
        Command::Check(flags) => check::check(&flags),
        Command::AlbNode => exit::of_child("alb-node", crate::testbed::alb::process::main()),
        Command::Worker => exit::of_child("worker", crate::live::worker::main()),
    }
}
