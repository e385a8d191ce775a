//! Whether the user's own commands did what the scenario wants: a fault that may not have taken place shows nothing.

use super::ValidityCheck;
use tiketi_measure::Measurements;

/// Checks the commands of faults; `None` without any.
pub(super) fn judge(run: &Measurements) -> Option<ValidityCheck> {
    let commands = &run.ending.commands;
    let failed: Vec<_> = commands
        .iter()
        .filter(|command| command.outcome.is_failure())
        .collect();
    let evidence = match (&failed[..], commands.len()) {
        ([], 0) => return None,
        ([], 1) => "1 command ran, and it succeeded".to_owned(),
        ([], all) => format!("{all} commands ran, and all succeeded"),
        (failed, _) => {
            let failed: Vec<_> = failed.iter().map(|command| command.in_words()).collect();
            failed.join(". ")
        }
    };
    Some(ValidityCheck {
        name: "faults carried out by commands",
        ok: failed.is_empty(),
        evidence,
    })
}
