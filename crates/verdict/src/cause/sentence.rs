//! The cause of a failed run in one sentence.

use std::time::Duration;

use super::tier::Tier;
use super::{Cause, FirstFailure, Launched, Reaction, Saturation, Struck, WINDOW};
use crate::figure::{count, counted, grouped, in_words, significant};
use tiketi_buyer::observation::Failure;
use tiketi_cloud::notice::{DataTierPart, SwallowReason};
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;

/// Returns the sentence: what was the bottleneck or what failed first, what came before, and what the control plane did.
pub(super) fn of(cause: &Cause, run: &Measurements) -> String {
    let mut parts = vec![match &cause.bottleneck {
        Some(bottleneck) => saturated(bottleneck, cause, run),
        None => unsaturated(cause, run),
    }];
    parts.extend(cause.reaction.as_ref().map(reaction));
    format!("Why: {}.", parts.join("; "))
}

/// `from 1m10s on, the CPU of the instances was fully used (4m20s in all)`.
fn saturated(bottleneck: &Saturation, cause: &Cause, run: &Measurements) -> String {
    let since = at(bottleneck.since());
    let what = exhausted(bottleneck.tier, run);
    let lasted = in_words(bottleneck.lasted());
    let before = match cause.faults.last() {
        Some(fault) => format!("after {}, ", struck(fault)),
        None => String::new(),
    };
    // Without a fault, it was the load.
    let load = match cause.faults.last() {
        Some(_) => String::new(),
        None => arrivals(run, bottleneck.since()),
    };
    let behind = match cause.first_failure {
        Some(first) if first.at < bottleneck.since() => {
            format!("; requests failed from {}", failed(first))
        }
        Some(_) | None => String::new(),
    };
    format!("{before}{what} from {since} on{load} ({lasted} in all){behind}")
}

/// What failed first, where nothing was saturated that explains it.
fn unsaturated(cause: &Cause, run: &Measurements) -> String {
    let none = if cause.minutes.is_empty() {
        match run.ending.system {
            Some(_) => "the bottleneck is unknown, because the run has too few readings",
            None => "the bottleneck is unknown, because this target shows no readings of its parts",
        }
    } else {
        "no saturated resource explains it"
    };
    let first = match (cause.faults.last(), cause.first_failure) {
        (Some(fault), Some(first)) => format!(
            "the first event was {}, and requests failed from {}",
            struck(fault),
            failed(first)
        ),
        (Some(fault), None) => format!("the first event was {}", struck(fault)),
        (None, Some(first)) => format!("requests failed from {}", failed(first)),
        (None, None) => "no fault occurred and no request failed".to_owned(),
    };
    format!("{none}; {first}")
}

/// `, when 310 buyers per second arrived`; empty if nobody arrived.
fn arrivals(run: &Measurements, since: SimTime) -> String {
    let (from, until) = (since.as_secs(), (since + WINDOW).as_secs());
    let ticks = run.series.ticks().iter().enumerate();
    let within = ticks.filter(|(index, _)| {
        let start = run.series.start_secs(*index);
        start + run.series.width_secs() > from && start < until
    });
    let (arrived, seconds) = within.fold((0_u64, 0.0), |(arrived, seconds), (index, tick)| {
        let length = run.tick_length(index).as_secs_f64();
        (arrived + tick.started, seconds + length)
    });
    if arrived == 0 || seconds <= 0.0 {
        return String::new();
    }
    let rate = significant(count(arrived) / seconds);
    format!(", when {rate} buyers per second arrived")
}

/// `` `az-power-interruption` in zone a at 5m00s ``.
fn struck(fault: &Struck) -> String {
    let of = match (&fault.name, &fault.zone, fault.part) {
        (Some(name), ..) => format!(" \"{name}\""),
        (None, Some(zone), _) => format!(" in zone {zone}"),
        (None, None, Some(part)) => format!(" of {}", part_name(part)),
        (None, None, None) => String::new(),
    };
    format!("the fault `{}`{of} at {}", fault.action, at(fault.at))
}

const fn part_name(part: DataTierPart) -> &'static str {
    match part {
        DataTierPart::Redis => "Redis",
        DataTierPart::Database => "the database",
    }
}

/// `5m01s on (HTTP 503)`.
fn failed(first: FirstFailure) -> String {
    let most = first.failure.map(kind);
    let most = most.map_or_else(String::new, |kind| format!(" ({kind})"));
    format!("{} on{most}", at(first.at))
}

fn kind(failure: Failure) -> String {
    match failure {
        Failure::Dns => "DNS lookup failed".to_owned(),
        Failure::ConnectRefused => "connection refused".to_owned(),
        Failure::ConnectTimeout => "connection timed out".to_owned(),
        Failure::Reset => "connection reset".to_owned(),
        Failure::Timeout => "request timed out".to_owned(),
        Failure::Handshake => "socket handshake rejected".to_owned(),
        Failure::Status(status) => format!("HTTP {status}"),
        Failure::BadAnswer => "invalid response".to_owned(),
    }
}

/// A tier of which nothing was left, in words.
fn exhausted(tier: Tier, run: &Measurements) -> String {
    let database = &run.plan.topology.database;
    match tier {
        Tier::InstanceCpu => "the CPU of the busiest instance was fully used".to_owned(),
        Tier::Broadcasts => "messages to sockets used up the CPU of the instances".to_owned(),
        Tier::ActivePlaces => format!(
            "the waiting room admitted buyers only as its {} became free",
            counted(run.plan.waiting_room.active_max.into(), "shopping slot")
        ),
        Tier::DatabaseConnections => format!(
            "all {} of the database were in use",
            counted(database.connections_max.into(), "connection")
        ),
        Tier::DatabaseCores => "the cores of the database were fully used".to_owned(),
        Tier::RedisCpu => "the single thread of Redis was fully used".to_owned(),
        Tier::RedisMemory => "the memory of Redis was full".to_owned(),
        Tier::ConnectionPool => format!(
            "a connection pool with {} was exhausted",
            counted(database.pool_max.into(), "connection")
        ),
        Tier::LoadBalancer => "the load balancer had no healthy target".to_owned(),
        Tier::Instances
        | Tier::PoolTimeouts
        | Tier::RedisCommands
        | Tier::DatabaseStatements
        | Tier::LoadBalancerUnits
        | Tier::Sockets => format!("nothing was left of {}", tier.title()),
    }
}

/// What the control plane did: `alarm queue-high fired at 2m05s, and 2 instances were launched at 2m06s, healthy from 6m12s`.
fn reaction(reaction: &Reaction) -> String {
    let mut did = Vec::new();
    if let Some(alarm) = &reaction.alarm {
        did.push(format!("alarm `{}` fired at {}", alarm.what, at(alarm.at)));
    }
    for promoted in &reaction.promoted {
        let part = part_name(promoted.what);
        did.push(format!("{part} had a new primary at {}", at(promoted.at)));
    }
    if let Some(launched) = reaction.launched {
        did.push(instances(launched));
    } else if let Some(held_back) = &reaction.held_back {
        let reason = held_back_by(held_back.what);
        did.push(format!(
            "no instance was launched, because {reason} at {}",
            at(held_back.at)
        ));
    }
    match did.as_slice() {
        [] => "the control plane did nothing about it".to_owned(),
        [.., _] if reaction.launched.is_none() && reaction.held_back.is_none() => {
            format!("{}, and no instance was launched", did.join(", "))
        }
        [one] => one.clone(),
        [others @ .., last] => format!("{}, and {last}", others.join(", ")),
    }
}

fn instances(launched: Launched) -> String {
    let first = at(launched.first_at);
    let launch = match launched.instances {
        1 => format!("1 instance was launched at {first}"),
        several => format!(
            "{} were launched from {first} on",
            counted(several.into(), "instance")
        ),
    };
    let healthy = match launched.healthy_at {
        Some(healthy_at) if launched.healthy == launched.instances => {
            format!("healthy from {} on", at(healthy_at))
        }
        Some(healthy_at) => {
            let some = grouped(launched.healthy.into());
            format!("{some} of them healthy from {} on", at(healthy_at))
        }
        None => "none of them healthy before the end".to_owned(),
    };
    format!("{launch}, {healthy}")
}

const fn held_back_by(reason: SwallowReason) -> &'static str {
    match reason {
        SwallowReason::ActivityInProgress => "another scaling activity was in progress",
        SwallowReason::Cooldown => "a cooldown was in effect",
        SwallowReason::WarmingUp => "instances that were warming up counted already",
        SwallowReason::AtLimit => "the group was at its size limit",
        SwallowReason::Suspended => "the process that would do it was suspended",
    }
}

/// A time of the run, to the second: gauges are not read more often.
fn at(time: SimTime) -> String {
    in_words(Duration::from_secs(time.as_secs()))
}
