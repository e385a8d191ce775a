//! The timeline as a reader wants it: what changed something, and instances that share a fate in one line.

use serde::Serialize;

use super::words;
use tiketi_cloud::notice::{InstanceState, What};
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_measure::Measurements;

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Highlight {
    /// When, in seconds since the start of the run.
    pub at_seconds: f64,
    /// What happened.
    pub told: String,
}

/// Alarms, changes of the fleet's size, faults, failovers, and the steps of instances that matter to buyers.
pub(super) fn highlights(run: &Measurements) -> Vec<Highlight> {
    let topology = &run.plan.topology;
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
                told: words::notice(&notice.what, topology),
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
    found
}

fn matters(at: SimTime, what: &What) -> bool {
    match what {
        What::Swallowed { .. } => false,
        What::Instance { state, .. } => {
            // The fleet that stands at the start is no news, and who is registered only begins to be checked.
            *state != InstanceState::InService && at > SimTime::ZERO
        }
        _ => true,
    }
}

/// Instances of one zone that came to one state at one instant.
struct Group {
    at: SimTime,
    zone: ZoneId,
    state: InstanceState,
    instances: Vec<InstanceId>,
}

impl Group {
    fn close(self, run: &Measurements) -> Highlight {
        let names: Vec<_> = self.instances.iter().map(ToString::to_string).collect();
        let zone = words::zone(self.zone, &run.plan.topology);
        Highlight {
            at_seconds: self.at.as_secs_f64(),
            told: format!(
                "{} in zone {zone}: {}",
                names.join(", "),
                words::lifecycle(self.state)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    #[test]
    fn what_happens_together_is_one_line_and_the_first_fleet_none() {
        let told = highlights(&example::run());
        let at = |second: f64| {
            let lines = told
                .iter()
                .filter(|line| line.at_seconds.to_bits() == second.to_bits());
            lines.map(|line| line.told.as_str()).collect::<Vec<_>>()
        };
        assert!(at(0.0).is_empty(), "{told:?}");
        assert!(at(240.0).iter().any(|line| line.contains("strikes zone a")));
        assert_eq!(at(130.0).len(), 4, "alarm, action, one launch in each zone");
        assert_eq!(told.last().unwrap().at_seconds.to_bits(), 490_f64.to_bits());
    }

    #[test]
    fn instances_that_share_a_fate_share_a_line() {
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
