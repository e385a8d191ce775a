//! The table of claims as a page.

use super::{ClaimRow, ClaimTable, ClaimVerdict, Shown};
use crate::page::{Cell, Column, Headline, List, Page, Prose, Section, Status, Table};

/// The rule by which one of several runs counts.
const RULE: &str = "Of several runs that show a claim, one counts per engine: one that refutes it before one that agrees, and \
                    among equal verdicts the most complete one.";

/// Makes the page.
pub fn page(claims: &ClaimTable) -> Page {
    let mut sections = vec![
        Section::new("Claims")
            .with(Prose::muted(format!(
                "{RULE} `met in part` means that the measured part agrees; `not measured` names the rest."
            )))
            .with(table(claims)),
    ];
    if !claims.left_out.is_empty() {
        let left_out = claims.left_out.iter();
        let told = left_out.map(|one| format!("`{}`: {}.", one.source, one.reason));
        sections.push(Section::new("Left out").with(List::new(told.collect())));
    }
    Page {
        title: "What do the runs show of the documented architecture?".to_owned(),
        context: String::new(),
        headline: headline(claims),
        sections,
        closing: Vec::new(),
        run_again: claims.run_again.clone(),
        exit_code: None,
    }
}

fn headline(claims: &ClaimTable) -> Headline {
    let count = |verdict: ClaimVerdict| {
        let rows = claims.claims.iter();
        rows.filter(|row| row.verdict == verdict).count()
    };
    let answer = format!(
        "Of {} claims, {} are met, {} are met in part, {} are missed, {} are open questions with an answer, and {} are not shown yet.",
        claims.claims.len(),
        count(ClaimVerdict::Met),
        count(ClaimVerdict::PartlyMet),
        count(ClaimVerdict::Missed),
        count(ClaimVerdict::Answered),
        count(ClaimVerdict::NotShown)
    );
    Headline {
        status: Status::Neutral,
        answer,
        details: Vec::new(),
    }
}

/// The table alone.
pub fn table(claims: &ClaimTable) -> Table {
    let columns = vec![
        Column::label("Claim"),
        Column::prose("Documented"),
        Column::label("Verdict"),
        Column::prose("Live"),
        Column::prose("Simulated"),
        Column::prose("Scenario"),
    ];
    Table::new(columns).with_rows(claims.claims.iter().map(row))
}

fn row(row: &ClaimRow) -> Vec<Cell> {
    let verdict = Cell::text(row.verdict.name());
    let verdict = match row.verdict {
        ClaimVerdict::Missed => verdict.colored(Status::Fail),
        ClaimVerdict::PartlyMet => verdict.colored(Status::Partial),
        ClaimVerdict::Met => verdict.colored(Status::Pass),
        ClaimVerdict::Answered | ClaimVerdict::NotShown => verdict,
    };
    let [live, simulated] = [&row.live, &row.simulated].map(|shown| match shown {
        Some(shown) => cell(shown),
        None => Cell::text("–"),
    });
    let live = match (&row.missing, &row.not_live) {
        (Some(missing), _) => Cell::text(format!("no run shows it: {missing}")),
        (None, Some(reason)) => Cell::text(format!("not live: {reason}")),
        (None, None) => live,
    };
    let scenario = row.scenario.as_ref();
    vec![
        Cell::text(format!("{} {}", row.id, row.system)),
        Cell::text(&row.documented),
        verdict,
        live,
        simulated,
        Cell::text(scenario.map_or_else(|| "–".to_owned(), |path| format!("`{path}`"))),
    ]
}

fn cell(shown: &Shown) -> Cell {
    let verdict = shown.verdict.name();
    Cell::text(format!(
        "{verdict}: {} (`{}`)",
        shown.measured, shown.source
    ))
}
