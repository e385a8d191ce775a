//! Claims that compare one zone with two: each run shows its half, and two runs of the same sale with the same faults show both.

use tiketi_core::fault::catalog::Fault;
use tiketi_scenario::Plan;
use tiketi_scenario::arrival::ArrivalPhase;
use tiketi_scenario::plan::{Server, Show, Temperament, WaitingRoom};

/// What a run in two zones does not show of such a claim.
pub const ONE_ZONE: &str = "the same fault in one zone";
/// What a run in one zone does not show of such a claim.
pub const TWO_ZONES: &str = "the same fault in two zones";

/// Claims that compare one zone with two.
pub const CLAIMS: [&str; 2] = ["B1", "B11"];

/// What two runs must have in common to be compared: who comes, what they want, and what breaks. Architecture, speed, gates and
/// seed may differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Sale {
    length: (std::time::Duration, std::time::Duration),
    show: Show,
    waiting_room: WaitingRoom,
    arrivals: Vec<ArrivalPhase>,
    buyers: Temperament,
    server: Server,
    faults: Vec<Fault>,
}

impl Sale {
    /// Returns what a scenario sells, to whom, and what breaks.
    pub fn of(plan: &Plan) -> Self {
        Self {
            length: (plan.clock.duration, plan.clock.warmup),
            show: plan.show.clone(),
            waiting_room: plan.waiting_room,
            arrivals: plan.arrivals.clone(),
            buyers: plan.buyers.clone(),
            server: plan.server,
            faults: plan.faults.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    type Change = fn(&mut Plan);

    #[test]
    fn two_runs_are_the_same_sale_whatever_their_architecture() {
        let same = |change: Change| {
            let mut other = example::plan();
            change(&mut other);
            Sale::of(&other) == Sale::of(&example::plan())
        };
        let kept: [Change; 3] = [
            |plan| plan.topology.zones.truncate(1),
            |plan| plan.clock.speed = 7.0,
            |plan| plan.name = "other".to_owned(),
        ];
        assert!(kept.into_iter().all(same));
        let changed: [Change; 3] = [
            |plan| plan.faults.clear(),
            |plan| plan.arrivals.clear(),
            |plan| plan.server.rate_limit = Some(7),
        ];
        assert!(!changed.into_iter().any(same));
    }
}
