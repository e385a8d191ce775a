//! `tiketi-sim completions`: the script that completes the command line in a shell.

use std::io::Write;

use clap::{Command, CommandFactory};

use super::args::{Arguments, CompletionsArguments};
use super::exit::Exit;

/// Prints the script for one shell.
pub(super) fn completions(flags: &CompletionsArguments) -> Exit {
    let mut command = without_hidden(&Arguments::command());
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut command, name, &mut script);
    // A reader that closes the pipe early has seen enough.
    let _closed = std::io::stdout().lock().write_all(&script);
    Exit::Success
}

/// The command line without the commands that `run` alone may start: the generators show hidden ones.
fn without_hidden(command: &Command) -> Command {
    let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
    Command::new("tiketi-sim")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(shown.cloned())
}
