//! How far the replicas are behind, sampled each second of a run in which a fault delays one.
//!
//! Otherwise the lag is what the scenario says, and there is nothing to measure.

use std::time::Duration;

use tiketi_core::fault::catalog::Action;
use tiketi_core::units::DataTierPart;
use tiketi_scenario::Plan;
use tiketi_scenario::topology::DatabaseKind;

use crate::ending::LagFigures;

/// The samples of a run on machines that simulate replication.
#[derive(Debug)]
pub struct ReplicaLags {
    /// The delay of the link to the replica of the database while a fault sets it.
    pub database_delay: Option<Duration>,
    /// The same when no fault does; `None` without a replica.
    database_usual: Option<Duration>,
    /// Samples of each part; `None` if nobody measures it.
    redis: Option<Vec<Duration>>,
    database: Option<Vec<Duration>>,
}

impl ReplicaLags {
    /// No samples yet.
    pub fn new(plan: &Plan) -> Self {
        let delays = |wanted| {
            let of = |action: &Action| matches!(action, Action::DelayReplica { part, .. } if *part == wanted);
            plan.faults.iter().any(|fault| of(&fault.action))
        };
        let (redis, database) = (&plan.topology.redis, &plan.topology.database);
        let usual = match database.kind {
            DatabaseKind::Aurora => database.replica_lag,
            DatabaseKind::RdsMultiAz => database.commit,
        };
        let has_samples = |part, replica: bool| (replica && delays(part)).then(Vec::new);
        Self {
            database_delay: None,
            database_usual: database.standby.map(|_| usual),
            redis: has_samples(DataTierPart::Redis, redis.replica.is_some()),
            database: has_samples(DataTierPart::Database, database.standby.is_some()),
        }
    }

    /// Takes a sample; `redis` says how far its replica is behind, `None` while there is no primary.
    pub fn sample(&mut self, redis: Option<Duration>, database_is_up: bool) {
        if let Some(samples) = &mut self.redis {
            samples.extend(redis);
        }
        let database = self.database_delay.or(self.database_usual);
        if let Some(samples) = &mut self.database {
            samples.extend(database.filter(|_| database_is_up));
        }
    }

    /// What was measured of Redis and of the database.
    pub fn figures(&self) -> (Option<LagFigures>, Option<LagFigures>) {
        let figures = |samples: &Option<Vec<_>>| LagFigures::of(samples.as_deref()?);
        (figures(&self.redis), figures(&self.database))
    }
}
