//! Programs that a scenario or an API mapping starts on this machine: only if the user allows it.

use super::exit::{Exit, complain};
use tiketi_scenario::Plan;

/// Checks that the user allows the programs that a run on a target would start; prints which one is not allowed.
pub(super) fn check(plan: &Plan, is_allowed: bool) -> Result<(), Exit> {
    let Some((place, command)) = program(plan).filter(|_| !is_allowed) else {
        return Ok(());
    };
    complain(
        format_args!("{place} starts the program `{command}`, which `--allow-exec` does not allow"),
        Some("read what it does, and pass --allow-exec if it may run on this machine"),
    );
    Err(Exit::BadScenario)
}

/// The first program, and where it is stated.
fn program(plan: &Plan) -> Option<(&'static str, String)> {
    let sign = plan.target.mapping().sign?;
    Some(("`sign` of the API mapping", sign.command()))
}
