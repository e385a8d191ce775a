//! The report of one run: [`Document`] for programs, [`page`] for people, [`timeseries`] for spreadsheets.

mod access;
mod admissions;
mod availability;
mod buyers;
mod cause;
mod charts;
mod claims;
mod commands;
mod cost;
mod data_tier;
mod deployment;
mod document;
mod edge;
mod events;
mod findings;
mod gaps;
mod habits;
mod headline;
mod highlights;
mod latency;
mod network;
mod observed;
mod outbound;
mod page;
mod recovery;
mod steps;
#[cfg(test)]
mod tests;
mod timeseries;

pub use admissions::{AdmissionRow, AdmissionsReport};
pub(crate) use charts::{level, over_time, response};
pub use commands::CommandRow;
pub use data_tier::{ConnectionRow, DataTierReport, FailoverRow, LagRow, LossRow, MemoryRow};
pub use document::{
    CallRow, Document, ErrorRow, FunnelStep, LeftFor, LoadWorker, NamedStatistics, RunHeader,
    SocketFigures, Statistics, TargetHeader, TimelineEntry, document,
};
pub use edge::EdgeReport;
pub use highlights::Highlight;
pub use observed::{GapRow, ObservedRow};
pub use outbound::{OutboundFault, OutboundReport, WayOut};
pub use page::page;
pub use steps::StepRow;
pub use timeseries::timeseries;
