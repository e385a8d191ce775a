//! Control-plane events and the stages of a visit in words.

use tiketi_buyer::observation::{LeaveReason, Stage};
use tiketi_cloud::notice::{AlarmState, DataTierPart, InstanceState, SwallowReason, What};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::ZoneId;
use tiketi_scenario::Plan;
use tiketi_scenario::scaling::Metric;
use tiketi_scenario::topology::Topology;

use super::deployment;
use crate::number::Number;
use crate::wording::capitalized;

/// A stage of a purchase.
pub(super) const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Arrived => "arrived",
        Stage::PageLoaded => "loaded the page",
        Stage::Queued => "joined the queue",
        Stage::Admitted => "admitted",
        Stage::SeatsSeen => "saw the seat map",
        Stage::SeatHeld => "held a seat",
        Stage::Paid => "bought a ticket",
    }
}

/// How a visit ended.
pub(super) const fn reason(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::Paid => "bought a ticket",
        LeaveReason::SoldOut => "sold out",
        LeaveReason::OutOfPatience => "gave up waiting",
        LeaveReason::TooManyConflicts => "gave up after too many taken seats",
        LeaveReason::WalkedAway => "left without paying",
        LeaveReason::HoldExpired => "payment refused (hold expired or card declined)",
        LeaveReason::TooManyErrors => "gave up after too many errors",
        LeaveReason::Unfinished => "still active when the run ended",
    }
}

/// A part of the data tier.
pub(super) const fn part(part: DataTierPart) -> &'static str {
    match part {
        DataTierPart::Redis => "Redis",
        DataTierPart::Database => "database",
    }
}

/// The name of a zone; its number if the topology does not name it.
pub(super) fn zone(zone: ZoneId, topology: &Topology) -> String {
    let known = topology.zones.get(zone.index());
    known.map_or_else(|| zone.0.to_string(), |zone| zone.name.clone())
}

/// The beginning of a fault: `zone a lost power`.
pub(super) fn fault_started(
    action: FaultKind,
    zone: Option<&str>,
    of: Option<DataTierPart>,
) -> String {
    let zone = zone.unwrap_or_default();
    let part = of.map_or("data tier", part);
    match action {
        FaultKind::AzPowerInterruption => format!("zone {zone} lost power"),
        FaultKind::TerminateInstances => format!("instances in zone {zone} were terminated"),
        FaultKind::PauseInstances => format!("instances in zone {zone} stopped responding"),
        FaultKind::CpuStress => format!("instances in zone {zone} slowed by other work"),
        FaultKind::NetworkLatency => format!("packets of zone {zone} delayed"),
        FaultKind::NetworkPacketLoss => format!("packets of zone {zone} being lost"),
        FaultKind::LoseAlbNode => format!("load balancer node in zone {zone} failed"),
        FaultKind::StartZonalAutoshift => format!("traffic shifted away from zone {zone}"),
        FaultKind::AsgInsufficientInstanceCapacityError => {
            format!("no capacity for new instances in zone {zone}")
        }
        FaultKind::LosePrimary => format!("{part} primary failed"),
        FaultKind::PausePrimary => format!("{part} primary stopped responding"),
        FaultKind::DelayReplica => format!("{part} replica delayed"),
        FaultKind::FillRedisMemory => "Redis memory filled by another workload".to_owned(),
        FaultKind::SlowDns => "DNS answers late or not at all".to_owned(),
        FaultKind::HoldDatabaseConnections => {
            "database connections taken by another client".to_owned()
        }
        FaultKind::LoseNatGateway => format!("NAT gateway in zone {zone} failed"),
        FaultKind::ReplaceRoute => {
            format!("route of the private subnet in zone {zone} changed to another NAT gateway")
        }
        FaultKind::S3Unavailable => "S3 cannot be reached".to_owned(),
        FaultKind::LoseS3Endpoint => "endpoint of S3 removed".to_owned(),
        FaultKind::ProviderSlow => "payment provider slow".to_owned(),
        FaultKind::ProviderDown => "payment provider failed".to_owned(),
        // An event shows the command by its name.
        FaultKind::Exec => "command of the scenario".to_owned(),
        FaultKind::Fis => "experiment of AWS FIS".to_owned(),
    }
}

/// The end of a fault: `zone a power restored`.
pub(super) fn fault_ended(
    action: FaultKind,
    zone: Option<&str>,
    of: Option<DataTierPart>,
) -> String {
    let zone = zone.unwrap_or_default();
    let part = of.map_or("data tier", part);
    match action {
        FaultKind::AzPowerInterruption => format!("zone {zone} power restored"),
        FaultKind::PauseInstances => format!("instances in zone {zone} responding again"),
        FaultKind::CpuStress => format!("instances in zone {zone} at full speed again"),
        FaultKind::NetworkLatency => format!("packets of zone {zone} no longer delayed"),
        FaultKind::NetworkPacketLoss => format!("packets of zone {zone} no longer lost"),
        FaultKind::LoseAlbNode => format!("load balancer node in zone {zone} restored"),
        FaultKind::StartZonalAutoshift => format!("traffic of zone {zone} back"),
        FaultKind::AsgInsufficientInstanceCapacityError => {
            format!("capacity for new instances in zone {zone} again")
        }
        FaultKind::LosePrimary => format!("failed {part} primary restarted as a replica"),
        FaultKind::PausePrimary => format!("{part} primary responding again"),
        FaultKind::DelayReplica => format!("{part} replica no longer delayed"),
        FaultKind::FillRedisMemory => "other workload freed Redis memory".to_owned(),
        FaultKind::SlowDns => "DNS answers at once again".to_owned(),
        FaultKind::HoldDatabaseConnections => {
            "other client released database connections".to_owned()
        }
        FaultKind::LoseNatGateway => format!("NAT gateway in zone {zone} restored"),
        FaultKind::S3Unavailable => "S3 can be reached again".to_owned(),
        FaultKind::LoseS3Endpoint => "endpoint of S3 restored".to_owned(),
        FaultKind::ProviderSlow => "payment provider as fast as before".to_owned(),
        FaultKind::ProviderDown => "payment provider working again".to_owned(),
        FaultKind::Exec => "command of the scenario over".to_owned(),
        FaultKind::Fis => "experiment of AWS FIS over".to_owned(),
        // A momentary fault has no end; only an archive that was edited says so.
        FaultKind::ReplaceRoute => format!("change of the route in zone {zone} over"),
        FaultKind::TerminateInstances => format!("termination of instances in zone {zone} over"),
    }
}

/// One event.
pub(super) fn event(what: &What, plan: &Plan) -> String {
    let zone = |id: ZoneId| zone(id, &plan.topology);
    let told = match what {
        What::FaultStruck {
            action,
            name: Some(name),
            ..
        } => return format!("Fault started: {action} \"{name}\""),
        What::FaultHealed {
            action,
            name: Some(name),
            ..
        } => return format!("Fault ended: {action} \"{name}\""),
        What::FaultStruck {
            action,
            zone: at,
            part,
            name: None,
        } => fault_started(*action, at.map(zone).as_deref(), *part),
        What::FaultHealed {
            action,
            zone: at,
            part,
            name: None,
        } => fault_ended(*action, at.map(zone).as_deref(), *part),
        What::Alarm {
            policy,
            state,
            datapoint,
        } => return alarm(policy, *state, *datapoint, plan),
        What::Scaled { policy, from, to } => return format!("{policy}: desired {from} → {to}"),
        What::Swallowed { policy, reason } => {
            return format!("{policy} did not scale: {}", swallowed(*reason));
        }
        What::Instance {
            instance,
            zone: at,
            state,
        } => return instances(&[instance.to_string()], &zone(*at), *state),
        What::RefreshStarted { instances } => {
            format!("instance refresh started: {instances} instances to replace")
        }
        What::RefreshWaits { replaced } => {
            format!("instance refresh waits at a checkpoint: {replaced} instances replaced")
        }
        What::RefreshEnded { outcome, replaced } => format!(
            "instance refresh {}: {replaced} instances replaced",
            deployment::in_words(*outcome)
        ),
        What::PrimaryLost { tier: of, zone: at } => {
            format!("{} primary in zone {} lost", part(*of), zone(*at))
        }
        What::Promoted { tier: of, zone: at } => format!(
            "{} accepting writes again, in zone {}",
            part(*of),
            zone(*at)
        ),
    };
    capitalized(&told)
}

/// Instances of one zone that reached one state: `i-2, i-3 in zone a: launched`.
pub(super) fn instances(names: &[String], zone: &str, state: InstanceState) -> String {
    format!("{} in zone {zone}: {}", names.join(", "), lifecycle(state))
}

/// `Alarm queue-high fired: queue size 6,400 (threshold 5,000)`.
fn alarm(policy: &str, state: AlarmState, datapoint: Option<f64>, plan: &Plan) -> String {
    let what = match state {
        AlarmState::Ok => "cleared",
        AlarmState::Alarm => "fired",
        AlarmState::InsufficientData => "has too little data",
    };
    let watched = plan.scaling.policies.iter();
    let watched = watched.map(|one| (&one.name, &one.alarm));
    let alarm = watched.into_iter().find(|(name, _)| *name == policy);
    let reading = datapoint.zip(alarm).map(|(value, (_, alarm))| {
        let (metric, unit) = match alarm.metric {
            Metric::QueueSize => ("queue size", ""),
            Metric::CpuUtilization => ("CPU", "%"),
        };
        let [value, threshold] = [value, alarm.threshold].map(Number::decimal);
        format!(": {metric} {value}{unit} (threshold {threshold}{unit})")
    });
    format!("Alarm {policy} {what}{}", reading.unwrap_or_default())
}

const fn swallowed(reason: SwallowReason) -> &'static str {
    match reason {
        SwallowReason::ActivityInProgress => "another scaling activity is in progress",
        SwallowReason::Cooldown => "cooldown",
        SwallowReason::WarmingUp => "instances that are warming up already count",
        SwallowReason::AtLimit => "the group is at its size limit",
        SwallowReason::Suspended => "the process is suspended",
    }
}

const fn lifecycle(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "launched",
        InstanceState::InService => "registered",
        InstanceState::Healthy => "healthy, receiving requests",
        InstanceState::Unhealthy => "unhealthy",
        InstanceState::Draining => "draining",
        InstanceState::Terminated => "terminated",
        InstanceState::Lost => "lost",
        InstanceState::LaunchFailed => "launch failed, no capacity",
    }
}
