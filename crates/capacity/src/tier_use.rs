//! How much of each tier a run used at its peak, and how much there is: what is left is the buffer.

use serde::{Deserialize, Serialize};

use super::figures::count;
use tiketi_cloud::notice::InstanceState;
use tiketi_measure::Measurements;
use tiketi_measure::ending::DataTierFigures;
use tiketi_measure::gauges::Gauges;

const BYTES_A_MIB: f64 = 1_048_576.0;

/// Something that can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Mean utilization of the instances' CPUs, the highest reading.
    InstanceCpu,
    /// Instances wanted, of `scaling.max`.
    Instances,
    /// Buyers on an active place, of `waiting_room.active_max`.
    ActivePlaces,
    /// Connections to the database at their most, or where nobody counted them if every pool is full, of those it admits.
    DatabaseConnections,
    /// Cores of the database, on average over the run.
    DatabaseCores,
    /// Redis' one thread, on average over the run.
    RedisCpu,
    /// Memory of Redis at its most, of what it may use.
    RedisMemory,
    /// Waits for a pooled connection that took their full time, of all waits.
    PoolTimeouts,
    /// Commands sent to Redis a second, on average.
    RedisCommands,
    /// Statements sent to the database a second, on average.
    DatabaseStatements,
    /// Capacity units of the load balancer, on average.
    LoadBalancerUnits,
    /// Sockets connected at once.
    Sockets,
}

/// Use of one tier.
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
    /// The words of reports.
    pub const fn title(self) -> &'static str {
        match self {
            Self::InstanceCpu => "CPU of the instances, busiest reading",
            Self::Instances => "instances wanted",
            Self::ActivePlaces => "active places of the waiting room",
            Self::DatabaseConnections => "database connections",
            Self::DatabaseCores => "cores of the database, mean",
            Self::RedisCpu => "CPU of Redis, mean",
            Self::RedisMemory => "memory of Redis, MiB",
            Self::PoolTimeouts => "waits for a pooled connection that timed out",
            Self::RedisCommands => "Redis commands a second, mean",
            Self::DatabaseStatements => "database statements a second, mean",
            Self::LoadBalancerUnits => "load-balancer capacity units, mean",
            Self::Sockets => "sockets connected at once",
        }
    }

    /// Whether using all of it is how it is meant to be: a full waiting room protects what lies behind it, and a fleet
    /// at its largest size only ends the growth.
    pub const fn is_meant_to_fill(self) -> bool {
        matches!(self, Self::ActivePlaces | Self::Instances)
    }

    /// Whether it is a part of a whole.
    pub const fn is_share(self) -> bool {
        matches!(
            self,
            Self::InstanceCpu | Self::PoolTimeouts | Self::RedisCpu
        )
    }
}

impl TierUse {
    /// The part that is left, 0 or less when nothing is; `None` without a limit.
    pub fn left(&self) -> Option<f64> {
        let limit = self.limit.filter(|limit| *limit > 0.0)?;
        Some(1.0 - self.used / limit)
    }
}

/// The use of every tier that the run tells of.
pub(super) fn tiers(run: &Measurements) -> Vec<TierUse> {
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
    let serving = [
        InstanceState::InService,
        InstanceState::Healthy,
        InstanceState::Unhealthy,
    ];
    let pool_max = f64::from(plan.topology.database.pool_max);
    let counted = data_tier(run).map(|figures| f64::from(figures.database_connections_peak));
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

/// What the system counted about itself, spread over the run.
fn of_system(run: &Measurements) -> Vec<TierUse> {
    let seconds = run.ending.ended_at.as_secs_f64();
    let Some(system) = run.ending.system.as_ref().filter(|_| seconds > 0.0) else {
        return Vec::new();
    };
    let timeouts = if system.pool_waits > 0 {
        count(system.pool_timeouts) / count(system.pool_waits)
    } else {
        0.0
    };
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

/// What Redis and the database told of themselves, if they did.
fn of_data_tier(run: &Measurements) -> Vec<TierUse> {
    let seconds = run.ending.ended_at.as_secs_f64();
    let Some(figures) = data_tier(run).filter(|_| seconds > 0.0) else {
        return Vec::new();
    };
    let mib = |bytes: u64| count(bytes) / BYTES_A_MIB;
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

/// The highest use of each tier over several runs, in the order of the first.
pub(super) fn highest(runs: &[&[TierUse]]) -> Vec<TierUse> {
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

/// The tier with the least left, of those that are not meant to fill.
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
    fn the_buffer_is_what_is_left_of_the_limit() {
        let tiers = tiers(&example::run());
        let of = |tier| *tiers.iter().find(|tier_use| tier_use.tier == tier).unwrap();
        let cpu = of(Tier::InstanceCpu);
        assert!(cpu.left().is_some_and(|left| left < 1.0), "{cpu:?}");
        assert_eq!(of(Tier::Sockets).left(), None, "nothing limits them");
    }

    #[test]
    fn of_several_runs_the_highest_use_counts() {
        let of = |used| [unlimited(Tier::Sockets, used)];
        let highest = highest(&[&of(3.0), &of(5.0), &of(4.0)]);
        assert_eq!(highest, of(5.0));
    }

    #[test]
    fn a_full_waiting_room_is_not_what_is_tight() {
        let of = |tier, used| TierUse {
            tier,
            used,
            limit: Some(1.0),
        };
        let tiers = [of(Tier::ActivePlaces, 1.0), of(Tier::InstanceCpu, 0.4)];
        assert_eq!(tightest(&tiers).unwrap().tier, Tier::InstanceCpu);
    }
}
