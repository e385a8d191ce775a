//! `tiketi-sim check`: validates scenarios and plan files without running them.

use std::path::Path;

use super::args::CheckArguments;
use super::exit::Exit;
use super::source::Checked;
use super::{input, output, source};
use tiketi_capacity::Question;
use tiketi_capacity::question::Kind;
use tiketi_core::shown::on_one_line;
use tiketi_scenario::Plan;
use tiketi_scenario::arrival::arrival_times;
use tiketi_scenario::duration::Written;
use tiketi_verdict::figure::grouped;

/// Validates the files and prints all problems of each.
pub(super) fn check(flags: &CheckArguments) -> Exit {
    let mut worst = Exit::Success;
    for path in &flags.scenarios {
        let printed = summary(path).and_then(|summary| {
            let line = format!("{}: ok ({summary})", input::shown(path));
            output::print(format!("{}\n", on_one_line(&line)))
        });
        worst = worst.max(printed.err().unwrap_or(Exit::Success));
    }
    worst
}

/// Validates one file and summarizes it.
fn summary(path: &Path) -> Result<String, Exit> {
    Ok(match source::question_or_scenario(path)? {
        Checked::Question(question) => question_summary(&question),
        Checked::Scenario(plan) => plan_summary(&plan),
    })
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
