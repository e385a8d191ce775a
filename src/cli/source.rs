//! Reads a scenario from disk.

use std::io::{IsTerminal, Write};
use std::path::Path;

use super::exit::{Exit, complain};
use super::terminal;
use crate::scenario::diagnostic::Rendering;
use crate::scenario::{self, Diagnostics, Overrides, Plan};

/// Loads a scenario and prints every problem it has.
pub(super) fn load(path: &Path, overrides: &Overrides) -> Result<Plan, Exit> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        complain(
            format_args!("{name}: cannot be read: {error}"),
            Some("name a scenario file, such as scenarios/smoke.toml"),
        );
        Exit::BadScenario
    })?;
    scenario::load(&name, &text, overrides).map_err(|problems| refuse(&problems))
}

/// Prints every problem of a file.
pub(super) fn refuse(diagnostics: &Diagnostics) -> Exit {
    // A reader that has closed stderr has seen enough.
    let _closed = std::io::stderr()
        .lock()
        .write_all(diagnostics.render(rendering()).as_bytes());
    Exit::BadScenario
}

/// Excerpts on a terminal, a line a problem elsewhere.
fn rendering() -> Rendering {
    let stderr = std::io::stderr();
    match (stderr.is_terminal(), terminal::shows_color(&stderr)) {
        (false, _) => Rendering::Lines,
        (true, true) => Rendering::Color,
        (true, false) => Rendering::Monochrome,
    }
}
