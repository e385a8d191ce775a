//! The cores of the database server, shared evenly by the queries that run.

use std::time::Duration;

use tiketi_station::{Due, Sharing};

use tiketi_core::units::SimTime;

/// Queries in service, by job, and the one completion that is due next.
#[derive(Clone, Debug)]
pub(super) struct Cores {
    station: Sharing<u32>,
    due: Option<Due>,
}

impl Cores {
    pub(super) fn new(cores: u32) -> Self {
        Self {
            station: Sharing::new(cores),
            due: None,
        }
    }

    /// Time that the cores have worked together until `now`.
    pub(super) fn busy_until(&self, now: SimTime) -> Duration {
        self.station.busy_until(now)
    }

    pub(super) fn start(&mut self, now: SimTime, job: u32, work: Duration) {
        // What has not moved still holds.
        self.due = self.station.handle_arrival(now, job, work).or(self.due);
    }

    /// When the next job is done if no other begins.
    pub(super) fn next_done(&self) -> Option<SimTime> {
        self.due.map(|due| due.at)
    }

    /// A job that is done by `now`, or `None`.
    pub(super) fn poll_done(&mut self, now: SimTime) -> Option<u32> {
        let due = self.due.filter(|due| due.at <= now)?;
        let done = self.station.handle_completion(due.at, due.epoch)?;
        self.due = done.next;
        Some(done.job)
    }

    /// Stops all jobs; returns them in the order in which they began.
    pub(super) fn clear(&mut self, now: SimTime) -> Vec<u32> {
        self.due = None;
        self.station.turn_away(now).collect()
    }
}
