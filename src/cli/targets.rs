//! `tiketi-sim targets`: one table of what finished runs and studies show of the architecture claims.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::again::quoted;
use super::exit::{Exit, complain};
use super::input::{self, Kind};
use super::{output, summary};
use tiketi_report::targets::{
    self, ClaimTable, CostTable, LeftOut, PlanStudy, RunSummary, Source, Study,
};
use tiketi_report::{json, markdown};
use tiketi_scenario::{self as scenario, Overrides, encoding};
use tiketi_verdict::targets::architecture::described;
use tiketi_verdict::targets::pair::Sale;

/// Where the committed runs are.
const DEFAULT: [&str; 2] = ["reports/reference", "reports/studies"];
/// How deep folders of runs are searched. The agreement has its live runs two levels below `reports/reference`.
const DEPTH_MAX: u32 = 4;
/// Most folders with a report that are read.
const REPORTS_MAX: usize = 1_000;

/// Flags of `targets`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TargetsArguments {
    /// Folders with finished runs and studies [default: reports/reference reports/studies].
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub folders: Vec<PathBuf>,
    /// Format of the table.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Format of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For the terminal.
    Text,
    /// A page with a table.
    Markdown,
    /// For programs, in a versioned layout.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  tiketi-sim targets
  tiketi-sim targets reports/spike-20260101T120000Z
  tiketi-sim targets --format markdown > claims.md

Reads summary.json and scenario.toml of runs, plan.json and cost-table.json of studies. A claim is
judged only by scenarios that describe the architecture it is about. Of several runs that show it,
one counts per engine: one that refutes it before one that agrees, then the most complete one.

Exit codes: 0 done, whatever the claims · 104 no such folder, or no report in it";

/// Prints the table.
pub(super) fn targets(flags: &TargetsArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &TargetsArguments) -> Result<Exit, Exit> {
    let table = collect(flags)?;
    match flags.format {
        Format::Text => summary::print(&targets::page(&table), None)?,
        Format::Markdown => output::print(markdown::render(&targets::page(&table)))?,
        Format::Json => output::print(json(&table))?,
    }
    Ok(Exit::Success)
}

/// Reads all reports in the folders.
fn collect(flags: &TargetsArguments) -> Result<ClaimTable, Exit> {
    let folders: Vec<PathBuf> = match flags.folders.as_slice() {
        [] => DEFAULT.iter().map(PathBuf::from).collect(),
        given => given.to_vec(),
    };
    let mut found = Vec::new();
    for folder in &folders {
        if !folder.is_dir() {
            complain(
                format_args!(
                    "{}: no such folder (expected a folder with reports)",
                    folder.display()
                ),
                Some("run it where the folder `reports` is, or name the folder of a run"),
            );
            return Err(Exit::BadScenario);
        }
        search(folder, 0, &mut found);
    }
    let (mut sources, mut left_out) = (Vec::new(), Vec::new());
    for folder in found {
        let name = folder.display().to_string();
        match source(&folder) {
            Ok(Some(source)) => sources.push((name, source)),
            Ok(None) => {}
            Err(reason) => left_out.push(LeftOut {
                source: name,
                reason,
            }),
        }
    }
    if sources.is_empty() && left_out.is_empty() {
        let names: Vec<_> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        complain(
            format_args!(
                "{}: no report in it (expected summary.json, plan.json or cost-table.json in a folder)",
                names.join(", ")
            ),
            Some("create a report with `tiketi-sim run` or `tiketi-sim simulate`"),
        );
        return Err(Exit::BadScenario);
    }
    Ok(targets::claim_table(
        &sources,
        left_out,
        &command_line(flags),
    ))
}

/// Finds the folders with a report, in the order of their names.
fn search(folder: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    if found.len() >= REPORTS_MAX {
        return;
    }
    let has = |name: &str| folder.join(name).is_file();
    if [SUMMARY, PLAN, COST_TABLE].into_iter().any(has) {
        found.push(folder.to_owned());
    }
    if depth >= DEPTH_MAX {
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    // Links are not followed: they could lead in a circle.
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let folders = entries.flatten().filter(is_folder);
    let mut folders: Vec<_> = folders.map(|entry| entry.path()).collect();
    folders.sort_unstable();
    for inner in folders {
        search(&inner, depth + 1, found);
    }
}

const SUMMARY: &str = "summary.json";
const PLAN: &str = "plan.json";
const COST_TABLE: &str = "cost-table.json";

/// Reads one report; `None` if it is of a kind that shows no claim. Otherwise says why it cannot be read.
fn source(folder: &Path) -> Result<Option<Source>, String> {
    if folder.join(SUMMARY).is_file() {
        return run(folder).map(Some);
    }
    let broken = |name: &str, error: &serde_json::Error| format!("{name} cannot be read ({error})");
    if folder.join(PLAN).is_file() {
        let text = text(&folder.join(PLAN))?;
        let study: PlanStudy = serde_json::from_str(&text).map_err(|error| broken(PLAN, &error))?;
        return Ok(Some(Source::Study(Study::Plan(study))));
    }
    if folder.join(COST_TABLE).is_file() {
        let text = text(&folder.join(COST_TABLE))?;
        let table: CostTable =
            serde_json::from_str(&text).map_err(|error| broken(COST_TABLE, &error))?;
        return Ok(Some(Source::Study(Study::Cost(table))));
    }
    Ok(None)
}

fn run(folder: &Path) -> Result<Source, String> {
    let summary = RunSummary::read(&text(&folder.join(SUMMARY))?);
    let summary = summary.map_err(|error| error.to_string())?;
    let path = folder.join("scenario.toml");
    let overrides = Overrides::default();
    let plan = scenario::load(&path.display().to_string(), &text(&path)?, &overrides);
    let plan = plan.map_err(|_| "its scenario.toml is not valid in this version".to_owned())?;
    Ok(Source::Run {
        summary,
        described: described(&plan),
        sale: Box::new(Sale::of(&plan)),
    })
}

fn text(path: &Path) -> Result<String, String> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let bytes = input::bytes(Kind::Run, path).map_err(|error| format!("{name}: {error}"))?;
    let text = encoding::decode(&name, &bytes);
    text.map_err(|_| format!("{name} is not text"))
}

/// Returns the command that prints the table again.
fn command_line(flags: &TargetsArguments) -> String {
    let mut words = vec!["tiketi-sim".to_owned(), "targets".to_owned()];
    let folders = flags.folders.iter();
    words.extend(folders.map(|folder| quoted(&folder.display().to_string())));
    words.join(" ")
}
