//! Notices as one line for the terminal.

use tiketi_cloud::notice::{AlarmState, DataTierPart, InstanceState, Notice, What};
use tiketi_core::units::ZoneId;

/// The line for a notice; `None` if it is no news while a run goes on (the report's timeline has them all).
pub(super) fn line(notice: &Notice, zones: &[String]) -> Option<String> {
    let name = |zone: ZoneId| zones.get(zone.index()).map_or("?", String::as_str);
    let news = match &notice.what {
        What::Swallowed { .. } => return None,
        What::FaultStruck {
            action,
            zone,
            part: of,
        } => {
            format!("fault: {action}{}", subject(zone.map(name), *of))
        }
        What::FaultHealed {
            action,
            zone,
            part: of,
        } => {
            format!("healed: {action}{}", subject(zone.map(name), *of))
        }
        What::Alarm {
            policy,
            state,
            datapoint,
        } => {
            let state = match state {
                AlarmState::Ok => "OK",
                AlarmState::Alarm => "ALARM",
                AlarmState::InsufficientData => "INSUFFICIENT_DATA",
            };
            let seen = datapoint.map_or_else(String::new, |value| format!(" (datapoint {value})"));
            format!("alarm {policy}: {state}{seen}")
        }
        What::Scaled { policy, from, to } => format!("{policy}: {from} → {to} instances"),
        What::Instance {
            instance,
            zone,
            state,
        } => {
            let state = match state {
                InstanceState::Healthy => "healthy",
                InstanceState::Unhealthy => "unhealthy",
                InstanceState::Lost => "lost",
                InstanceState::Terminated => "terminated",
                InstanceState::Pending | InstanceState::InService | InstanceState::Draining => {
                    return None;
                }
            };
            format!("instance {instance} in zone {}: {state}", name(*zone))
        }
        What::PrimaryLost { tier, zone } => {
            format!("{}: primary in zone {} lost", part(*tier), name(*zone))
        }
        What::Promoted { tier, zone } => {
            format!("{}: promoted in zone {}", part(*tier), name(*zone))
        }
    };
    Some(format!("{}  {news}", notice.at))
}

/// What a fault is about: ` in zone a`, ` of Redis`.
fn subject(zone: Option<&str>, of: Option<DataTierPart>) -> String {
    match (zone, of) {
        (Some(zone), _) => format!(" in zone {zone}"),
        (None, Some(of)) => format!(" of {}", part(of)),
        (None, None) => String::new(),
    }
}

const fn part(tier: DataTierPart) -> &'static str {
    match tier {
        DataTierPart::Redis => "Redis",
        DataTierPart::Database => "database",
    }
}
