//! What decides the exit code: `"metric{operation:name}" = ["statistic < bound", …]`.

use crate::diagnostic::Problem;
use crate::document::Section;
use crate::grammar::{Misread, parse_condition, parse_selector};
use crate::objective::{Gate, GateMetric};
use crate::operation::Operation;
use crate::value::Value;

pub(super) fn gates(section: &Section<'_>) -> Option<Vec<Gate>> {
    let mut gates = Vec::new();
    let mut all_read = true;
    for (key, conditions) in section.entries() {
        let selector = parse_selector(key.get_ref());
        if let Err(misread) = &selector {
            let name = key.get_ref();
            let problem = problem_of(misread, &format!("gate `{name}`"));
            section.report(problem.at(key.span()));
        }
        for condition in conditions.elements().unwrap_or_default() {
            match selector.as_ref() {
                Ok(&(metric, operation)) => match gate(&condition, metric, operation) {
                    Some(gate) => gates.push(gate),
                    None => all_read = false,
                },
                Err(_) => all_read = false,
            }
        }
    }
    all_read.then_some(gates)
}

fn gate(condition: &Value<'_>, metric: GateMetric, operation: Option<Operation>) -> Option<Gate> {
    let text = condition.text()?;
    match parse_condition(metric, text) {
        Ok((statistic, relation, bound)) => Some(Gate {
            metric,
            operation,
            statistic,
            relation,
            bound,
            text: text.to_owned(),
        }),
        Err(misread) => {
            let problem = problem_of(&misread, &format!("condition `{text}`"));
            condition.complain_at(misread.part, problem);
            None
        }
    }
}

fn problem_of(misread: &Misread, what: &str) -> Problem {
    let mut problem = Problem::new(format!("{what}: {}", misread.message));
    problem.legal = Some(misread.legal.clone()).filter(|legal| !legal.is_empty());
    problem.help.clone_from(&misread.help);
    problem
}
