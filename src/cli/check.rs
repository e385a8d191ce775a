//! `tiketi-sim check`: validates scenarios, plan files and API mappings without running them.

use std::path::Path;

use super::args::CheckArguments;
use super::exit::Exit;
use super::source::Checked;
use super::{input, output, source};
use tiketi_api::{PRESETS, Tree};
use tiketi_api_draft::Document;
use tiketi_capacity::Question;
use tiketi_capacity::question::Kind;
use tiketi_core::shown::on_one_line;
use tiketi_scenario::Plan;
use tiketi_scenario::arrival::arrival_times;
use tiketi_scenario::duration::Written;
use tiketi_verdict::figure::grouped;

/// The key of a mapping that names an OpenAPI document.
const OPENAPI: &str = "openapi";

/// Validates the files and prints all problems of each.
pub(super) fn check(flags: &CheckArguments) -> Exit {
    let document = flags.openapi.as_deref().map(source::document).transpose();
    let document = match document {
        Ok(document) => document,
        Err(exit) => return exit,
    };
    let mapping = flags.api.as_deref();
    let mapping = mapping.map(|path| (path, mapping_summary(path, document.as_ref())));
    let scenarios = flags
        .scenarios
        .iter()
        .map(|path| (path.as_path(), summary(path, document.as_ref())));
    let mut worst = Exit::Success;
    for (path, summary) in mapping.into_iter().chain(scenarios) {
        let printed = summary.and_then(|summary| {
            let line = format!("{}: ok ({summary})", input::shown(path));
            output::print(format!("{}\n", on_one_line(&line)))
        });
        worst = worst.max(printed.err().unwrap_or(Exit::Success));
    }
    worst
}

/// Validates one file and summarizes it.
fn summary(path: &Path, document: Option<&Document>) -> Result<String, Exit> {
    Ok(match source::question_or_scenario(path)? {
        Checked::Question(question) => question_summary(&question),
        Checked::Scenario(plan, text) => {
            let mapping = plan.target.api.clone();
            let mapping = mapping.or_else(|| document.and_then(|_| tiketi_api::preset(PRESETS[0])));
            let agrees = mapping.map(|mapping| compared(path, &text, &mapping, document));
            format!(
                "{}{}",
                plan_summary(&plan),
                agrees.transpose()?.unwrap_or_default()
            )
        }
    })
}

/// Validates an API mapping and summarizes it.
fn mapping_summary(path: &Path, document: Option<&Document>) -> Result<String, Exit> {
    let (tree, text) = source::mapping_with_text(path)?;
    let mapping = tiketi_api::compile(&tree).expect("it was compiled when it was read");
    let agrees = compared(path, &text, &tree, document)?;
    let requests = mapping.roles().len();
    let plural = if requests == 1 { "" } else { "s" };
    Ok(format!(
        "API mapping {}, {requests} request{plural}{agrees}",
        mapping.name
    ))
}

/// Compares a mapping with the document, or else with the one that it names. Returns what to add to a summary.
fn compared(
    path: &Path,
    text: &str,
    mapping: &Tree,
    document: Option<&Document>,
) -> Result<String, Exit> {
    let named = mapping.get(OPENAPI).and_then(Tree::text);
    let own = match (document, named) {
        (None, Some(named)) => Some(source::document(&input::folder_of(path).join(named))?),
        (Some(_), _) | (None, None) => None,
    };
    let Some(document) = document.or(own.as_ref()) else {
        return Ok(String::new());
    };
    source::agree(path, text, mapping, document)?;
    Ok(", as in the OpenAPI document".to_owned())
}

fn plan_summary(plan: &Plan) -> String {
    let length = plan.clock.duration;
    let waits_for = plan.ends_at().since_start().saturating_sub(length);
    let recovery = if waits_for.is_zero() {
        String::new()
    } else {
        format!(" + {} for recovery", Written(waits_for))
    };
    format!(
        "{} buyers, {} seats, {}{recovery} at speed {}",
        grouped(arrival_times(plan).len() as u64),
        grouped(u64::from(plan.show.seats_total())),
        Written(length),
        plan.clock.speed,
    )
}

fn question_summary(question: &Question) -> String {
    let what = match &question.kind {
        Kind::LargestCrowd(range) => {
            format!(
                "{} to {} buyers",
                grouped(range.from.into()),
                grouped(range.to.into())
            )
        }
        Kind::CheapestSetup(grid) => format!("{} configurations", grid.setups.len()),
        Kind::Compare(contest) => format!("{} configurations", contest.setups.len()),
    };
    let (kind, scenario) = (question.kind.name(), &question.scenario);
    format!("{kind}, {what}, based on {scenario}")
}
