//! Notices of the control plane as lines for the terminal.

use std::collections::BTreeMap;

use tiketi_cloud::notice::{AlarmState, DataTierPart, InstanceState, Notice, RefreshOutcome, What};
use tiketi_core::units::ZoneId;
use tiketi_scenario::Plan;
use tiketi_scenario::scaling::{Alarm, Metric};
use tiketi_verdict::figure::grouped;

/// Writes notices as lines, with the names and thresholds of one plan.
#[derive(Debug)]
pub(super) struct NoticeLines {
    zones: Vec<String>,
    /// The alarm of each policy, by the policy's name.
    alarms: BTreeMap<String, Alarm>,
}

impl NoticeLines {
    /// Takes the names and thresholds from the plan.
    pub(super) fn new(plan: &Plan) -> Self {
        let zones = plan.topology.zones.iter().map(|zone| zone.name.clone());
        let policies = plan.scaling.policies.iter();
        Self {
            zones: zones.collect(),
            alarms: policies
                .map(|policy| (policy.name.clone(), policy.alarm))
                .collect(),
        }
    }

    /// Returns the line for a notice, or `None` for a notice that only the report's timeline shows.
    pub(super) fn line(&self, notice: &Notice) -> Option<String> {
        let news = match &notice.what {
            What::Swallowed { .. } => return None,
            What::FaultStruck {
                action,
                name: Some(name),
                ..
            } => format!("Fault started: {action} \"{name}\""),
            What::FaultHealed {
                action,
                name: Some(name),
                ..
            } => format!("Fault ended: {action} \"{name}\""),
            What::FaultStruck {
                action, zone, part, ..
            } if action.is_remedy() => {
                format!("Remedy started: {action}{}", self.place(*zone, *part))
            }
            What::FaultHealed {
                action, zone, part, ..
            } if action.is_remedy() => {
                format!("Remedy ended: {action}{}", self.place(*zone, *part))
            }
            What::FaultStruck {
                action, zone, part, ..
            } => {
                format!("Fault started: {action}{}", self.place(*zone, *part))
            }
            What::FaultHealed {
                action, zone, part, ..
            } => {
                format!("Fault ended: {action}{}", self.place(*zone, *part))
            }
            What::Alarm {
                policy,
                state,
                datapoint,
            } => self.alarm(policy, *state, *datapoint),
            What::Scaled { policy, from, to } => {
                format!("{policy}: desired instances {from} → {to}")
            }
            What::Instance {
                instance,
                zone,
                state,
            } => {
                let state = instance_state(*state)?;
                format!("Instance {instance} in zone {} {state}", self.zone(*zone))
            }
            What::RefreshStarted { instances } => {
                format!("Instance refresh started: {instances} instances to replace")
            }
            What::RefreshWaits { replaced } => {
                format!("Instance refresh waits at a checkpoint: {replaced} instances replaced")
            }
            What::RefreshEnded { outcome, replaced } => {
                let outcome = refresh_outcome(*outcome);
                format!("Instance refresh {outcome}: {replaced} instances replaced")
            }
            What::PrimaryLost { tier, zone } => {
                format!(
                    "{} primary in zone {} lost",
                    part_name(*tier),
                    self.zone(*zone)
                )
            }
            What::Promoted { tier, zone } => {
                format!(
                    "{} failed over: new primary in zone {}",
                    part_name(*tier),
                    self.zone(*zone)
                )
            }
        };
        Some(format!("{}  {news}", notice.at))
    }

    /// Such as `Alarm queue-high fired: queue size 6,120 (threshold 5,000)`.
    fn alarm(&self, policy: &str, state: AlarmState, datapoint: Option<f64>) -> String {
        let state = match state {
            AlarmState::Ok => "cleared",
            AlarmState::Alarm => "fired",
            AlarmState::InsufficientData => "has insufficient data",
        };
        let reading = match (datapoint, self.alarms.get(policy)) {
            (Some(value), Some(alarm)) => {
                let (metric, unit) = match alarm.metric {
                    Metric::QueueSize => ("queue size", ""),
                    Metric::CpuUtilization => ("CPU", " %"),
                };
                let (value, threshold) = (number(value), number(alarm.threshold));
                format!(": {metric} {value}{unit} (threshold {threshold}{unit})")
            }
            (Some(value), None) => format!(": {}", number(value)),
            (None, _) => String::new(),
        };
        format!("Alarm {policy} {state}{reading}")
    }

    /// What a fault affects, such as ` in zone a` or ` of Redis`.
    fn place(&self, zone: Option<ZoneId>, part: Option<DataTierPart>) -> String {
        match (zone, part) {
            (Some(zone), _) => format!(" in zone {}", self.zone(zone)),
            (None, Some(DataTierPart::Redis)) => " of Redis".to_owned(),
            (None, Some(DataTierPart::Database)) => " of the database".to_owned(),
            (None, None) => String::new(),
        }
    }

    fn zone(&self, zone: ZoneId) -> &str {
        self.zones.get(zone.index()).map_or("?", String::as_str)
    }
}

/// The new state of an instance; `None` for states that last until the next health check or deregistration.
const fn instance_state(state: InstanceState) -> Option<&'static str> {
    match state {
        InstanceState::Healthy => Some("is healthy"),
        InstanceState::Unhealthy => Some("is unhealthy"),
        InstanceState::Lost => Some("was lost"),
        InstanceState::LaunchFailed => Some("could not be launched: no capacity"),
        InstanceState::Terminated => Some("was terminated"),
        InstanceState::Pending | InstanceState::InService | InstanceState::Draining => None,
    }
}

const fn refresh_outcome(outcome: RefreshOutcome) -> &'static str {
    match outcome {
        RefreshOutcome::Successful => "succeeded",
        RefreshOutcome::Failed => "failed",
        RefreshOutcome::Cancelled => "was canceled",
        RefreshOutcome::Rejected => "was rejected (another one is in progress)",
    }
}

const fn part_name(tier: DataTierPart) -> &'static str {
    match tier {
        DataTierPart::Redis => "Redis",
        DataTierPart::Database => "Database",
    }
}

/// A whole number with its thousands separated; datapoints are averages and get one decimal below 100.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "queue sizes and percentages are not negative and far below 2^64"
)]
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        grouped(value.round() as u64)
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_core::fault::catalog::FaultKind;
    use tiketi_core::units::SimTime;
    use tiketi_scenario::Overrides;

    fn line(what: What) -> Option<String> {
        let plan =
            tiketi_scenario::load("x.toml", "", &Overrides::default()).expect("the defaults");
        let at = SimTime::from_secs(90);
        NoticeLines::new(&plan).line(&Notice { at, what })
    }

    #[test]
    fn alarm_line_has_value_and_threshold() {
        let fired = line(What::Alarm {
            policy: "queue-high".to_owned(),
            state: AlarmState::Alarm,
            datapoint: Some(6_120.4),
        });
        let line = fired.expect("an alarm is shown");
        assert!(
            line.ends_with("Alarm queue-high fired: queue size 6,120 (threshold 5,000)"),
            "{line}"
        );
    }

    #[test]
    fn fault_line_of_a_command_has_its_name() {
        let started = line(What::FaultStruck {
            action: FaultKind::Exec,
            zone: None,
            part: None,
            name: Some("kill a pod".to_owned()),
        });
        let started = started.expect("a fault is shown");
        assert!(
            started.ends_with("Fault started: exec \"kill a pod\""),
            "{started}"
        );
    }

    #[test]
    fn fault_line_names_the_zone_or_the_part() {
        let started = |zone, part| {
            line(What::FaultStruck {
                action: FaultKind::LosePrimary,
                zone,
                part,
                name: None,
            })
        };
        let in_zone = started(Some(ZoneId(1)), None).expect("a fault is shown");
        assert!(in_zone.ends_with("Fault started: lose-primary in zone b"));
        let of_redis = started(None, Some(DataTierPart::Redis)).expect("a fault is shown");
        assert!(of_redis.ends_with("Fault started: lose-primary of Redis"));
    }
}
