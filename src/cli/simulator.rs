//! Runs the model: shows progress, stops on Ctrl-C, and adds the start time and the real time taken.

use tokio::sync::watch;

use super::exit::{Exit, complain};
use super::folder::utc_now;
use super::interrupt::Interrupt;
use super::model_display::ModelDisplay;
use tiketi_live::clock::wall_now;
use tiketi_measure::Measurements;
use tiketi_model as model;
use tiketi_scenario::Plan;

/// Simulates one plan after the other.
#[derive(Debug)]
pub(super) struct Simulator {
    interrupt: watch::Receiver<bool>,
}

impl Simulator {
    /// A simulator that stops at the first signal.
    pub(super) fn new(interrupt: &Interrupt) -> Self {
        Self {
            interrupt: interrupt.requested(),
        }
    }

    /// Simulates a plan to its end or until the user interrupts.
    pub(super) fn simulate_until_interrupted(&self, plan: &Plan, quiet: bool) -> Measurements {
        let (began, start) = (utc_now(), wall_now());
        let mut display = ModelDisplay::new(quiet, plan, self.interrupt.clone());
        let mut run = model::simulate(plan, &mut display);
        display.finish();
        run.ending.began = began;
        run.ending.wall = wall_now() - start;
        run
    }

    /// Simulates a plan to its end; fails if the user interrupts, since the caller needs the whole run.
    pub(super) fn simulate(&self, plan: &Plan, quiet: bool) -> Result<Measurements, Exit> {
        let run = self.simulate_until_interrupted(plan, quiet);
        if run.ending.interrupted {
            complain("interrupted before the simulation was complete", None);
            return Err(Exit::Interrupted);
        }
        Ok(run)
    }
}
