//! Scenarios, simulations and their verdicts, in this process.

mod causes;
mod claims;
#[path = "../common/mod.rs"]
mod common;
mod control_plane_timeline;
mod cost;
mod determinism;
mod edited_archive;
mod invariants;
mod mapping_files;
mod outbound;
mod recovery;
mod scenario_presets;
mod scenario_problems;
mod scenario_spike;
#[path = "../snapshot/mod.rs"]
mod snapshot;
mod verdicts;
