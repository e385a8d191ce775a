//! Scenario files: loaded, and with their problems checked.

use tiketi_scenario::{Diagnostics, Overrides, Plan, load};
use toml::Table;

/// Resolves the file.
pub(crate) fn read(file: &Table) -> Result<Plan, Diagnostics> {
    let text = toml::to_string(file).expect("a table can be written");
    load("case.toml", &text, &Overrides::default())
}

/// Resolves a valid scenario.
pub(crate) fn plan(text: &str) -> Plan {
    let plan = load("case.toml", text, &Overrides::default());
    plan.unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is missing in the problems of a file: each needs a message that quotes something, expected values and a hint, and one
/// of them must name the key and have a place. `None` if nothing is missing.
pub(crate) fn flaw(problems: &Diagnostics, named: &[&str]) -> Option<String> {
    for problem in problems.problems() {
        let parts = [&problem.message, &problem.expected, &problem.help];
        if parts.into_iter().any(|part| part.trim().is_empty()) {
            return Some(format!("a problem has an empty part: {problem:?}"));
        }
        if !problem.message.contains('`') && !problem.message.contains(|c: char| c.is_ascii_digit())
        {
            return Some(format!("a problem quotes no value: {}", problem.message));
        }
    }
    let is_named = |text: &str| named.iter().any(|name| text.contains(name));
    let mut of_the_key = problems
        .problems()
        .iter()
        .filter(|problem| is_named(&problem.message));
    if !of_the_key.any(|problem| !problem.span.is_empty()) {
        return Some(format!(
            "no problem names one of {named:?} with its place: {problems}"
        ));
    }
    None
}
