//! Faults that run programs of the user: only with the user's explicit permission.

use super::exit::{Exit, complain};
use tiketi_core::fault::catalog::{Action, Fault};
use tiketi_core::shown::on_one_line;
use tiketi_scenario::Plan;
use tiketi_scenario::command::shown;
use tiketi_scenario::duration::Written;

/// Rejects a scenario that runs programs unless `--allow-exec` was passed: it may come from somebody else.
pub(super) fn admit(plan: &Plan, is_allowed: bool) -> Result<(), Exit> {
    let is_command = |fault: &&Fault| fault.action.kind().is_command();
    let mut commands = plan.faults.iter().filter(is_command);
    let Some(fault) = commands.next().filter(|_| !is_allowed) else {
        return Ok(());
    };
    let (name, scenario) = (fault.action.name(), on_one_line(&plan.name));
    let at = Written(fault.at.since_start());
    let more = match commands.count() {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    let program = program(&fault.action);
    complain(
        format_args!(
            "{scenario}: the fault `{name}` at {at} runs a program on this machine: {program}{more} (expected --allow-exec)"
        ),
        Some("read the commands of the scenario, then pass --allow-exec if you want to run them"),
    );
    Err(Exit::BadScenario)
}

/// What a fault runs, whatever its name is.
fn program(action: &Action) -> String {
    match action {
        Action::Exec { run, .. } => shown(run),
        Action::Fis { template, .. } => format!("aws fis start-experiment … {template}"),
        _ => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{self as scenario, Overrides};

    fn plan(toml: &str) -> Plan {
        scenario::load("x.toml", toml, &Overrides::default()).expect("a valid scenario")
    }

    #[test]
    fn programs_of_a_scenario_need_permission() {
        let exec = plan("[[faults]]\nat = \"1m\"\naction = \"exec\"\nrun = [\"true\"]\n");
        let fis = plan(
            "[[faults]]\nat = \"1m\"\nlasts = \"1m\"\naction = \"fis\"\ntemplate = \"EXT1\"\n",
        );
        for plan in [&exec, &fis] {
            assert_eq!(admit(plan, false), Err(Exit::BadScenario));
            assert_eq!(admit(plan, true), Ok(()));
        }
        assert_eq!(admit(&plan(""), false), Ok(()));
    }

    #[test]
    fn a_harmless_name_does_not_hide_the_program() {
        let exec = plan(
            "[[faults]]\nat = \"1m\"\naction = \"exec\"\nname = \"nothing\"\nrun = [\"rm\", \"-r\", \"x\"]\n",
        );
        assert_eq!(program(&exec.faults[0].action), "rm -r x");
    }
}
