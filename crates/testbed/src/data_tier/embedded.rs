//! The embedded data tier: where its primaries are, what faults do to them, and what a failover lost.

use std::sync::Mutex;
use std::time::Duration;

use tiketi_data_tier::{CachedReads, Eviction, Loss, RedisFigures};
use tiketi_server::{Census, EmbeddedLimits, EmbeddedTier, FinalState};

use super::Endpoints;
use crate::lock;
use tiketi_cloud::driver::{Primaries, Promotion, Strain};
use tiketi_cloud::gauges::PartReadings;
use tiketi_core::fault::catalog::Connections;
use tiketi_core::units::{DataTierPart, SimTime, ZoneId};
use tiketi_measure::ending::{self, CacheFigures, DataTierFigures, FailoverFigures};
use tiketi_measure::replica_lag::ReplicaLags;
use tiketi_scenario::Plan;
use tiketi_scenario::topology::{self, DatabaseKind, Topology};

/// The stores in this process, and their endpoints.
pub(crate) struct Embedded {
    tier: EmbeddedTier,
    endpoints: Endpoints,
    primaries: Primaries,
    /// Whether a commit of the database waits for its standby.
    commits_wait: bool,
    /// Each loss of a primary, with the tier's own time of it.
    failovers: Vec<(Duration, FailoverFigures)>,
    lags: Mutex<ReplicaLags>,
}

/// What the servers of a topology have.
pub(crate) fn embedded_limits(topology: &Topology) -> EmbeddedLimits {
    EmbeddedLimits {
        lost_window: topology.redis.lost_window,
        redis_memory_max: topology.redis.memory_max_bytes(),
        redis_eviction: match topology.redis.eviction {
            topology::Eviction::AllKeysLru => Eviction::AllKeysLru,
            topology::Eviction::VolatileLru => Eviction::VolatileLru,
            topology::Eviction::NoEviction => Eviction::NoEviction,
        },
        connections_max: topology.database.connections_max,
        cores: topology.database.cores,
    }
}

impl Embedded {
    /// Puts the primaries where the topology has them.
    pub(crate) fn new(tier: EmbeddedTier, plan: &Plan, endpoints: Endpoints) -> Self {
        let database = &plan.topology.database;
        let commits_wait = match database.kind {
            DatabaseKind::Aurora => false,
            DatabaseKind::RdsMultiAz => database.standby.is_some(),
        };
        Self {
            tier,
            endpoints,
            primaries: Primaries::new(&plan.topology),
            commits_wait,
            failovers: Vec::new(),
            lags: Mutex::new(ReplicaLags::new(plan)),
        }
    }

    /// Takes the primaries that are in `zone`: each is out until one is promoted.
    pub(super) fn lose_zone(&mut self, now: SimTime, zone: ZoneId, connections: Connections) {
        for part in self.primaries.in_zone(zone) {
            self.lose(now, part, connections);
        }
    }

    /// Returns the zone of the primary of a part, or the last one while there is none.
    pub(super) const fn primary(&self, part: DataTierPart) -> ZoneId {
        self.primaries.zone(part)
    }

    /// Begins a strain.
    pub(super) fn strain(&mut self, now: SimTime, strain: Strain) {
        match strain {
            Strain::LosePrimary(part) => self.lose(now, part, Connections::Reset),
            Strain::PausePrimary(DataTierPart::Redis) => self.tier.pause_redis(),
            Strain::PausePrimary(DataTierPart::Database) => self.tier.pause_database(),
            Strain::DelayReplica(part, lag) => self.delay_replica(part, Some(lag)),
            Strain::FillRedisMemory(share) => self.tier.fill_redis(share),
            Strain::HoldDatabaseConnections(count) => self.tier.hold_connections(count),
        }
    }

    /// Ends a strain. A lost primary is a replica when it is back, and the stores have theirs anyway.
    pub(super) fn relieve(&mut self, strain: Strain) {
        match strain {
            Strain::LosePrimary(_) => {}
            Strain::PausePrimary(DataTierPart::Redis) => self.tier.resume_redis(),
            Strain::PausePrimary(DataTierPart::Database) => self.tier.resume_database(),
            Strain::DelayReplica(part, _) => self.delay_replica(part, None),
            Strain::FillRedisMemory(_) => self.tier.empty_redis(),
            Strain::HoldDatabaseConnections(_) => self.tier.release_connections(),
        }
    }

    /// Makes the member in `zone` the primary. Where a lost Redis primary itself comes back, because there was no replica,
    /// it is empty; a database's storage outlives it.
    pub(super) fn promote(&mut self, part: DataTierPart, zone: ZoneId) {
        let loss = match (part, self.primaries.promote(part, zone)) {
            (DataTierPart::Redis, Promotion::Replica) => self.tier.promote_redis(),
            (DataTierPart::Redis, Promotion::LostPrimary) => self.tier.restore_redis_empty(),
            (DataTierPart::Database, _) => {
                self.tier.promote_database();
                // What was committed is in the other zone as well, or still on the disk of the same one.
                Loss::default()
            }
        };
        self.note_promotion(part, zone, loss);
        self.endpoints.point(part, zone);
    }

    /// Buyers in the waiting room; `None` while Redis does not answer.
    pub(super) fn queue_size(&self) -> Option<u64> {
        self.tier.queue_size()
    }

    /// Counts of the moment.
    pub(super) fn census(&self) -> Census {
        let (redis, answers) = (self.tier.redis_lag(), self.tier.database_answers());
        lock(&self.lags).sample(redis, answers);
        self.tier.census()
    }

    /// What its parts are doing. The time of Redis' thread is that of this machine.
    pub(super) fn readings(&self) -> PartReadings {
        let figures = self.tier.figures();
        let (redis, database) = (figures.redis, figures.database);
        PartReadings {
            redis_memory: Some(redis.memory_used),
            redis_refused: Some(redis.writes_refused),
            database_busy: Some(figures.database_busy),
            connections: Some(database.connections_open),
            connections_refused: Some(database.connections_refused),
            ..PartReadings::default()
        }
    }

    /// Everything an audit needs.
    pub(super) fn final_state(&self) -> FinalState {
        self.tier.final_state()
    }

    /// What was measured. The time of Redis' thread is that of this machine, which nobody takes.
    pub(super) fn figures(&self) -> DataTierFigures {
        let figures = self.tier.figures();
        let (redis, database) = (figures.redis, figures.database);
        let (redis_lag, database_lag) = lock(&self.lags).figures();
        let failovers = self.failovers.iter().map(|(_, failover)| failover.clone());
        DataTierFigures {
            redis_busy: Duration::ZERO,
            redis_memory_peak: redis.memory_peak,
            redis_memory_max: redis.memory_max,
            redis_keys_evicted: redis.evicted.sessions + redis.evicted.bodies,
            redis_queues_evicted: redis.evicted.lines,
            redis_waiting_evicted: redis.evicted.waiting,
            redis_writes_refused: redis.writes_refused,
            database_busy: figures.database_busy,
            database_connections_peak: database.connections_peak,
            database_connections_refused: database.connections_refused,
            database_row_lock_waits: database.row_lock_waits,
            redis_lag,
            database_lag,
            failovers: failovers.collect(),
            cache: Some(cache(figures.cached_reads, redis)),
        }
    }

    /// Takes the primary of a part; nothing happens if there is none.
    fn lose(&mut self, now: SimTime, part: DataTierPart, connections: Connections) {
        let lost_zone = self.primaries.zone(part);
        if !self.primaries.lose(part) {
            return;
        }
        match (part, connections) {
            (DataTierPart::Redis, Connections::Silent) => self.tier.silence_redis(),
            (DataTierPart::Redis, Connections::Reset) => self.tier.lose_redis(),
            (DataTierPart::Database, Connections::Silent) => self.tier.silence_database(),
            (DataTierPart::Database, Connections::Reset) => self.tier.lose_database(),
        }
        let failover = FailoverFigures {
            part,
            lost_at: now,
            lost_zone,
            promoted_at: None,
            promoted_zone: None,
            writes_failed_for: None,
            loss: ending::Loss::default(),
        };
        self.failovers.push((self.tier.now(), failover));
    }

    /// Notes that a member takes writes. Instances of the embedded tier follow at once, so that is when writes succeed
    /// again.
    fn note_promotion(&mut self, part: DataTierPart, zone: ZoneId, loss: Loss) {
        let now = self.tier.now();
        let is_open = |(_, one): &&mut (Duration, FailoverFigures)| {
            one.part == part && one.promoted_at.is_none()
        };
        if let Some((lost_at, failover)) = self.failovers.iter_mut().find(is_open) {
            let took = now.saturating_sub(*lost_at);
            failover.promoted_at = Some(failover.lost_at + took);
            failover.promoted_zone = Some(zone);
            failover.writes_failed_for = Some(took);
            failover.loss = ending::Loss {
                places: loss.places,
                places_put_back: loss.places_put_back,
                active_places: loss.active_places,
                sessions: loss.sessions,
                orders: 0,
                reaches_back: loss.reaches_back,
            };
        }
    }

    /// The link to the replica of a part delays what goes over it by `lag`; `None`: as long as it usually does.
    fn delay_replica(&self, part: DataTierPart, lag: Option<Duration>) {
        match part {
            DataTierPart::Redis => self.tier.delay_redis_replica(lag),
            DataTierPart::Database => {
                lock(&self.lags).database_delay = lag;
                if self.commits_wait {
                    self.tier.delay_commits(lag);
                }
            }
        }
    }
}

fn cache(reads: CachedReads, redis: RedisFigures) -> CacheFigures {
    CacheFigures {
        reads: reads.reads,
        stale: reads.stale,
        late: reads.late,
        stale_for_max: reads.stale_for_max,
        changes: reads.changes,
        expired: redis.expired,
        refused_from: redis.refused_from,
    }
}
