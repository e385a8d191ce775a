//! How the system recovered from faults, how it scaled, and what happened when.

use std::time::Duration;

use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;
use tiketi_verdict::recovery::{Outcome, Recovery, Work};
use tiketi_verdict::scale::ScaleAction;

use super::document::Document;
use super::events;
use super::page::{list, pairs};
use crate::number::{Number, NumberKind};
use crate::page::{Block, Cell, Column, Details, Prose, Section, Table};
use crate::wording::{capitalized, listed};

/// What recovered means.
const RECOVERED: &str = "Recovered means: over a 5 s window, both the success rate and the successful requests per second are \
     back to at least 95% of their values in the minute before the fault, and stay there. If less traffic was due, the \
     target is lowered accordingly; responses may be up to 5 s late.";

/// Recovery, scaling and timeline; sections without content are left out.
pub(super) fn sections(document: &Document, run: &Measurements) -> Vec<Section> {
    let recoveries = &document.verdicts.recoveries;
    let scaling = &document.verdicts.scaling;
    let mut sections = Vec::new();
    if !recoveries.is_empty() {
        let section = Section::new("Recovery")
            .with_all(recoveries.iter().map(recovery))
            .with(Prose::muted(RECOVERED))
            .with_all(waited(run));
        sections.push(section);
    }
    if !scaling.is_empty() {
        let actions = scaling.iter().map(scale_action).collect();
        sections.push(Section::new("Scaling").with(list("", actions)));
    }
    if !document.highlights.is_empty() || !run.timeline.is_empty() {
        sections.push(timeline(document, run));
    }
    sections
}

/// Says that the run was longer than the scenario states; `None` if it was not.
fn waited(run: &Measurements) -> Option<Prose> {
    let (planned, stated) = (run.plan.ends_at().since_start(), run.plan.clock.duration);
    let waited = planned.saturating_sub(stated);
    (!waited.is_zero()).then(|| {
        Prose::muted(format!(
            "The run was planned {} longer than `clock.duration`, to see within the gate's time whether the system recovers \
             from the last fault. No buyers arrive in that time.",
            Number::duration(waited)
        ))
    })
}

fn recovery(recovery: &Recovery) -> Table {
    let fault = match &recovery.name {
        Some(_) => recovery.fault(),
        None => events::fault_started(recovery.action, recovery.zone.as_deref(), recovery.part),
    };
    let title = format!(
        "{} at {}",
        capitalized(&fault),
        Number::instant(recovery.struck_at)
    );
    pairs(title, facts(recovery))
}

/// What there is to tell about one recovery, as names and values.
fn facts(recovery: &Recovery) -> Vec<(String, String)> {
    let is_back = matches!(recovery.outcome, Outcome::Recovered { .. });
    let outcome = match &recovery.outcome {
        Outcome::Recovered { after } => Number::duration(*after).to_string(),
        Outcome::NotRecovered => "not within the run".to_owned(),
        Outcome::Metastable { healed_for } => format!(
            "metastable: not {} after the fault was over, although no more buyers arrived than before it",
            Number::duration(*healed_for)
        ),
        Outcome::CouldNotTell { reason } => format!("unknown: {reason}"),
    };
    let until = if is_back {
        "Throughput until recovery"
    } else {
        "Throughput since the fault"
    };
    let mut facts = vec![
        ("Recovered after", outcome),
        ("Throughput before the fault", throughput(recovery.before)),
        (until, throughput(recovery.during)),
    ];
    if !is_back {
        facts.push((
            "Throughput at the end of the observation",
            throughput(recovery.at_the_end),
        ));
    }
    facts.extend([
        (
            "Longest time without a successful request",
            Number::duration(recovery.longest_stop).to_string(),
        ),
        (
            "First scaling reaction after",
            maybe(recovery.detected_after),
        ),
        (
            "First replacement instance healthy after",
            maybe(recovery.replaced_after),
        ),
    ]);
    let named = facts
        .into_iter()
        .map(|(name, told)| (name.to_owned(), told));
    let failovers = recovery.failovers.iter().map(|failover| {
        let part = capitalized(events::part(failover.tier));
        (
            format!("{part} accepting writes again after"),
            maybe(failover.took),
        )
    });
    named.chain(failovers).collect()
}

fn throughput(work: Work) -> String {
    let rate = Number::decimal(work.useful_per_second());
    match work.success_share() {
        Some(share) => format!(
            "{rate} successful requests/s, success rate {}",
            Number::share(share)
        ),
        None => "no requests".to_owned(),
    }
}

fn maybe(length: Option<Duration>) -> String {
    length.map_or_else(
        || "not within the run".to_owned(),
        |length| Number::duration(length).to_string(),
    )
}

/// One scaling action, from the crossing of its threshold to the last healthy instance.
fn scale_action(action: &ScaleAction) -> String {
    let mut parts = vec![format!(
        "{}: desired {} → {} at {}",
        action.policy,
        action.from,
        action.to,
        Number::instant(action.acted_at)
    )];
    // An alarm that stays on makes its policy act repeatedly; it fired once.
    match (action.crossed_at, action.alarm_at) {
        (_, Some(alarm)) if alarm < action.acted_at => {
            parts.push(format!("alarm on since {}", Number::instant(alarm)));
        }
        (Some(crossed), _) => {
            parts.push(format!("threshold crossed at {}", Number::instant(crossed)));
        }
        (None, _) => {}
    }
    parts.extend(reached(action, &action.useful_at, "healthy"));
    if action.lost > 0 {
        parts.push(format!("{} of them lost to a fault", action.lost));
    }
    parts.extend(reached(action, &action.gone_at, "removed"));
    parts.join("; ")
}

fn reached(action: &ScaleAction, instants: &[Option<SimTime>], state: &str) -> Vec<String> {
    let after =
        |instant: &SimTime| Number::duration(instant.saturating_since(action.acted_at)).to_string();
    let known: Vec<_> = instants.iter().flatten().map(after).collect();
    let missing = instants.len() - known.len();
    let mut parts = Vec::new();
    if !known.is_empty() {
        parts.push(format!("{state} after {}", listed(&known)));
    }
    if missing > 0 {
        parts.push(format!("{missing} not {state} within the run"));
    }
    parts
}

fn timeline(document: &Document, run: &Measurements) -> Section {
    let highlights = document.highlights.iter().map(|line| {
        let at = Number::new(line.at_seconds, NumberKind::Instant);
        vec![Cell::number(at), Cell::text(&line.told)]
    });
    let all = run.timeline.iter().map(|notice| {
        vec![
            Cell::number(Number::instant(notice.at)),
            Cell::text(events::event(&notice.what, &run.plan)),
        ]
    });
    let table = || Table::new(vec![Column::number("Time"), Column::label("Event")]);
    let all: Block = table().with_rows(all).into();
    Section::new("Timeline")
        .with(table().with_rows(highlights))
        .with(Details::closed("All control-plane events", vec![all]))
}
