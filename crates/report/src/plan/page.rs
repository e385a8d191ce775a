//! The report of a search as a page.

use tiketi_capacity::findings::{Answer, Break};

use super::{PlanDocument, answer, charts, tables};
use crate::chart::{Bar, BarChart, ChartGroup};
use crate::number::Number;
use crate::page::{Block, Details, List, Page, Prose, Section};

/// Makes the page of a search.
pub fn page(document: &PlanDocument) -> Page {
    let findings = &document.findings;
    let mut sections =
        vec![Section::new("How this was found").with(List::new(document.facts.clone()))];
    sections.extend(pictures(&findings.answer));
    let tables = tables::tables(&findings.answer).into_iter();
    sections.push(Section::new("Results").with_all(tables.map(|explained| {
        let blocks: Vec<Block> = vec![Prose::muted(explained.note).into(), explained.table.into()];
        Details::open(explained.title, blocks)
    })));
    sections.push(Section::new("Assumptions").with(List::new(document.assumptions.clone())));
    let title = if findings.asked.is_empty() {
        &findings.name
    } else {
        &findings.asked
    };
    let seeds: Vec<_> = findings.seeds.iter().map(u64::to_string).collect();
    Page {
        title: title.clone(),
        context: format!(
            "Plan {} · scenario {} · simulated",
            findings.name, findings.scenario
        ),
        headline: answer::headline(findings),
        sections,
        closing: vec![
            format!(
                "Seeds of the search, drawn from {}: {}.",
                findings.search.seed,
                seeds.join(", ")
            ),
            findings.program.clone(),
        ],
        run_again: document.run_again.clone(),
        exit_code: Some(document.exit_code),
    }
}

fn pictures(answer: &Answer) -> Vec<Section> {
    match answer {
        Answer::LargestCrowd(found) => {
            let group = ChartGroup::stacked(vec![charts::waiting(found), charts::cost(found)])
                .with_note("Means over the runs of the search.");
            let by_audience = Section::new("Waiting time and cost by audience").with(group);
            let breaks = found.breaks.iter().map(what_breaks);
            [by_audience].into_iter().chain(breaks).collect()
        }
        Answer::CheapestSetup(found) => {
            let group = ChartGroup::stacked(vec![charts::frontier(found)])
                .with_note("Configurations that passed every run of the search.");
            vec![Section::new("Cost and waiting time").with(group)]
        }
        Answer::Compare(_) => Vec::new(),
    }
}

fn what_breaks(breaks: &Break) -> Section {
    let bars = breaks.counts.iter().map(|count| Bar {
        name: super::wording::objective(&count.miss),
        value: Number::count(count.runs.into()),
        note: format!("of {}", breaks.runs),
    });
    Section::new("What fails first").with(BarChart {
        title: format!(
            "Failed runs by objective with {}, the first audience that does not pass",
            super::wording::buyers(breaks.crowd)
        ),
        bars: bars.collect(),
    })
}
