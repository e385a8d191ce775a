//! The tables of a search, as text: pages and Markdown show the same.

use super::words::{self, NOTHING};
use tiketi_capacity::figures::Measure;
use tiketi_capacity::findings::{
    CheapestSetup, Comparison, Confirmation, CrowdStep, LargestCrowd, Row, SetupResult, SetupState,
    mean_of,
};
use tiketi_capacity::tier_use::TierUse;
use tiketi_cost::price_book::Currency;
use tiketi_verdict::figure::grouped;

/// One table; the first column names, the others are figures unless they are words.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// What it shows.
    pub(super) title: &'static str,
    /// How to read it.
    pub(super) note: &'static str,
    /// Heads of the columns.
    pub(super) head: Vec<String>,
    /// Rows with a cell for each column.
    pub(super) rows: Vec<Vec<String>>,
}

pub(super) fn of_crowds(found: &LargestCrowd) -> Vec<Table> {
    let mut tables: Vec<_> = confirmations(&found.confirmations).into_iter().collect();
    tables.push(crowds(&found.steps, found.currency));
    tables.extend(tiers("Buffer at the answer", &found.tiers));
    tables.extend(tiers(
        "Buffer at the scenario's own crowd",
        &found.asked_tiers,
    ));
    let breaking = found.breaks.iter();
    tables.extend(breaking.flat_map(|breaks| tiers("Tiers where it breaks", &breaks.tiers)));
    tables
}

pub(super) fn of_setups(found: &CheapestSetup) -> Vec<Table> {
    let mut tables: Vec<_> = confirmations(&found.confirmations).into_iter().collect();
    tables.push(setups(found));
    tables.extend(tiers("Buffer at the answer", &found.tiers));
    if !found.left_out.is_empty() {
        let rows = found.left_out.iter();
        tables.push(Table {
            title: "Left out",
            note: "Combinations that are no legal scenario.",
            head: heads(&["set-up", "why"]),
            rows: rows
                .map(|one| vec![one.name.clone(), one.reason.clone()])
                .collect(),
        });
    }
    tables
}

pub(super) fn of_comparison(found: &Comparison) -> Vec<Table> {
    let mut head = vec!["measure".to_owned()];
    head.extend(found.variants.iter().map(|variant| variant.name.clone()));
    let held = found
        .variants
        .iter()
        .map(|variant| format!("{} of {}", variant.held, found.runs));
    let mut rows = vec![[vec!["runs that held".to_owned()], held.collect()].concat()];
    for (place, measure) in Measure::all().into_iter().enumerate() {
        let of_variants = || found.variants.iter().map(|variant| &variant.rows[place]);
        if of_variants().all(|row| row.estimate.is_none()) {
            continue;
        }
        let cells = of_variants().map(|row| compared(row, found.currency));
        rows.push([vec![measure.title()], cells.collect()].concat());
    }
    let mut tables = vec![Table {
        title: "Side by side",
        note: "Means, and below them the mean difference with its interval. ● marks a difference whose interval leaves \
               zero out; without the mark none is shown.",
        head,
        rows,
    }];
    tables.push(Table {
        title: "What was missed",
        note: "The farthest miss of the first run that did not hold.",
        head: heads(&["set-up", "missed"]),
        rows: found
            .variants
            .iter()
            .map(|variant| {
                let missed = variant
                    .miss
                    .as_ref()
                    .map_or_else(|| NOTHING.to_owned(), words::miss);
                vec![variant.name.clone(), missed]
            })
            .collect(),
    });
    tables
}

fn compared(row: &Row, currency: Option<Currency>) -> String {
    let Some(estimate) = row.estimate else {
        return NOTHING.to_owned();
    };
    let mean = words::value(row.measure, estimate.mean, currency);
    match row.difference {
        Some(difference) => {
            let mark = if difference.is_shown() { " ●" } else { "" };
            let told = words::difference(row.measure, &difference, currency);
            format!("{mean}; {told}{mark}")
        }
        None => mean,
    }
}

fn confirmations(confirmations: &[Confirmation]) -> Option<Table> {
    let rows = confirmations.iter().map(|one| {
        vec![
            one.what.clone(),
            format!("{} of {}", one.held, one.runs),
            format!("{:.1} %", one.share_at_least * 100.0),
            format!("{:.1} %", one.confidence * 100.0),
            if one.confirmed { "yes" } else { "no" }.to_owned(),
        ]
    });
    (!confirmations.is_empty()).then(|| Table {
        title: "Put to the test with fresh seeds",
        note: "The risk of the whole search is shared by its tests, so that each has a higher confidence of its own.",
        head: heads(&["tested", "held", "at least, of all on-sales", "confidence", "confirmed"]),
        rows: rows.collect(),
    })
}

fn crowds(steps: &[CrowdStep], currency: Option<Currency>) -> Table {
    const MEASURES: [Measure; 6] = [
        Measure::WaitingP50,
        Measure::WaitingP95,
        Measure::Errors,
        Measure::Abandoned,
        Measure::CostRun,
        Measure::CostPerThousand,
    ];
    let rows = steps.iter().map(|step| {
        let mut cells = vec![
            grouped(step.crowd.into()),
            format!("{} of {}", step.held, step.runs),
        ];
        cells.extend(
            MEASURES.map(|measure| words::maybe(measure, mean_of(&step.means, measure), currency)),
        );
        cells.push(
            step.miss
                .as_ref()
                .map_or_else(|| NOTHING.to_owned(), words::miss),
        );
        cells
    });
    let mut head = heads(&["buyers", "held"]);
    head.extend(MEASURES.map(Measure::title));
    head.push("missed".to_owned());
    Table {
        title: "Crowds that were played",
        note: "With the seeds of the search; means over the runs.",
        head,
        rows: rows.collect(),
    }
}

fn setups(found: &CheapestSetup) -> Table {
    let rows = found.setups.iter().enumerate().map(|(place, setup)| {
        let mut cells = vec![setup.name.clone(), state(found, place, setup)];
        cells.push(if setup.runs == 0 {
            NOTHING.to_owned()
        } else {
            format!("{} of {}", setup.held, setup.runs)
        });
        let money = Measure::CostMonth;
        cells.push(words::maybe(
            money,
            Some(setup.cost_at_least),
            found.currency,
        ));
        cells.push(words::maybe(money, setup.cost, found.currency));
        for measure in [Measure::WaitingP95, Measure::Errors] {
            let mean = mean_of(&setup.means, measure);
            cells.push(words::maybe(measure, mean, found.currency));
        }
        cells.push(
            setup
                .miss
                .as_ref()
                .map_or_else(|| NOTHING.to_owned(), words::miss),
        );
        cells
    });
    Table {
        title: "Set-ups",
        note: "With the seeds of the search; means over the runs. The least cost is known before a run: what stands there \
               anyway, and the smallest fleet.",
        head: heads(&[
            "set-up",
            "became",
            "held",
            "costs at least",
            "cost",
            "waiting time, p(95)",
            "failed calls",
            "missed",
        ]),
        rows: rows.collect(),
    }
}

fn state(found: &CheapestSetup, place: usize, setup: &SetupResult) -> String {
    let is_answer = found.cheapest == Some(place);
    let on_frontier = found.frontier.contains(&place);
    match (setup.state, is_answer, on_frontier) {
        (SetupState::Held, true, _) => "the answer".to_owned(),
        (SetupState::Held, false, true) => "held, on the frontier".to_owned(),
        (SetupState::Held, false, false) => "held".to_owned(),
        (SetupState::Failed, _, _) => "failed".to_owned(),
        (SetupState::Unconfirmed, _, _) => "not confirmed".to_owned(),
        (SetupState::Doomed { by }, _, _) => {
            format!("not played: {} failed", found.setups[by].name)
        }
        (SetupState::TooDear, _, _) => "not played: dearer than the answer".to_owned(),
        (SetupState::NotPlayed, _, _) => "not played: the search had ended".to_owned(),
    }
}

fn tiers(title: &'static str, tiers: &[TierUse]) -> Option<Table> {
    let rows = tiers.iter().map(|tier_use| {
        vec![
            tier_use.tier.title().to_owned(),
            words::used(tier_use),
            words::limit(tier_use),
            words::left(tier_use),
        ]
    });
    (!tiers.is_empty()).then(|| Table {
        title,
        note: "The highest use in any run. Without a limit nothing documented or configured ends it.",
        head: heads(&["tier", "used", "of", "left"]),
        rows: rows.collect(),
    })
}

fn heads(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
