//! Progress of a live run; how to display it is up to the caller.

use std::fmt;

use tiketi_buyer::observation::Stage;
use tiketi_cloud::notice::{InstanceState, Notice};
use tiketi_core::units::SimTime;
use tiketi_measure::{Assembly, Gauges};

/// Displays a run in progress.
pub trait Watcher {
    /// Shows the progress; called about once per second of real time.
    fn show(&mut self, progress: &Progress);
    /// Shows a notice as it happens: an alarm, a fault, an instance in service.
    fn notice(&mut self, notice: &Notice);
    /// Shows a line of text.
    fn tell(&mut self, text: &str);
}

/// Progress of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Scenario time.
    pub at: SimTime,
    /// The planned end.
    pub ends_at: SimTime,
    /// Buyers started.
    pub arrived: u64,
    /// Buyers in the queue; `None` if it could not be read.
    pub waiting: Option<u64>,
    /// Admitted buyers (shopping); `None` if the number could not be read.
    pub active: Option<u64>,
    /// Buyers who have paid.
    pub paid: u64,
    /// Healthy instances; `None` for an existing deployment, which does not show them.
    pub healthy: Option<u32>,
    /// Requests that have ended, and how many of them failed.
    pub calls: (u64, u64),
}

impl Progress {
    /// Summarizes what has been measured so far; `gauges` are the system's own, `None` if it does not show them.
    pub fn new(
        at: SimTime,
        ends_at: SimTime,
        gauges: Option<&Gauges>,
        assembly: &Assembly,
    ) -> Self {
        let tally = assembly.tally();
        let all = tally.calls();
        Self {
            at,
            ends_at,
            arrived: tally.reached(Stage::Arrived),
            waiting: gauges.and_then(|gauges| gauges.waiting),
            active: gauges.and_then(|gauges| gauges.active),
            paid: tally.reached(Stage::Paid),
            healthy: gauges.map(|gauges| gauges.instances_in(&[InstanceState::Healthy])),
            calls: all,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = |at: SimTime| format!("{}:{:02}", at.as_secs() / 60, at.as_secs() % 60);
        write!(f, "{} of {}", minutes(self.at), minutes(self.ends_at))?;
        write!(f, " · {} arrived", self.arrived)?;
        match (self.waiting, self.active) {
            (Some(waiting), Some(active)) => write!(f, " · {waiting} waiting · {active} shopping")?,
            _ if self.healthy.is_some() => write!(f, " · queue unavailable")?,
            _ => {}
        }
        write!(f, " · {} paid", self.paid)?;
        if let Some(healthy) = self.healthy {
            write!(f, " · {healthy} healthy")?;
        }
        let (calls, failed) = self.calls;
        write!(f, " · {calls} requests, {failed} failed")
    }
}
