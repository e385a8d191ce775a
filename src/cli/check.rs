//! `tiketi-sim check`: validates scenarios and plan files without running them.

use std::io::Write;

use super::args::CheckArguments;
use super::exit::Exit;
use super::source;
use tiketi_capacity::Question;
use tiketi_capacity::question::Kind;
use tiketi_core::shown::on_one_line;
use tiketi_scenario::arrival::arrival_times;
use tiketi_scenario::duration::Written;
use tiketi_scenario::{Overrides, Plan};
use tiketi_verdict::figure::grouped;

/// Validates the files and prints all problems of each.
pub(super) fn check(flags: &CheckArguments) -> Exit {
    let mut worst = Exit::Success;
    for path in &flags.scenarios {
        let summary = if source::is_question(path) {
            source::question(path).map(|question| question_summary(&question))
        } else {
            source::load(path, &Overrides::default()).map(|plan| plan_summary(&plan))
        };
        match summary {
            Ok(summary) => {
                // A reader may close the pipe early, as `head` does; that is not an error.
                let line = format!("{}: ok ({summary})", path.display());
                let _closed = writeln!(std::io::stdout().lock(), "{}", on_one_line(&line));
            }
            Err(exit) => worst = worst.max(exit),
        }
    }
    worst
}

fn plan_summary(plan: &Plan) -> String {
    format!(
        "{} buyers, {} seats, {} at speed {}",
        grouped(arrival_times(plan).len() as u64),
        grouped(u64::from(plan.show.seats_total())),
        Written(plan.clock.duration),
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
