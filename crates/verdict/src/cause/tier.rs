//! The tiers that can run out, and the utilization of each: how much a run used at its peak, and how much there is. The rest
//! is the headroom.

use serde::{Deserialize, Serialize};

use crate::figure::count;
use tiketi_cloud::notice::InstanceState;
use tiketi_measure::Measurements;
use tiketi_measure::ending::DataTierFigures;
use tiketi_measure::gauges::Gauges;

const BYTES_PER_MIB: f64 = 1_048_576.0;

/// A resource that can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Mean CPU utilization of all instances, at its peak.
    InstanceCpu,
    /// CPU time that goes into messages to sockets, as a share of what all instances have.
    Broadcasts,
    /// Desired instances at their peak, of `scaling.max`.
    Instances,
    /// Shopping slots in use at their peak, of `waiting_room.active_max`.
    ActivePlaces,
    /// Database connections at their peak, of `connections_max`. Where they are not counted, every pool is assumed to be full.
    DatabaseConnections,
    /// Busy cores of the database, as a mean over the run.
    DatabaseCores,
    /// Utilization of the single thread of Redis, as a mean over the run.
    RedisCpu,
    /// Memory of Redis at its peak, of its limit, in MiB.
    RedisMemory,
    /// Connections in use in the fullest pool, of `pool_max`.
    ConnectionPool,
    /// Waits for a pooled database connection that timed out, as a share of all waits.
    PoolTimeouts,
    /// Redis commands per second, as a mean over the run.
    RedisCommands,
    /// Database statements per second, as a mean over the run.
    DatabaseStatements,
    /// Load balancer capacity units, as a mean over the run.
    LoadBalancerUnits,
    /// Time without a healthy target, as a share.
    LoadBalancer,
    /// Sockets connected at once, at their peak.
    Sockets,
}

/// Utilization of one tier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TierUse {
    /// The tier.
    pub tier: Tier,
    /// How much was used.
    pub used: f64,
    /// How much there is; `None` if nothing documented or configured limits it.
    pub limit: Option<f64>,
}

impl Tier {
    /// Returns the name in reports.
    pub const fn title(self) -> &'static str {
        match self {
            Self::InstanceCpu => "instance CPU",
            Self::Broadcasts => "CPU for messages to sockets",
            Self::Instances => "desired instances",
            Self::ActivePlaces => "shopping slots",
            Self::DatabaseConnections => "database connections",
            Self::DatabaseCores => "database cores, mean",
            Self::RedisCpu => "Redis CPU, mean",
            Self::RedisMemory => "Redis memory, MiB",
            Self::ConnectionPool => "fullest connection pool",
            Self::PoolTimeouts => "pool waits that timed out",
            Self::RedisCommands => "Redis commands/s, mean",
            Self::DatabaseStatements => "database statements/s, mean",
            Self::LoadBalancerUnits => "load-balancer capacity units, mean",
            Self::LoadBalancer => "load balancer without a healthy target",
            Self::Sockets => "connected sockets",
        }
    }

    /// Returns whether it is normal to use all of it: a full waiting room protects the tiers behind it, and a fleet at its
    /// maximum only stops growing. Such a tier is never the bottleneck.
    pub const fn is_meant_to_fill(self) -> bool {
        matches!(self, Self::ActivePlaces | Self::Instances)
    }

    /// Returns whether its numbers are shares, 0 to 1.
    pub const fn is_share(self) -> bool {
        matches!(
            self,
            Self::InstanceCpu
                | Self::Broadcasts
                | Self::ConnectionPool
                | Self::LoadBalancer
                | Self::PoolTimeouts
                | Self::RedisCpu
        )
    }
}

impl TierUse {
    /// Returns the headroom as a share of the limit, 0 or less if there is none left; `None` without a limit.
    pub fn left(&self) -> Option<f64> {
        let limit = self.limit.filter(|limit| *limit > 0.0)?;
        Some(1.0 - self.used / limit)
    }
}

/// Returns the utilization of every tier that was measured.
pub fn tiers(run: &Measurements) -> Vec<TierUse> {
    let mut tiers = of_gauges(run);
    tiers.extend(of_system(run));
    tiers.extend(of_data_tier(run));
    let seconds = run.ending.ended_at.as_secs_f64();
    if let Some(statement) = &run.ending.statement
        && seconds > 0.0
    {
        let hours = seconds / 3_600.0;
        let used = statement.usage.lcu_hours() / hours;
        tiers.push(unlimited(Tier::LoadBalancerUnits, used));
    }
    let sockets = run.series.sockets().into_iter().max().unwrap_or(0);
    tiers.push(unlimited(Tier::Sockets, count(sockets)));
    tiers
}

fn of_gauges(run: &Measurements) -> Vec<TierUse> {
    let plan = &run.plan;
    let peak = |level: &dyn Fn(&Gauges) -> Option<f64>| {
        let gauges = run
            .series
            .ticks()
            .iter()
            .filter_map(|tick| tick.gauges.as_ref());
        gauges.filter_map(level).reduce(f64::max)
    };
    // An unhealthy instance keeps its connections.
    let serving = [
        InstanceState::InService,
        InstanceState::Healthy,
        InstanceState::Unhealthy,
    ];
    let pool_max = f64::from(plan.topology.database.pool_max);
    let counted = data_tier(run).map(|figures| f64::from(figures.database_connections_peak));
    // A pool opens connections as they are needed and keeps them, so under load every pool is full.
    let connections = |gauges: &Gauges| {
        counted.or_else(|| Some(f64::from(gauges.instances_in(&serving)) * pool_max))
    };
    let found = [
        (Tier::InstanceCpu, peak(&|gauges| gauges.cpu), 1.0),
        (
            Tier::Instances,
            peak(&|gauges| Some(f64::from(gauges.desired_instances))),
            f64::from(plan.scaling.max),
        ),
        (
            Tier::ActivePlaces,
            peak(&|gauges| gauges.active.map(count)),
            f64::from(plan.waiting_room.active_max),
        ),
        (
            Tier::DatabaseConnections,
            peak(&connections),
            f64::from(plan.topology.database.connections_max),
        ),
    ];
    let known = found
        .into_iter()
        .filter_map(|(tier, used, limit)| Some((tier, used?, limit)));
    known
        .map(|(tier, used, limit)| TierUse {
            tier,
            used,
            limit: Some(limit),
        })
        .collect()
}

/// Returns what the system counted about itself, as means over the run.
fn of_system(run: &Measurements) -> Vec<TierUse> {
    let seconds = run.ending.ended_at.as_secs_f64();
    let Some(system) = run.ending.system.as_ref().filter(|_| seconds > 0.0) else {
        return Vec::new();
    };
    // Connects that hang in an outage time out as well, without a wait in the pool.
    let tried = system.pool_waits.max(system.pool_timeouts).max(1);
    let timeouts = count(system.pool_timeouts) / count(tried);
    vec![
        TierUse {
            tier: Tier::PoolTimeouts,
            used: timeouts,
            limit: Some(1.0),
        },
        unlimited(
            Tier::RedisCommands,
            count(system.redis_operations) / seconds,
        ),
        unlimited(
            Tier::DatabaseStatements,
            count(system.database_queries) / seconds,
        ),
    ]
}

fn data_tier(run: &Measurements) -> Option<&DataTierFigures> {
    run.ending.system.as_ref()?.data_tier.as_ref()
}

/// Returns the utilization of Redis and the database; empty if they were not measured.
fn of_data_tier(run: &Measurements) -> Vec<TierUse> {
    let seconds = run.ending.ended_at.as_secs_f64();
    let Some(figures) = data_tier(run).filter(|_| seconds > 0.0) else {
        return Vec::new();
    };
    let mib = |bytes: u64| count(bytes) / BYTES_PER_MIB;
    vec![
        TierUse {
            tier: Tier::DatabaseCores,
            used: figures.database_busy.as_secs_f64() / seconds,
            limit: Some(f64::from(run.plan.topology.database.cores)),
        },
        TierUse {
            tier: Tier::RedisCpu,
            used: figures.redis_busy.as_secs_f64() / seconds,
            limit: Some(1.0),
        },
        TierUse {
            tier: Tier::RedisMemory,
            used: mib(figures.redis_memory_peak),
            limit: Some(mib(figures.redis_memory_max)),
        },
    ]
}

const fn unlimited(tier: Tier, used: f64) -> TierUse {
    TierUse {
        tier,
        used,
        limit: None,
    }
}

/// Returns the peak utilization of each tier over several runs, in the order of the first run.
pub fn highest(runs: &[&[TierUse]]) -> Vec<TierUse> {
    let mut highest: Vec<TierUse> = Vec::new();
    for tier_use in runs.iter().copied().flatten() {
        match highest.iter_mut().find(|known| known.tier == tier_use.tier) {
            Some(known) if known.used < tier_use.used => *known = *tier_use,
            Some(_) => {}
            None => highest.push(*tier_use),
        }
    }
    highest
}

/// Returns the bottleneck: the tier with the least headroom, without those that are meant to fill. `None` if no tier has a
/// limit.
pub fn tightest(tiers: &[TierUse]) -> Option<&TierUse> {
    let limited = tiers
        .iter()
        .filter(|tier_use| !tier_use.tier.is_meant_to_fill());
    let limited = limited.filter_map(|tier_use| Some((tier_use, tier_use.left()?)));
    limited
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(tier_use, _)| tier_use)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    #[test]
    fn headroom_is_what_is_left_of_the_limit() {
        let tiers = tiers(&example::run());
        let of = |tier| *tiers.iter().find(|tier_use| tier_use.tier == tier).unwrap();
        let cpu = of(Tier::InstanceCpu);
        assert!(cpu.left().is_some_and(|left| left < 1.0), "{cpu:?}");
        assert_eq!(of(Tier::Sockets).left(), None, "sockets have no limit");
    }

    #[test]
    fn the_peak_over_several_runs_counts() {
        let of = |used| [unlimited(Tier::Sockets, used)];
        let highest = highest(&[&of(3.0), &of(5.0), &of(4.0)]);
        assert_eq!(highest, of(5.0));
    }

    #[test]
    fn a_full_waiting_room_is_not_the_bottleneck() {
        let of = |tier, used| TierUse {
            tier,
            used,
            limit: Some(1.0),
        };
        let tiers = [of(Tier::ActivePlaces, 1.0), of(Tier::InstanceCpu, 0.4)];
        assert_eq!(tightest(&tiers).unwrap().tier, Tier::InstanceCpu);
    }
}
