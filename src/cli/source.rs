//! Reads scenarios and plan files from disk.

use std::io::{IsTerminal, Write};
use std::path::Path;

use super::exit::{Exit, complain};
use super::terminal;
use crate::capacity::{self, Question, ScenarioFile};
use crate::scenario::diagnostic::Rendering;
use crate::scenario::{self, Diagnostics, Overrides, Plan};

/// Loads a scenario and prints every problem it has.
pub(super) fn load(path: &Path, overrides: &Overrides) -> Result<Plan, Exit> {
    let text = read(path, "name a scenario file, such as scenarios/smoke.toml")?;
    scenario::load(&path.display().to_string(), &text, overrides).map_err(|diagnostics| {
        print(&diagnostics);
        Exit::BadScenario
    })
}

/// Loads a plan file with its scenario and prints every problem they have.
pub(super) fn question(path: &Path) -> Result<Question, Exit> {
    let hint = "name a plan file, such as scenarios/plans/documented-capacity.toml";
    let text = read(path, hint)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let read_scenario = |relative: &str| {
        let path = beside.join(relative);
        let text =
            std::fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"))?;
        let name = path.display().to_string();
        Ok(ScenarioFile { name, text })
    };
    let question = capacity::load(&path.display().to_string(), &text, read_scenario);
    question.map_err(|diagnostics| {
        print(&diagnostics);
        Exit::BadScenario
    })
}

/// Whether the file is a plan file; what cannot be read is taken for a scenario.
pub(super) fn is_question(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| capacity::is_question(&text))
}

fn read(path: &Path, hint: &str) -> Result<String, Exit> {
    std::fs::read_to_string(path).map_err(|error| {
        let name = path.display();
        complain(format_args!("{name}: cannot be read: {error}"), Some(hint));
        Exit::BadScenario
    })
}

fn print(diagnostics: &Diagnostics) {
    let text = diagnostics.render(rendering());
    // A reader that has closed stderr has seen enough.
    let _closed = std::io::stderr().lock().write_all(text.as_bytes());
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
