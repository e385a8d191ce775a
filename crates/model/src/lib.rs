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

use tiketi_measure::Measurements;
use tiketi_scenario::Plan;

/// Plays `plan` in virtual time and returns what was measured; `watcher` sees each scenario second, and may end it.
///
/// The plan has no fault that [`model_supports`](tiketi_scenario::environment::model_supports) rejects: it panics there.
pub fn simulate(plan: &Plan, watcher: &mut dyn Watcher) -> Measurements {
    world::World::new(plan).run(watcher)
}
