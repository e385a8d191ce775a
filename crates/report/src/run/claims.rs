//! Architecture claims: what the documents of the system promise, compared with what this run measured.

use tiketi_verdict::targets::architecture::Described;
use tiketi_verdict::targets::{BoundSource, Reached, TargetVerdict};

use crate::page::{Block, Cell, Column, Details, Prose, Section, Status, Table};
use crate::wording::sentence;

/// All claims, the ones that do not hold first.
pub(super) fn section(claims: &[TargetVerdict], described: &Described) -> Section {
    if let Some(reason) = described.reason() {
        let told = format!(
            "{} Claims are judged only for the architecture that they are about.",
            sentence(&reason)
        );
        return Section::new("Architecture claims").with(Prose::muted(told));
    }
    let with = |reached: &[Reached]| {
        let matching = claims
            .iter()
            .filter(|claim| reached.contains(&claim.verdict));
        matching.collect::<Vec<_>>()
    };
    let missed = with(&[Reached::Missed]);
    let [met, partly] = [Reached::Met, Reached::PartlyMet].map(|reached| with(&[reached]).len());
    let others = with(&[Reached::NotExercised]);
    let mut section = Section::new("Architecture claims").with(Prose::new(format!(
        "{met} verified, {partly} partly verified, {} not met, {} not covered by this run.",
        missed.len(),
        others.len()
    )));
    if !missed.is_empty() {
        section = section.with(measured(&missed));
    }
    let verified = with(&[Reached::Met, Reached::PartlyMet]);
    if !verified.is_empty() {
        let blocks: Vec<Block> = vec![
            Prose::muted(
                "~ partly verified: the measured part agrees with the claim; the rest could not be measured.",
            )
            .into(),
            measured(&verified).into(),
        ];
        let summary = format!("{} claims verified or partly verified", verified.len());
        section = section.with(Details::open(summary, blocks));
    }
    if !others.is_empty() {
        let summary = format!("{} claims not covered by this run", others.len());
        section = section.with(Details::closed(summary, vec![not_covered(&others).into()]));
    }
    section
}

fn measured(claims: &[&TargetVerdict]) -> Table {
    let columns = vec![
        Column::status(),
        Column::label("Claim"),
        Column::prose("Documented"),
        Column::prose("Measured"),
    ];
    let row = |claim: &&TargetVerdict| {
        vec![
            Cell::status(status(claim.verdict)),
            Cell::text(&claim.id).with_note(&claim.system),
            Cell::text(&claim.documented),
            Cell::text(&claim.measured).with_note(limit(claim)),
        ]
    };
    Table::new(columns).with_rows(claims.iter().map(row))
}

fn not_covered(claims: &[&TargetVerdict]) -> Table {
    let columns = vec![
        Column::label("Claim"),
        Column::prose("Documented"),
        Column::prose("Why it was not measured"),
        Column::prose("How to check it"),
    ];
    let row = |claim: &&TargetVerdict| {
        vec![
            Cell::text(&claim.id).with_note(&claim.system),
            Cell::text(&claim.documented),
            Cell::text(&claim.measured),
            Cell::text(&claim.check),
        ]
    };
    Table::new(columns).with_rows(claims.iter().map(row))
}

const fn status(reached: Reached) -> Status {
    match reached {
        Reached::Met => Status::Pass,
        Reached::PartlyMet => Status::Partial,
        Reached::Missed => Status::Fail,
        Reached::NotExercised => Status::Unknown,
    }
}

/// The limit that the measured value is compared with, and where it comes from.
fn limit(claim: &TargetVerdict) -> String {
    let Some(bound) = &claim.bound else {
        return String::new();
    };
    let source = match bound.source {
        BoundSource::Documented => "documented",
        BoundSource::Assumption => "assumption",
    };
    let limits = match (claim.low, claim.high) {
        (Some(low), Some(high)) => format!("{low} to {high}: "),
        (Some(low), None) => format!("at least {low}: "),
        (None, Some(high)) => format!("at most {high}: "),
        (None, None) => String::new(),
    };
    format!("Limit ({source}): {limits}{}", bound.reads)
}
