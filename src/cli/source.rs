//! Reads a scenario from disk.

use std::path::Path;

use super::exit::{Exit, complain};
use crate::scenario::{self, Overrides, Plan};

/// Loads a scenario and prints every problem it has.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Plan, Exit> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        complain(
            format_args!("{name}: cannot be read: {error}"),
            Some("name a scenario file, such as scenarios/smoke.toml"),
        );
        Exit::BadScenario
    })?;
    scenario::load(&name, &text, overrides).map_err(|diagnostics| {
        complain(diagnostics.render(), None);
        Exit::BadScenario
    })
}
