//! What a run shows of itself while it goes on; who shows it is up to the caller.

use std::fmt;

use tiketi_buyer::observation::Stage;
use tiketi_cloud::notice::{InstanceState, Notice};
use tiketi_core::units::SimTime;
use tiketi_measure::{Assembly, Gauges};

/// Someone who watches a run.
pub trait Watcher {
    /// Shown about once a wall second.
    fn show(&mut self, progress: &Progress);
    /// Shown as it happens: an alarm, a fault, an instance in service.
    fn notice(&mut self, notice: &Notice);
    /// Something else worth a line.
    fn tell(&mut self, text: &str);
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Scenario time.
    pub at: SimTime,
    /// The planned end.
    pub ends_at: SimTime,
    /// Buyers started.
    pub arrived: u64,
    /// Buyers in the queue; `None` if nobody could say.
    pub waiting: Option<u64>,
    /// Buyers on an active place; `None` if nobody could say.
    pub active: Option<u64>,
    /// Buyers who have paid.
    pub paid: u64,
    /// Healthy instances; `None` for a system that does not tell.
    pub healthy: Option<u32>,
    /// Calls that ended, and how many of them failed.
    pub calls: (u64, u64),
}

impl Progress {
    /// Reads the present off what has been measured; `gauges` are the system's own, if it shows any.
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
            (Some(waiting), Some(active)) => write!(f, " · {waiting} waiting · {active} active")?,
            _ if self.healthy.is_some() => write!(f, " · queue not readable")?,
            _ => {}
        }
        write!(f, " · {} paid", self.paid)?;
        if let Some(healthy) = self.healthy {
            write!(f, " · {healthy} healthy")?;
        }
        let (calls, failed) = self.calls;
        write!(f, " · {calls} calls, {failed} failed")
    }
}
