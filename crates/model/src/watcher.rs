//! What a model run shows while it goes on.

use tiketi_core::units::SimTime;

/// How far a model run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Scenario time now.
    pub now: SimTime,
    /// Its planned end.
    pub ends_at: SimTime,
    /// Buyers who wait in the queue.
    pub waiting: u64,
    /// Calendar entries made so far.
    pub entries: u64,
}

/// Whether a model run shall go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It shall.
    GoOn,
    /// It shall end now: what was measured so far is reported as an interrupted run.
    Stop,
}

/// Whoever looks on.
pub trait Watcher {
    /// Shows how far the run is, each second of scenario time.
    fn show(&mut self, progress: &Progress) -> Wish;
}

/// Nobody looks on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn show(&mut self, _: &Progress) -> Wish {
        Wish::GoOn
    }
}
