//! The timeline for people: events that changed something, with instances that changed together on one line.

use serde::Serialize;

use super::{events, observed};
use tiketi_cloud::notice::{InstanceState, What};
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_measure::Measurements;

/// One line of the timeline for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Highlight {
    /// When, in seconds since the start of the run.
    pub at_seconds: f64,
    /// What happened.
    pub told: String,
}

/// Alarms, changes of the fleet's size, faults, failovers, and state changes of instances that matter to buyers.
pub(super) fn highlights(run: &Measurements) -> Vec<Highlight> {
    let mut found: Vec<Highlight> = Vec::new();
    let mut open: Option<Group> = None;
    for notice in run
        .timeline
        .iter()
        .filter(|notice| matters(notice.at, &notice.what))
    {
        let What::Instance {
            instance,
            zone,
            state,
        } = notice.what
        else {
            found.extend(open.take().map(|group| group.close(run)));
            found.push(Highlight {
                at_seconds: notice.at.as_secs_f64(),
                told: events::event(&notice.what, &run.plan),
            });
            continue;
        };
        match &mut open {
            Some(group) if (group.at, group.zone, group.state) == (notice.at, zone, state) => {
                group.instances.push(instance);
            }
            other => {
                let group = Group {
                    at: notice.at,
                    zone,
                    state,
                    instances: vec![instance],
                };
                found.extend(other.replace(group).map(|before| before.close(run)));
            }
        }
    }
    found.extend(open.take().map(|group| group.close(run)));
    found.extend(observed::changes(run));
    // Stable: what happened at the same instant keeps its order.
    found.sort_by(|one, other| one.at_seconds.total_cmp(&other.at_seconds));
    found
}

fn matters(at: SimTime, what: &What) -> bool {
    match what {
        What::Swallowed { .. } => false,
        What::Instance { state, .. } => {
            // The initial fleet is no news, and a registered instance does not receive requests yet.
            *state != InstanceState::InService && at > SimTime::ZERO
        }
        _ => true,
    }
}

/// Instances of one zone that reached the same state at the same instant.
struct Group {
    at: SimTime,
    zone: ZoneId,
    state: InstanceState,
    instances: Vec<InstanceId>,
}

impl Group {
    fn close(self, run: &Measurements) -> Highlight {
        let names: Vec<_> = self.instances.iter().map(ToString::to_string).collect();
        let zone = events::zone(self.zone, &run.plan.topology);
        Highlight {
            at_seconds: self.at.as_secs_f64(),
            told: events::instances(&names, &zone, self.state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    #[test]
    fn simultaneous_events_share_a_line_and_the_initial_fleet_has_none() {
        let told = highlights(&example::run());
        let at = |second: f64| {
            let lines = told
                .iter()
                .filter(|line| line.at_seconds.to_bits() == second.to_bits());
            lines.map(|line| line.told.as_str()).collect::<Vec<_>>()
        };
        assert!(at(0.0).is_empty(), "{told:?}");
        assert!(at(240.0).contains(&"Zone a lost power"));
        assert_eq!(at(130.0).len(), 4, "alarm, action, one launch in each zone");
        assert_eq!(told.last().unwrap().at_seconds.to_bits(), 490_f64.to_bits());
    }

    #[test]
    fn instances_that_change_together_share_a_line() {
        let mut run = example::run();
        for notice in &mut run.timeline {
            if let What::Instance { zone, .. } = &mut notice.what {
                *zone = ZoneId(1);
            }
        }
        let launched = highlights(&run)
            .into_iter()
            .find(|line| line.told.contains("launched"));
        let launched = launched.unwrap().told;
        assert_eq!(launched.matches(',').count(), 1, "{launched}");
    }
}
