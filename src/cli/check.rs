//! `tiketi-sim check`: validates scenarios and plan files without running them.

use std::io::Write;

use super::args::CheckArguments;
use super::exit::Exit;
use super::source;
use tiketi_capacity::Question;
use tiketi_capacity::question::Kind;
use tiketi_scenario::arrival::arrival_times;
use tiketi_scenario::duration::Written;
use tiketi_scenario::{Overrides, Plan};

/// Validates every file and prints every problem of each.
pub(super) fn check(flags: &CheckArguments) -> Exit {
    let mut worst = Exit::Success;
    for path in &flags.scenarios {
        let told = if source::is_question(path) {
            source::question(path).map(|question| question_in_words(&question))
        } else {
            source::load(path, &Overrides::default()).map(|plan| plan_in_words(&plan))
        };
        match told {
            Ok(told) => {
                // A reader that closes the pipe early has seen enough.
                let _closed = writeln!(std::io::stdout().lock(), "{}: ok ({told})", path.display());
            }
            Err(exit) => worst = worst.max(exit),
        }
    }
    worst
}

fn plan_in_words(plan: &Plan) -> String {
    format!(
        "{} buyers, {} seats, {} at speed {}",
        arrival_times(plan).len(),
        plan.show.seats_total(),
        Written(plan.clock.duration),
        plan.clock.speed,
    )
}

fn question_in_words(question: &Question) -> String {
    let what = match &question.kind {
        Kind::LargestCrowd(range) => format!("{} to {} buyers", range.from, range.to),
        Kind::CheapestSetup(grid) => format!("{} set-ups", grid.setups.len()),
        Kind::Compare(contest) => format!("{} set-ups", contest.setups.len()),
    };
    let (kind, scenario) = (question.kind.name(), &question.scenario);
    format!("{kind}, {what} of {scenario}")
}
