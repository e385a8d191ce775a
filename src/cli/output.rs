//! Writes to stdout, and reports when that fails. Nothing else of the program writes there.

use std::io::{self, Write};

use clap::Parser;

use super::args::Arguments;
use super::exit::{Exit, complain};

/// Prints text, or reports why it cannot be printed.
///
/// A reader that closes the pipe early, as `head` does, has what it wanted: by convention that is not an error.
pub(super) fn print(text: impl AsRef<[u8]>) -> Result<(), Exit> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_ref())
        .and_then(|()| stdout.flush());
    written.or_else(|error| failed(&error))
}

/// Reads the command line. If there is no command to carry out, prints the requested help or the usage error, and returns
/// how the program ends.
pub(super) fn arguments() -> Result<Arguments, Exit> {
    Arguments::try_parse().map_err(|asked| {
        let printed = asked.print().and_then(|()| io::stdout().flush());
        if asked.use_stderr() {
            return Exit::Usage;
        }
        match printed.or_else(|error| failed(&error)) {
            Ok(()) => Exit::Success,
            Err(exit) => exit,
        }
    })
}

fn failed(error: &io::Error) -> Result<(), Exit> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    complain(
        format_args!("cannot write to stdout: {error}"),
        Some("free disk space, or redirect the output to another file"),
    );
    Err(Exit::Inconclusive)
}
