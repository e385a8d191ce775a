//! Plays plans in the model: ends when the user wants it, and adds what only a clock can tell.

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::exit::{Exit, complain};
use super::folder::utc_now;
use super::interrupt;
use super::model_display::ModelDisplay;
use tiketi_live::clock::wall_now;
use tiketi_measure::Measurements;
use tiketi_model as model;
use tiketi_scenario::Plan;

/// Plays one plan after the other.
#[derive(Debug)]
pub(super) struct Player {
    interrupt: watch::Receiver<bool>,
    /// The model keeps the caller's thread busy; another one listens for Ctrl-C.
    _listening: Runtime,
}

impl Player {
    /// Begins to listen for the user's wish to end.
    pub(super) fn new() -> Result<Self, Exit> {
        let started = || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            let interrupt = {
                let _within = runtime.enter();
                interrupt::listen()?
            };
            Ok(Self {
                interrupt,
                _listening: runtime,
            })
        };
        started().map_err(|error: std::io::Error| {
            complain(error, None);
            Exit::Inconclusive
        })
    }

    /// Plays a plan to its end, or until the user has enough.
    pub(super) fn play_as_far(&self, plan: &Plan, quiet: bool) -> Measurements {
        let (began, start) = (utc_now(), wall_now());
        let mut display = ModelDisplay::new(quiet, plan, self.interrupt.clone());
        let mut run = model::simulate(plan, &mut display);
        display.finish();
        run.ending.began = began;
        run.ending.wall = wall_now() - start;
        run
    }

    /// Plays a plan to its end; a part of it would be of no use.
    pub(super) fn play(&self, plan: &Plan, quiet: bool) -> Result<Measurements, Exit> {
        let run = self.play_as_far(plan, quiet);
        if run.ending.interrupted {
            complain("interrupted: nothing is told of half a run", None);
            return Err(Exit::Interrupted);
        }
        Ok(run)
    }
}
