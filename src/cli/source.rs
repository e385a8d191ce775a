//! Reads scenarios, plan files and service-time profiles from disk.

use std::io::{IsTerminal, Write};
use std::path::Path;

use tiketi_station::Profile;

use super::args::ScenarioArguments;
use super::exit::{Exit, complain};
use super::terminal;
use tiketi_capacity::{self as capacity, Question, ScenarioFile};
use tiketi_scenario::data_tier::DataTier;
use tiketi_scenario::{self as scenario, Diagnostics, Overrides, Plan, Rendering};

/// Loads a scenario and prints every problem it has.
pub(super) fn load(path: &Path, overrides: &Overrides) -> Result<Plan, Exit> {
    let hint = "name a scenario file, such as scenarios/smoke.toml";
    let text = text(path, hint)?;
    let name = path.display().to_string();
    scenario::load(&name, &text, overrides).map_err(|problems| refused(&problems))
}

/// Loads what `run` and `simulate` were told to play; `speed` and `data_tier` replace the scenario's.
pub(super) fn played(
    flags: &ScenarioArguments,
    speed: Option<f64>,
    data_tier: Option<DataTier>,
) -> Result<Plan, Exit> {
    let profile = flags.profile.as_deref().map(profile).transpose()?;
    let overrides = Overrides {
        seed: flags.seed,
        buyers: flags.buyers,
        duration: flags.duration,
        speed,
        profile,
        data_tier,
    };
    load(&flags.scenario, &overrides)
}

/// Loads a service-time profile and prints what is wrong with it.
pub(super) fn profile(path: &Path) -> Result<Profile, Exit> {
    let text = text(path, "name a profile, a file that `calibrate` wrote")?;
    let name = path.display().to_string();
    scenario::profile::load(&name, &text).map_err(|problems| refused(&problems))
}

/// Loads a plan file with its scenario and prints every problem they have.
pub(super) fn question(path: &Path) -> Result<Question, Exit> {
    let hint = "name a plan file, such as scenarios/plans/documented-capacity.toml";
    let text = text(path, hint)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let read_scenario = |relative: &str| {
        let path = beside.join(relative);
        let text =
            std::fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"))?;
        let name = path.display().to_string();
        Ok(ScenarioFile { name, text })
    };
    let question = capacity::load(&path.display().to_string(), &text, read_scenario);
    question.map_err(|problems| refused(&problems))
}

/// Whether the file is a plan file; what cannot be read is taken for a scenario.
pub(super) fn is_question(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| capacity::is_question(&text))
}

fn text(path: &Path, hint: &str) -> Result<String, Exit> {
    std::fs::read_to_string(path).map_err(|error| {
        let name = path.display();
        complain(format_args!("{name}: cannot be read: {error}"), Some(hint));
        Exit::BadScenario
    })
}

/// Prints every problem of a file.
pub(super) fn refused(problems: &Diagnostics) -> Exit {
    // A reader that has closed stderr has seen enough.
    let _closed = std::io::stderr()
        .lock()
        .write_all(problems.render(rendering()).as_bytes());
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
