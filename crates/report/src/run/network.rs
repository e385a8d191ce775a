//! The network: who can open a connection to whom, by the rules of the scenario, and the results of attempts.

use tiketi_measure::ending::{Probe, ProbeOutcome};
use tiketi_network::{Access, Kind, Matrix};
use tiketi_scenario::topology::Topology;

use crate::page::{Cell, Column, Details, Prose, Section, Table};
use crate::wording::capitalized;

/// The reachability matrix.
pub(super) fn section(topology: &Topology, probes: &[Probe]) -> Section {
    let matrix = Matrix::new(topology);
    let targets = matrix.targets.iter();
    let mut columns = vec![Column::label("From")];
    columns.extend(targets.map(|to| Column::prose(format!("To {}", to.name()))));
    let rows = matrix.rows.iter().map(|row| {
        let mut cells = vec![Cell::text(capitalized(row.from.name()))];
        let to = matrix.targets.iter().zip(&row.to);
        cells.extend(to.map(|(to, access)| cell(access, attempts(probes, row.from, *to))));
        cells
    });
    let table = Table::new(columns).with_rows(rows);
    let about = Prose::muted(if probes.is_empty() {
        "Looked up in subnets, route tables and security groups of the scenario. No packets are sent to check it."
    } else {
        "Looked up in subnets, route tables and security groups of the scenario. What says \"tried\" was also tried before the load \
         started."
    });
    Section::new("Network").with(Details::closed(
        "Who can open a connection to whom",
        vec![about.into(), table.into()],
    ))
}

/// The results of the attempts of one kind of party to reach another; empty if there were none.
fn attempts(probes: &[Probe], from: Kind, to: Kind) -> &'static str {
    let made = probes
        .iter()
        .filter(|probe| (probe.from, probe.to) == (from, to));
    let made: Vec<_> = made.map(|probe| probe.outcome).collect();
    if made.is_empty() {
        ""
    } else if made.contains(&ProbeOutcome::Answered) {
        " (tried: answered)"
    } else if made.contains(&ProbeOutcome::RefusedByPassword) {
        " (tried: refused by password)"
    } else {
        " (tried: refused)"
    }
}

fn cell(access: &Access, tried: &str) -> Cell {
    let looked_up = match access {
        Access::Open { ways } => ways.join(", "),
        Access::Partial { ways, refusals } => format!(
            "{}; refused in some zones: {}",
            ways.join(", "),
            refusals.join(", ")
        ),
        Access::Outside => "-".to_owned(),
        Access::Refused { refusals } => format!("refused: {}", refusals.join(", ")),
    };
    Cell::text(looked_up + tried)
}
