//! Reads scenarios, plan files and service-time profiles, and reports what is wrong with them.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use tiketi_station::Profile;

use super::args::ScenarioArguments;
use super::exit::{Exit, complain};
use super::input::{self, InputError, Kind};
use super::terminal;
use tiketi_api::Tree;
use tiketi_api_draft::Document;
use tiketi_capacity::{self as capacity, Question, ScenarioFile, ScenarioFileError};
use tiketi_scenario::data_tier::DataTier;
use tiketi_scenario::{
    self as scenario, Diagnostics, Loaded, Overrides, Plan, Rendering, encoding,
};

/// A file that `check` has validated.
#[derive(Debug)]
pub(super) enum Checked {
    /// A plan file.
    Question(Box<Question>),
    /// A scenario, with its text.
    Scenario(Box<Plan>, String),
}

/// Loads a scenario and prints warnings about it, or prints all problems it has.
pub(super) fn load(path: &Path, overrides: &Overrides) -> Result<Plan, Exit> {
    resolved(path, &text(Kind::Scenario, path)?, overrides)
}

/// Loads the scenario of `run` or `simulate` with its overrides; `speed` and `data_tier` replace the scenario's if set.
pub(super) fn scenario(
    flags: &ScenarioArguments,
    speed: Option<f64>,
    data_tier: Option<DataTier>,
    api: Option<Tree>,
) -> Result<Plan, Exit> {
    let profile = flags.profile.as_deref().map(profile).transpose()?;
    let overrides = Overrides {
        seed: flags.seed,
        buyers: flags.buyers,
        duration: flags.duration,
        speed,
        profile,
        data_tier,
        api,
    };
    let loaded = loaded(
        &flags.scenario,
        &text(Kind::Scenario, &flags.scenario)?,
        &overrides,
    )?;
    if !flags.quiet {
        print(&loaded.warnings);
    }
    Ok(loaded.plan)
}

/// Loads a service-time profile, or prints all problems it has.
pub(super) fn profile(path: &Path) -> Result<Profile, Exit> {
    let text = text(Kind::Profile, path)?;
    scenario::profile::load(&input::shown(path), &text).map_err(|problems| refused(&problems))
}

/// Loads an API mapping, or prints all problems it has.
pub(super) fn mapping(path: &Path) -> Result<Tree, Exit> {
    mapping_with_text(path).map(|(tree, _)| tree)
}

/// Loads an API mapping with its text, or prints all problems it has.
pub(super) fn mapping_with_text(path: &Path) -> Result<(Tree, String), Exit> {
    let text = text(Kind::Mapping, path)?;
    let tree = scenario::load_api(&input::shown(path), &text);
    Ok((tree.map_err(|problems| refused(&problems))?, text))
}

/// Loads an OpenAPI document, or prints why it cannot be used.
pub(super) fn document(path: &Path) -> Result<Document, Exit> {
    let text = text(Kind::OpenApi, path)?;
    Document::parse(&text).map_err(|error| {
        complain(
            format_args!("{}: {error}", input::shown(path)),
            Some(error.hint()),
        );
        Exit::BadScenario
    })
}

/// Compares an API mapping, which is in the file `path` with this text, with an OpenAPI document; prints all differences.
pub(super) fn agree(
    path: &Path,
    text: &str,
    mapping: &Tree,
    document: &Document,
) -> Result<(), Exit> {
    let problems = document.compare(mapping);
    if problems.is_empty() {
        return Ok(());
    }
    Err(refused(&scenario::api_problems(
        &input::shown(path),
        text,
        problems,
    )))
}

/// Loads a plan file with its scenario, or prints all problems they have.
pub(super) fn question(path: &Path) -> Result<Question, Exit> {
    answerable(path, &text(Kind::PlanFile, path)?)
}

/// Loads a scenario or a plan file, whichever it is, or prints all problems it has.
pub(super) fn question_or_scenario(path: &Path) -> Result<Checked, Exit> {
    let text = text(Kind::Scenario, path)?;
    Ok(if capacity::is_question(&text) {
        Checked::Question(Box::new(answerable(path, &text)?))
    } else {
        Checked::Scenario(
            Box::new(resolved(path, &text, &Overrides::default())?),
            text,
        )
    })
}

fn resolved(path: &Path, text: &str, overrides: &Overrides) -> Result<Plan, Exit> {
    let loaded = loaded(path, text, overrides)?;
    print(&loaded.warnings);
    Ok(loaded.plan)
}

fn loaded(path: &Path, text: &str, overrides: &Overrides) -> Result<Loaded, Exit> {
    let loaded = scenario::load_with_warnings(&input::shown(path), text, overrides);
    loaded.map_err(|problems| refused(&problems))
}

fn answerable(path: &Path, text: &str) -> Result<Question, Exit> {
    let read_scenario = |relative: &str| {
        let path = input::folder_of(path).join(relative);
        let bytes = match input::bytes(Kind::Scenario, &path) {
            Ok(bytes) => bytes,
            Err(InputError::Io(error)) => return Err(error.into()),
            Err(error) => return Err(ScenarioFileError::from(io::Error::other(error))),
        };
        let name = path.display().to_string();
        let text = encoding::decode(&name, &bytes)
            .map_err(|problems| io::Error::new(io::ErrorKind::InvalidData, problems.to_string()))?;
        Ok(ScenarioFile { name, text })
    };
    let question = capacity::load(&input::shown(path), text, read_scenario);
    question.map_err(|problems| refused(&problems))
}

/// Reads a text file, or prints why it cannot be read.
pub(super) fn text(kind: Kind, path: &Path) -> Result<String, Exit> {
    let bytes = input::bytes(kind, path).map_err(|error| cannot_read(kind, path, &error))?;
    decoded(path, &bytes)
}

/// Returns the text of a file, or prints how it is encoded.
pub(super) fn decoded(path: &Path, bytes: &[u8]) -> Result<String, Exit> {
    encoding::decode(&input::shown(path), bytes).map_err(|problems| refused(&problems))
}

/// Prints that a file cannot be read.
pub(super) fn cannot_read(kind: Kind, path: &Path, error: &InputError) -> Exit {
    let (what, name) = (kind.name(), input::shown(path));
    let hint = match kind {
        Kind::Scenario => {
            Some("try one of the scenarios in scenarios/, such as scenarios/smoke.toml")
        }
        Kind::PlanFile => Some(
            "try one of the plan files in scenarios/plans/, such as scenarios/plans/documented-capacity.toml",
        ),
        Kind::Profile => Some("create a profile with `tiketi-sim calibrate`"),
        Kind::PriceBook => {
            Some("to write your own price book, start from a copy of a file in scenarios/prices/")
        }
        Kind::Run => Some("name the report folder of a finished run, such as one in reports/"),
        Kind::Mapping => Some(
            "start from one of the mappings in scenarios/apis/, and try it with `tiketi-sim probe`",
        ),
        Kind::Recording => Some("export all requests of the browser's developer tools as HAR"),
        Kind::OpenApi => Some("name the OpenAPI document of the back end, in JSON or YAML"),
        Kind::Credentials | Kind::Users | Kind::Certificate => None,
    };
    if error.is_not_found() {
        complain(format_args!("{what} not found: {name}"), hint);
    } else {
        complain(format_args!("cannot read {what} `{name}`: {error}"), hint);
    }
    Exit::BadScenario
}

/// Prints all problems of a file.
pub(super) fn refused(problems: &Diagnostics) -> Exit {
    print(problems);
    Exit::BadScenario
}

/// Prints problems or warnings, if there are any.
fn print(problems: &Diagnostics) {
    if problems.problems().is_empty() {
        return;
    }
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
