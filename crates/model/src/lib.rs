//! The simulation engine: runs a scenario in virtual time.
//!
//! ```text
//! buyers ─page load─▶ names ─▶ edge ─▶ page         (or also all calls: the edge passes them on; see `passing`)
//!
//! buyers ─call─▶ front ─▶ instance (processor) ─▶ redis ─▶ database ─▶ provider ─▶ answer ─▶ buyers
//!    ▲                        ▲ sockets, rooms                                              │
//!    └──────── calendar: what happens next, by time and order of entry ◀────────────────────┘
//!                  cloud: control plane, faults, meter
//! ```
//!
//! Buyers, control plane, faults and cost meter are those of a live run; only the servers are queueing stations. Nothing here
//! reads a clock: the same plan and seed give the same measurements, byte for byte, on any machine.

mod access;
mod backend;
mod breakage;
mod buyers;
mod calls;
mod closing;
mod cloud;
mod crowd;
mod edge;
mod entry;
mod fleet;
mod front;
mod names;
mod outbox;
mod passing;
mod paths;
mod patience;
mod payment;
mod rooms;
mod service;
mod silence;
mod tier;
mod traffic;
mod watcher;
mod world;

pub use service::{latency_of, work_of};
pub use watcher::{Progress, Unwatched, Watcher, Wish};

use tiketi_measure::Measurements;
use tiketi_scenario::Plan;
use tiketi_scenario::objective::{Gate, GateMetric};

/// Simulates `plan` in virtual time and returns the measurements. `watcher` is called each second of scenario time, and may
/// stop the run.
///
/// A simulation has no load generator, so gates on its scheduling delay are left out of the plan that is judged.
///
/// Panics if the plan has a fault that [`model_supports`](tiketi_scenario::environment::model_supports) rejects.
pub fn simulate(plan: &Plan, watcher: &mut dyn Watcher) -> Measurements {
    let mut run = world::World::new(plan).run(watcher);
    let is_about_generator = |gate: &Gate| gate.metric == GateMetric::SendLag;
    run.plan.gates.retain(|gate| !is_about_generator(gate));
    run
}
