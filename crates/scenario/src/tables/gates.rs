//! What decides the exit code: `"metric{operation:name}" = ["statistic < bound", …]`.

use crate::diagnostic::Problem;
use crate::document::Section;
use crate::grammar::{Misread, parse_condition, parse_selector};
use crate::keys::{Form, Keys, key};
use crate::objective::{Gate, GateMetric, MetricKind};
use crate::operation::Operation;
use crate::page::{Page, list, text};
use crate::plan::Plan;
use crate::reach::{Idle, Limits, idle};
use crate::value::Value;

pub(super) fn gates(keys: &mut Keys<'_, '_, Plan>, limits: &Limits) -> Option<Vec<Gate>> {
    let conditions = || {
        let expected = "a condition such as \"p(99) < 500ms\", \"rate < 1%\" or \"count == 0\"";
        Form::List(Box::new(Form::Syntax { expected }))
    };
    keys.free_section(
        key(
            "gates",
            "Objectives that decide the exit code, with the syntax of k6 thresholds. A scenario that states gates \
             replaces those of the preset.",
        ),
        || Form::Map {
            keys: "a metric, optionally limited to an operation: `response_time{operation:queue_check}`",
            of: Box::new(conditions()),
        },
        |section| read(section, limits),
        write,
    )
}

fn write(plan: &Plan, page: &mut Page) {
    let by_selector = |one: &Gate, next: &Gate| one.selector() == next.selector();
    for gates in plan.gates.chunk_by(by_selector) {
        let conditions = gates.iter().map(|gate| text(&gate.text));
        page.push(&text(&gates[0].selector()), list(conditions));
    }
}

/// Conditions that a gate can have, for messages.
const EXAMPLES: &str =
    "conditions such as [\"p(99) < 500ms\"], [\"rate < 1%\"] or [\"count == 0\"]";

fn read(section: &Section<'_>, limits: &Limits) -> Option<Vec<Gate>> {
    let mut gates = Vec::new();
    let mut all_read = true;
    for (key, conditions) in section.entries() {
        let selector = parse_selector(key.get_ref());
        if let Err(misread) = &selector {
            let name = key.get_ref();
            let problem = problem_of(misread, &format!("gate `{name}`"));
            section.report(problem.at(key.span()));
        }
        let elements = conditions.elements();
        if elements.as_ref().is_some_and(Vec::is_empty) {
            let problem = Problem::new(format!("gate `{}` has no condition", key.get_ref()));
            let problem = problem.expected(EXAMPLES);
            conditions.complain(problem.help("add a condition, or remove the gate"));
            all_read = false;
        }
        for condition in elements.unwrap_or_default() {
            match selector.as_ref() {
                Ok(&(metric, operation)) => match gate(&condition, metric, operation) {
                    Some(gate) if decides(&gate, limits, &condition) => gates.push(gate),
                    Some(_) | None => all_read = false,
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

/// Returns whether the gate can both pass and fail, as far as its metric alone says. Reports it if not, and warns if the rest of
/// the scenario leaves it only one result.
fn decides(gate: &Gate, limits: &Limits, condition: &Value<'_>) -> bool {
    let what = format!("gate `{}`: `{}`", gate.selector(), gate.text);
    let Some(idle) = idle(gate, limits) else {
        return true;
    };
    let (is_valid, problem) = match idle {
        Idle::AlwaysPasses => {
            let problem = Problem::new(format!("{what} passes whatever happens"));
            (false, problem.expected("a condition that a run can fail"))
        }
        Idle::NeverPasses => {
            let problem = Problem::new(format!("{what} fails whatever happens"));
            (false, problem.expected("a condition that a run can pass"))
        }
        Idle::FailsOnlyAtWorst => (
            true,
            Problem::new(format!("{what} fails only if the rate is exactly 100 %")),
        ),
        Idle::OutOfReach {
            limit,
            passes: true,
        } => (
            true,
            Problem::new(format!("{what} cannot fail, because {limit}")),
        ),
        Idle::OutOfReach {
            limit,
            passes: false,
        } => (
            true,
            Problem::new(format!("{what} cannot pass, because {limit}")),
        ),
    };
    if is_valid {
        condition.warn(problem.help(hint(gate)));
    } else {
        condition.complain(problem.help(hint(gate)));
    }
    is_valid
}

/// A condition on the metric that decides something.
fn hint(gate: &Gate) -> String {
    let is_success = matches!(gate.metric, GateMetric::TicketsSold | GateMetric::Calls);
    let example = match gate.metric.kind() {
        MetricKind::Trend | MetricKind::Lag => "p(99) < 500ms",
        MetricKind::Rate => "rate < 1%",
        MetricKind::Count if is_success => "count > 0",
        MetricKind::Count => "count == 0",
    };
    format!("write a tighter bound, such as `{example}`, or remove the gate")
}

fn problem_of(misread: &Misread, what: &str) -> Problem {
    let problem = Problem::new(format!("{what}: {}", misread.message));
    let mut problem = problem.expected(&misread.expected);
    problem.help.clone_from(&misread.help);
    problem
}
