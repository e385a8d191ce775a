//! The tables of a search.

use tiketi_capacity::figures::Measure;
use tiketi_capacity::findings::{
    Answer, CheapestSetup, Comparison, Confirmation, CrowdStep, LargestCrowd, Row, SetupResult,
    SetupState, Variant, mean_of,
};
use tiketi_capacity::miss::Miss;
use tiketi_cost::price_book::Currency;
use tiketi_verdict::cause::tier::TierUse;

use super::wording;
use crate::number::Number;
use crate::page::{Cell, Column, Status, Table};
use crate::wording::capitalized;

/// A table with its title and how to read it.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) title: String,
    pub(super) note: &'static str,
    pub(super) table: Table,
}

/// The tables of an answer.
pub(super) fn tables(answer: &Answer) -> Vec<Explained> {
    match answer {
        Answer::LargestCrowd(found) => of_crowds(found),
        Answer::CheapestSetup(found) => of_setups(found),
        Answer::Compare(found) => of_comparison(found),
    }
}

fn of_crowds(found: &LargestCrowd) -> Vec<Explained> {
    let mut tables: Vec<_> = confirmations(&found.confirmations).into_iter().collect();
    tables.push(crowds(&found.steps, found.currency));
    if let Some(crowd) = found.crowd {
        tables.extend(headroom(&wording::buyers(crowd), &found.tiers));
    }
    let asked = wording::buyers(found.asked_crowd);
    tables.extend(headroom(
        &format!("the scenario's own {asked}"),
        &found.asked_tiers,
    ));
    let breaking = found.breaks.iter();
    tables.extend(
        breaking.flat_map(|breaks| headroom(&wording::buyers(breaks.crowd), &breaks.tiers)),
    );
    tables
}

fn of_setups(found: &CheapestSetup) -> Vec<Explained> {
    let mut tables: Vec<_> = confirmations(&found.confirmations).into_iter().collect();
    tables.push(setups(found));
    tables.extend(headroom("the answer", &found.tiers));
    if !found.left_out.is_empty() {
        let columns = vec![Column::label("Configuration"), Column::prose("Reason")];
        let rows = found.left_out.iter();
        let rows = rows.map(|one| vec![Cell::text(&one.name), Cell::text(&one.reason)]);
        tables.push(Explained {
            title: "Left out".to_owned(),
            note: "Combinations that are not valid scenarios.",
            table: Table::new(columns).with_rows(rows),
        });
    }
    tables
}

fn of_comparison(found: &Comparison) -> Vec<Explained> {
    let mut columns = vec![Column::label("Metric")];
    columns.extend(
        found
            .variants
            .iter()
            .map(|variant| Column::number(&variant.name)),
    );
    let mut table = Table::new(columns);
    let passed = found.variants.iter();
    let passed = passed.map(|variant| Cell::text(wording::of(variant.held, found.runs)));
    let title = Cell::text("Runs that passed");
    table.push([title].into_iter().chain(passed).collect());
    for (place, measure) in Measure::all().into_iter().enumerate() {
        let of_variants = || found.variants.iter().map(|variant| &variant.rows[place]);
        if of_variants().all(|row| row.estimate.is_none() && row.at_least.is_none()) {
            continue;
        }
        let title = Cell::text(capitalized(&measure.title()));
        let cells = of_variants().map(|row| compared(row, found.currency));
        table.push([title].into_iter().chain(cells).collect());
    }
    vec![
        Explained {
            title: "Side by side".to_owned(),
            note: "Means, and below them the difference from the baseline with its interval. ● = statistically significant.",
            table,
        },
        Explained {
            title: "Failed objectives".to_owned(),
            note: "The largest miss of the first run that failed.",
            table: failures(&found.variants),
        },
    ]
}

fn failures(variants: &[Variant]) -> Table {
    let columns = vec![Column::label("Configuration"), Column::prose("Failed on")];
    let rows = variants.iter();
    Table::new(columns).with_rows(
        rows.map(|variant| vec![Cell::text(&variant.name), missed(variant.miss.as_ref())]),
    )
}

fn missed(miss: Option<&Miss>) -> Cell {
    miss.map_or(Cell::number(None), |miss| Cell::text(wording::miss(miss)))
}

fn compared(row: &Row, currency: Option<Currency>) -> Cell {
    let number = |value| wording::number(row.measure, value, currency);
    let mean = row.estimate.map(|estimate| number(estimate.mean));
    let cell = Cell::number(mean.or_else(|| Some(number(row.at_least?).or_more())));
    let Some(difference) = row.difference.filter(|_| row.estimate.is_some()) else {
        return cell;
    };
    let mark = if difference.is_shown() { " ●" } else { "" };
    let signed = |value| number(value).signed();
    let mean = signed(difference.mean);
    let told = match difference.interval {
        Some((low, high)) => format!("{mean} [{}, {}]{mark}", signed(low), signed(high)),
        None => format!("{mean}{mark}"),
    };
    cell.with_note(told)
}

fn confirmations(confirmations: &[Confirmation]) -> Option<Explained> {
    let columns = vec![
        Column::status(),
        Column::label("Re-tested"),
        Column::number("Passed"),
        Column::number("Sales that would pass, at least"),
        Column::number("Confidence"),
    ];
    let percent = |share: f64| Cell::text(format!("{:.1}%", share * 100.0));
    let rows = confirmations.iter().map(|one| {
        vec![
            Cell::status(Status::of(one.confirmed)),
            Cell::text(&one.what),
            Cell::text(wording::of(one.held, one.runs)),
            percent(one.share_at_least),
            percent(one.confidence),
        ]
    });
    (!confirmations.is_empty()).then(|| Explained {
        title: "Re-tests on new seeds".to_owned(),
        note: "Confidence is corrected for multiple tests.",
        table: Table::new(columns).with_rows(rows),
    })
}

fn passed(passed: u32, runs: u32) -> Cell {
    match runs {
        0 => Cell::number(None),
        _ => Cell::text(wording::of(passed, runs)),
    }
}

fn crowds(steps: &[CrowdStep], currency: Option<Currency>) -> Explained {
    const MEASURES: [Measure; 6] = [
        Measure::WaitingP50,
        Measure::WaitingP95,
        Measure::Errors,
        Measure::Abandoned,
        Measure::CostRun,
        Measure::CostPerThousand,
    ];
    let mut columns = vec![
        Column::status(),
        Column::number("Buyers"),
        Column::number("Passed"),
    ];
    columns.extend(MEASURES.map(|measure| Column::number(capitalized(&measure.title()))));
    columns.push(Column::prose("Failed on"));
    let rows = steps.iter().map(|step| {
        let mut cells = vec![
            Cell::status(Status::of(step.held == step.runs)),
            Cell::count(step.crowd.into()),
            passed(step.held, step.runs),
        ];
        cells.extend(MEASURES.map(|measure| {
            let number = |value| wording::number(measure, value, currency);
            let bound = || Some(number(mean_of(&step.costs_at_least, measure)?).or_more());
            let mean = mean_of(&step.means, measure).map(number);
            Cell::number(mean.or_else(bound))
        }));
        cells.push(missed(step.miss.as_ref()));
        cells
    });
    Explained {
        title: "Simulated audiences".to_owned(),
        note: "Means over the runs of the search. A run ends the test of an audience if it is among the first two and fails.",
        table: Table::new(columns).with_rows(rows),
    }
}

fn setups(found: &CheapestSetup) -> Explained {
    let columns = vec![
        Column::status(),
        Column::label("Configuration"),
        Column::label("Result"),
        Column::number("Passed"),
        Column::number("Minimum cost"),
        Column::number("Cost"),
        Column::number("Waiting time p(95)"),
        Column::number("Failed requests"),
        Column::prose("Failed on"),
    ];
    let rows = found.setups.iter().enumerate().map(|(place, setup)| {
        let number = |measure, value: Option<f64>| {
            Cell::number(value.map(|value| wording::number(measure, value, found.currency)))
        };
        let mean = |measure| number(measure, mean_of(&setup.means, measure));
        let (status, result) = result(found, place, setup);
        vec![
            Cell::status(status),
            Cell::text(&setup.name),
            Cell::text(result),
            passed(setup.held, setup.runs),
            number(Measure::CostMonth, Some(setup.cost_at_least)),
            Cell::number(
                setup
                    .cost
                    .as_ref()
                    .map(|cost| wording::amount(cost, found.currency)),
            ),
            mean(Measure::WaitingP95),
            mean(Measure::Errors),
            missed(setup.miss.as_ref()),
        ]
    });
    Explained {
        title: "Configurations".to_owned(),
        note: "Means over the runs of the search. The minimum cost is known before a run: the fixed infrastructure and the \
               smallest fleet.",
        table: Table::new(columns).with_rows(rows),
    }
}

fn result(found: &CheapestSetup, place: usize, setup: &SetupResult) -> (Status, String) {
    let is_answer = found.cheapest == Some(place);
    let on_frontier = found.frontier.contains(&place);
    match (setup.state, is_answer, on_frontier) {
        (SetupState::Held, true, _) => (Status::Pass, "the answer".to_owned()),
        (SetupState::Held, false, true) => (Status::Pass, "passed, on the frontier".to_owned()),
        (SetupState::Held, false, false) if found.cost_unknown.contains(&place) => {
            (Status::Unknown, "passed, cost unknown".to_owned())
        }
        (SetupState::Held, false, false) => (Status::Pass, "passed".to_owned()),
        (SetupState::Failed, _, _) => (Status::Fail, "failed".to_owned()),
        (SetupState::Unconfirmed, _, _) => (Status::Unknown, "not confirmed".to_owned()),
        (SetupState::Doomed { by }, _, _) => {
            let by = &found.setups[by].name;
            (Status::Neutral, format!("skipped: {by} failed"))
        }
        (SetupState::TooDear, _, _) => (
            Status::Neutral,
            "skipped: costs more than the answer".to_owned(),
        ),
        (SetupState::NotPlayed, _, _) => {
            (Status::Neutral, "skipped: the search had ended".to_owned())
        }
    }
}

fn headroom(place: &str, tiers: &[TierUse]) -> Option<Explained> {
    let columns = vec![
        Column::label("Resource"),
        Column::number("Peak"),
        Column::number("Limit"),
        Column::number("Headroom"),
    ];
    let rows = tiers.iter().map(|tier| {
        let left = tier.left().map(|left| Number::share(left.max(0.0)));
        vec![
            Cell::text(capitalized(tier.tier.title())),
            Cell::number(wording::used(tier)),
            Cell::number(wording::limit(tier)),
            Cell::number(left),
        ]
    });
    (!tiers.is_empty()).then(|| Explained {
        title: format!("Headroom at {place}"),
        note: "Peak utilization in any run. '–': no limit configured.",
        table: Table::new(columns).with_rows(rows),
    })
}
