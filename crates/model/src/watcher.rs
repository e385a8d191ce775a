//! The progress of a simulated run.

use tiketi_core::units::SimTime;

/// How far a simulated run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Current scenario time.
    pub now: SimTime,
    /// Planned end of the run, in scenario time.
    pub ends_at: SimTime,
    /// Buyers waiting in the queue.
    pub waiting: u64,
    /// Calendar entries made so far; a measure of the work done.
    pub entries: u64,
}

/// Whether a simulated run continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It continues.
    GoOn,
    /// It stops now, and what was measured so far is reported as an interrupted run.
    Stop,
}

/// Observes the progress of a simulated run.
pub trait Watcher {
    /// Receives the progress at each second of scenario time.
    fn show(&mut self, progress: &Progress) -> Wish;
}

/// Observes nothing and never stops a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn show(&mut self, _: &Progress) -> Wish {
        Wish::GoOn
    }
}
