//! What decides the exit code: `"metric{operation:name}" = ["statistic < bound", …]`.

use crate::diagnostic::Problem;
use crate::document::Section;
use crate::grammar::{Misread, parse_condition, parse_selector};
use crate::keys::{Form, Keys, Limits, key};
use crate::objective::{Gate, GateMetric, MetricKind};
use crate::operation::Operation;
use crate::page::{Page, list, text};
use crate::plan::Plan;
use crate::reach::{Bounds, Idle, idle};
use crate::value::Value;

/// Conditions on one metric.
const CONDITIONS: Limits<usize> = Limits::new(
    1,
    20,
    "a gate without a condition checks nothing, and more than 20 contradict or repeat each other",
);

pub(super) fn gates(keys: &mut Keys<'_, '_, Plan>, limits: &Bounds) -> Option<Vec<Gate>> {
    let conditions = || {
        let expected = "a condition such as \"p(99) < 500ms\", \"rate < 1%\" or \"count == 0\"";
        let hint = "write a condition in quotes, such as \"rate < 1%\"";
        Form::List {
            of: Box::new(Form::Syntax { expected, hint }),
            count: CONDITIONS,
        }
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

fn read(section: &Section<'_>, limits: &Bounds) -> Option<Vec<Gate>> {
    let mut gates = Vec::new();
    let mut all_read = true;
    for (key, conditions) in section.entries() {
        let selector = parse_selector(key.get_ref());
        if let Err(misread) = &selector {
            let name = key.get_ref();
            let problem = problem_of(misread, &format!("gate `{name}`"));
            section.report(problem.at(key.span()));
        }
        for condition in conditions.elements(CONDITIONS).unwrap_or_default() {
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
            let name = metric.name();
            let problem = problem_of(&misread, &format!("gate `{name}`: condition `{text}`"));
            condition.complain_at(misread.part, problem);
            None
        }
    }
}

/// Returns whether the gate can both pass and fail, as far as its metric alone says. Reports it if not, and warns if the rest of
/// the scenario leaves it only one result.
fn decides(gate: &Gate, limits: &Bounds, condition: &Value<'_>) -> bool {
    let what = format!("gate `{}`: `{}`", gate.selector(), gate.text);
    let Some(idle) = idle(gate, limits) else {
        return true;
    };
    let (is_valid, problem) = match idle {
        Idle::AlwaysPasses => (
            false,
            Problem::new(format!("{what} passes whatever happens"))
                .expected("a condition that a run can fail"),
        ),
        Idle::NeverPasses => (
            false,
            Problem::new(format!("{what} fails whatever happens"))
                .expected("a condition that a run can pass"),
        ),
        Idle::FailsOnlyAtWorst => (
            true,
            Problem::new(format!("{what} fails only if the rate is exactly 100 %"))
                .expected("a condition that more runs can fail"),
        ),
        Idle::OutOfReach {
            limit,
            passes: true,
        } => (
            true,
            Problem::new(format!("{what} cannot fail, because {limit}"))
                .expected("a condition that a run can fail"),
        ),
        Idle::OutOfReach {
            limit,
            passes: false,
        } => (
            true,
            Problem::new(format!("{what} cannot pass, because {limit}"))
                .expected("a condition that a run can pass"),
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
    let problem = problem.expected(&misread.expected);
    let help = "write a gate such as \"errors\" = [\"rate < 1%\"]".to_owned();
    problem.help(misread.help.clone().unwrap_or(help))
}
