//! `tiketi-sim completions`: generates a shell completion script.

use clap::{Command, CommandFactory};

use super::args::{Arguments, CompletionsArguments};
use super::exit::Exit;
use super::output;

/// Prints the completion script of a shell.
pub(super) fn completions(flags: &CompletionsArguments) -> Exit {
    let mut command = without_hidden(&Arguments::command());
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut command, name, &mut script);
    match output::print(&script) {
        Ok(()) => Exit::Success,
        Err(exit) => exit,
    }
}

/// Removes the commands that only `run` starts: the generators of `clap_complete` include hidden ones.
fn without_hidden(command: &Command) -> Command {
    let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
    Command::new("tiketi-sim")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(shown.cloned())
}
