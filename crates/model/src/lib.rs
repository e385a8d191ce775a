//! Engine 2: the same scenario in virtual time.
//!
//! ```text
//! buyers ─call─▶ front ─▶ instance (processor) ─▶ redis ─▶ database ─▶ provider ─▶ answer ─▶ buyers
//!    ▲                        ▲ sockets, rooms                                              │
//!    └──────── calendar: what happens next, by time and order of entry ◀────────────────────┘
//!                  cloud: control plane, faults, meter
//! ```
//!
//! The same buyers, control plane, faults and cost meter as in a live run, around stations instead of sockets. Nothing
//! here reads a clock: the same plan and seed give the same measurements, byte for byte, on any machine.

mod backend;
mod breakage;
mod buyers;
mod calls;
mod closing;
mod cloud;
mod crowd;
mod entry;
mod fleet;
mod front;
mod rooms;
mod service;
mod tier;
mod traffic;
mod watcher;
mod world;

pub use service::work_of;
pub use watcher::{Progress, Unwatched, Watcher, Wish};

use tiketi_core::fault::catalog::Action;
use tiketi_measure::Measurements;
use tiketi_scenario::Plan;
use tiketi_scenario::data_tier::DataTier;

/// Whether the model can play the fault of a scenario with this data tier, or why not, as a fragment.
///
/// # Errors
///
/// Why not.
pub fn plays(action: Action, tier: &DataTier) -> Result<(), &'static str> {
    match action {
        Action::AzPowerInterruption { .. }
        | Action::TerminateInstances { .. }
        | Action::PauseInstances { .. }
        | Action::LoseAlbNode { .. } => Ok(()),
        Action::LosePrimary { .. }
        | Action::PausePrimary { .. }
        | Action::DelayReplica { .. }
        | Action::FillRedisMemory { .. }
        | Action::HoldDatabaseConnections { .. } => tier.plays(action),
    }
}

/// Plays `plan` in virtual time and returns what was measured; `watcher` sees each scenario second, and may end it.
///
/// The plan has no fault that [`plays`] refuses: it panics there.
pub fn simulate(plan: &Plan, watcher: &mut dyn Watcher) -> Measurements {
    world::World::new(plan).run(watcher)
}
