//! The network: who can open a connection to whom, by the rules of the scenario.

use tiketi_network::{Access, Matrix};
use tiketi_scenario::topology::Topology;

use crate::page::{Cell, Column, Details, Prose, Section, Table};
use crate::wording::capitalized;

/// The reachability matrix.
pub(super) fn section(topology: &Topology) -> Section {
    let matrix = Matrix::new(topology);
    let targets = matrix.targets.iter();
    let mut columns = vec![Column::label("From")];
    columns.extend(targets.map(|to| Column::prose(format!("To {}", to.name()))));
    let rows = matrix.rows.iter().map(|row| {
        let mut cells = vec![Cell::text(capitalized(row.from.name()))];
        cells.extend(row.to.iter().map(cell));
        cells
    });
    let table = Table::new(columns).with_rows(rows);
    let about = Prose::muted(
        "Looked up in subnets, route tables and security groups of the scenario. No packets are sent to check it.",
    );
    Section::new("Network").with(Details::closed(
        "Who can open a connection to whom",
        vec![about.into(), table.into()],
    ))
}

fn cell(access: &Access) -> Cell {
    match access {
        Access::Open { ways } => Cell::text(ways.join(", ")),
        Access::Partial { ways, refusals } => Cell::text(format!(
            "{}; refused in some zones: {}",
            ways.join(", "),
            refusals.join(", ")
        )),
        Access::Outside => Cell::text("-"),
        Access::Refused { refusals } => Cell::text(format!("refused: {}", refusals.join(", "))),
    }
}
