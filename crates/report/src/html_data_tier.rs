//! The data tier on the page: each failover with its terms, replicas, memory, connections.

use maud::{Markup, html};

use super::data_tier::{COLUMNS, DataTierReport, EXPLAINED};
use super::document::Document;

/// The section of the data tier; nothing where nothing was measured.
pub(super) fn data_tier(document: &Document) -> Markup {
    let Some(report) = &document.data_tier else {
        return html! {};
    };
    let lines = report.lines();
    html! {
        @if !report.failovers.is_empty() || !lines.is_empty() {
            section {
                h2 { "Data tier" }
                (failovers(report))
                @if !lines.is_empty() {
                    table {
                        tbody {
                            @for (name, told) in lines { tr { td { (name) } td { (told) } } }
                        }
                    }
                }
            }
        }
    }
}

fn failovers(report: &DataTierReport) -> Markup {
    html! {
        @if !report.failovers.is_empty() {
            h3 { "Failovers: RTO and RPO" }
            p.muted { (EXPLAINED) }
            div.wide {
                table {
                    thead { tr { @for column in COLUMNS { th.number { (column) } } } }
                    tbody {
                        @for failover in &report.failovers {
                            tr { @for cell in failover.cells() { td.number { (cell) } } }
                        }
                    }
                }
            }
        }
    }
}
