//! How much of each tier was used from one reading of the gauges to the next.

use std::time::Duration;

use super::tier::Tier;
use crate::figure::count;
use tiketi_cloud::notice::InstanceState;
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;
use tiketi_measure::gauges::Gauges;
use tiketi_scenario::Plan;

/// The tiers whose use is read over time. Where several fill up together, the first in this list is what the others wait for: a
/// request passes them from the last to the first.
pub(super) const WATCHED: [Tier; 9] = [
    Tier::DatabaseCores,
    Tier::DatabaseConnections,
    Tier::RedisMemory,
    Tier::RedisCpu,
    Tier::ConnectionPool,
    Tier::Broadcasts,
    Tier::InstanceCpu,
    Tier::LoadBalancer,
    Tier::ActivePlaces,
];

/// What was read at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// When it begins: the time of the reading before.
    pub(super) from: SimTime,
    /// How long it is.
    pub(super) length: Duration,
    /// The used share of each tier of [`WATCHED`], 0 to 1; `None` where it was not read.
    pub(super) used: [Option<f64>; WATCHED.len()],
}

/// Returns the use of each tier between any two readings of the gauges. The first reading has nothing before it.
pub(super) fn readings(run: &Measurements) -> Vec<Reading> {
    let ticks = run.series.ticks().iter();
    let gauges: Vec<&Gauges> = ticks.filter_map(|tick| tick.gauges.as_ref()).collect();
    let pairs = gauges.windows(2).map(|pair| (pair[0], pair[1]));
    let later = pairs.filter(|(before, now)| now.at > before.at);
    later
        .map(|(before, now)| Reading {
            from: before.at,
            length: now.at - before.at,
            used: WATCHED.map(|tier| used(tier, &run.plan, before, now)),
        })
        .collect()
}

/// Returns the used share of one tier between two readings; `None` if it was not read.
fn used(tier: Tier, plan: &Plan, before: &Gauges, now: &Gauges) -> Option<f64> {
    let seconds = (now.at - before.at).as_secs_f64();
    let (was, is) = (&before.parts, &now.parts);
    let database = &plan.topology.database;
    let used = match tier {
        Tier::DatabaseCores => {
            worked(was.database_busy, is.database_busy)? / seconds / f64::from(database.cores)
        }
        Tier::DatabaseConnections => {
            let open = f64::from(is.connections?) / f64::from(database.connections_max);
            // A server that has refused one was full, even if it no longer is.
            if is.connections_refused > was.connections_refused {
                1.0
            } else {
                open
            }
        }
        Tier::RedisMemory => {
            let limit = plan.topology.redis.memory_max_bytes();
            if is.redis_refused > was.redis_refused {
                1.0
            } else {
                count(is.redis_memory?) / count(limit.max(1))
            }
        }
        Tier::RedisCpu => worked(was.redis_busy, is.redis_busy)? / seconds,
        Tier::ConnectionPool => f64::from(is.pool_in_use?) / f64::from(database.pool_max),
        // Most of what the busiest instance does; it has this use if more than half of all CPU time goes into messages.
        Tier::Broadcasts => {
            let sent = worked(was.broadcast_busy, is.broadcast_busy)?;
            let all = now.cpu? * f64::from(is.cpu_instances) * seconds;
            if sent > all * 0.5 {
                is.cpu_busiest?
            } else {
                sent / seconds / f64::from(is.cpu_instances.max(1))
            }
        }
        Tier::InstanceCpu => is.cpu_busiest?,
        Tier::LoadBalancer => f64::from(u8::from(now.instances_in(&[InstanceState::Healthy]) == 0)),
        // Slots that nobody waits for are not short.
        Tier::ActivePlaces => match now.waiting? {
            0 => 0.0,
            1.. => count(now.active?) / f64::from(plan.waiting_room.active_max),
        },
        Tier::Instances
        | Tier::PoolTimeouts
        | Tier::RedisCommands
        | Tier::DatabaseStatements
        | Tier::LoadBalancerUnits
        | Tier::Sockets => return None,
    };
    Some(used.clamp(0.0, 1.0))
}

/// Returns the seconds that were worked between two totals.
fn worked(before: Option<Duration>, now: Option<Duration>) -> Option<f64> {
    Some(now?.saturating_sub(before?).as_secs_f64())
}
