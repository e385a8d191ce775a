//! Reads scenarios, plan files and service-time profiles from disk.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use tiketi_station::Profile;

use super::args::ScenarioArguments;
use super::exit::{Exit, complain};
use super::terminal;
use tiketi_capacity::{self as capacity, Question, ScenarioFile};
use tiketi_scenario::data_tier::DataTier;
use tiketi_scenario::{
    self as scenario, Diagnostics, Loaded, Overrides, Plan, Rendering, encoding,
};

/// Loads a scenario and prints what is probably not meant in it, or prints all problems it has.
pub(super) fn load(path: &Path, overrides: &Overrides) -> Result<Plan, Exit> {
    let loaded = loaded(path, overrides)?;
    if !loaded.warnings.problems().is_empty() {
        tell(&loaded.warnings);
    }
    Ok(loaded.plan)
}

fn loaded(path: &Path, overrides: &Overrides) -> Result<Loaded, Exit> {
    let text = text(
        "scenario",
        path,
        "try one of the scenarios in scenarios/, such as scenarios/smoke.toml",
    )?;
    let name = path.display().to_string();
    let loaded = scenario::load_with_warnings(&name, &text, overrides);
    loaded.map_err(|problems| refused(&problems))
}

/// Loads the scenario of `run` or `simulate` with its overrides; `speed` and `data_tier` replace the scenario's if set.
pub(super) fn scenario(
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
    if flags.quiet {
        return loaded(&flags.scenario, &overrides).map(|loaded| loaded.plan);
    }
    load(&flags.scenario, &overrides)
}

/// Loads a service-time profile, or prints all problems it has.
pub(super) fn profile(path: &Path) -> Result<Profile, Exit> {
    let text = text(
        "profile",
        path,
        "create a profile with `tiketi-sim calibrate`",
    )?;
    let name = path.display().to_string();
    scenario::profile::load(&name, &text).map_err(|problems| refused(&problems))
}

/// Loads a plan file with its scenario, or prints all problems they have.
pub(super) fn question(path: &Path) -> Result<Question, Exit> {
    let hint = "try one of the plan files in scenarios/plans/, such as scenarios/plans/documented-capacity.toml";
    let text = text("plan file", path, hint)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let read_scenario = |relative: &str| {
        let path = folder.join(relative);
        let bytes = std::fs::read(&path)?;
        let name = path.display().to_string();
        let text = encoding::decode(&name, &bytes)
            .map_err(|problems| io::Error::new(io::ErrorKind::InvalidData, problems.to_string()))?;
        Ok(ScenarioFile { name, text })
    };
    let question = capacity::load(&path.display().to_string(), &text, read_scenario);
    question.map_err(|problems| refused(&problems))
}

/// Returns whether the file is a plan file. A file that cannot be read counts as a scenario, whose loader reports why.
pub(super) fn is_question(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| {
        encoding::decode("", &bytes).is_ok_and(|text| capacity::is_question(&text))
    })
}

fn text(kind: &str, path: &Path, hint: &str) -> Result<String, Exit> {
    let bytes = std::fs::read(path).map_err(|error| cannot_read(kind, path, &error, Some(hint)))?;
    decoded(&path.display().to_string(), &bytes)
}

/// Returns the text of a file, or prints how it is encoded.
pub(super) fn decoded(name: &str, bytes: &[u8]) -> Result<String, Exit> {
    encoding::decode(name, bytes).map_err(|problems| refused(&problems))
}

/// Prints that a file cannot be read; `kind` says what it is, such as `scenario`.
pub(super) fn cannot_read(kind: &str, path: &Path, error: &io::Error, hint: Option<&str>) -> Exit {
    let name = path.display();
    if error.kind() == io::ErrorKind::NotFound {
        complain(format_args!("{kind} not found: {name}"), hint);
    } else {
        complain(format_args!("cannot read {kind} `{name}`: {error}"), hint);
    }
    Exit::BadScenario
}

/// Prints all problems of a file.
pub(super) fn refused(problems: &Diagnostics) -> Exit {
    tell(problems);
    Exit::BadScenario
}

fn tell(problems: &Diagnostics) {
    // A closed stderr is not an error.
    let _closed = io::stderr()
        .lock()
        .write_all(problems.render(rendering()).as_bytes());
}

/// Picks source excerpts on a terminal and one line per problem elsewhere.
fn rendering() -> Rendering {
    let stderr = io::stderr();
    match (stderr.is_terminal(), terminal::shows_color(&stderr)) {
        (false, _) => Rendering::Lines,
        (true, true) => Rendering::Color,
        (true, false) => Rendering::Monochrome,
    }
}
