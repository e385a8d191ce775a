//! The end of a run: what is read once, after the load has ended.

use std::time::Duration;

use super::tier;
use super::world::World;
use tiketi_core::units::SimTime;
use tiketi_cost::Statement;
use tiketi_data_tier::{CachedReads, RedisFigures};
use tiketi_measure::Measurements;
use tiketi_measure::ending::{
    AuditFacts, CacheFigures, DataTierFigures, Ending, Engine, FinalState, FrontFigures,
    GeneratorCheck, SystemFigures, TargetLoad,
};
use tiketi_scenario::topology::ApiWay;

impl World<'_> {
    /// Ends every journey, and assembles the measurements.
    pub(super) fn close(mut self, ended_at: SimTime, interrupted: bool) -> Measurements {
        for buyer in self.crowd.present() {
            if let Some(mut journey) = self.crowd.take(buyer) {
                journey.handle_end(ended_at);
                while let Some(observation) = journey.poll_observation() {
                    self.recorder.observe(&observation);
                }
            }
        }
        // What was sent at the very end has still arrived.
        self.settle_all_messages(ended_at + Duration::from_nanos(1));
        let messages_due = self.messages_settled();
        self.read_levels(ended_at);
        self.assembly.absorb(self.recorder.take_frame());
        let surplus = self.fleet.settle(ended_at);
        self.cloud.driver.billing_mut().handle_surplus(surplus);
        let statement = self.statement(ended_at);
        let charges = self.settle_payments();
        let facts = tier::audit(self.plan, &self.seats, &self.acknowledged, charges);
        let ending = Ending {
            engine: Engine::Model,
            began: String::new(),
            ended_at,
            interrupted,
            failure: None,
            wall: Duration::ZERO,
            generator: GeneratorCheck {
                planned: self.arrivals.len() as u64,
                workers: Vec::new(),
                credential_error: None,
                tool: None,
            },
            state: FinalState::Read(AuditFacts {
                admissions: tier::admissions(&self.redis, self.room.as_ref()),
                ..facts
            }),
            system: Some(self.figures(ended_at, messages_due)),
            statement,
            target: None,
            probes: Vec::new(),
            commands: Vec::new(),
            observed: Vec::new(),
        };
        self.assembly.finish(ending)
    }

    fn statement(&self, ended_at: SimTime) -> Option<Statement> {
        let sales = self.assembly.tally().sales();
        let billing = self.cloud.driver.billing();
        billing.statement(self.plan, ended_at, sales)
    }

    fn figures(&self, ended_at: SimTime, messages_due: u64) -> SystemFigures {
        let (redis, database) = (self.redis.figures(), self.database.figures());
        let (redis_lag, database_lag) = self.cloud.lags.figures();
        let has_cookies = self.plan.topology.alb.stickiness.is_some();
        SystemFigures {
            cache_hits: redis.hits,
            cache_misses: redis.misses,
            database_queries: database.queries,
            redis_operations: redis.operations,
            pool_timeouts: database.pool_timeouts,
            pool_waits: database.pool_waits,
            monitor_runs: Some(self.cloud.driver.queue_samples()),
            targets: self.targets(ended_at),
            stickiness: has_cookies.then(|| self.front.stickiness()),
            strangers_refused: None,
            out_of_files: None,
            messages_due: Some(messages_due),
            edge: Some(self.front_figures()),
            data_tier: Some(DataTierFigures {
                redis_busy: self.redis.busy_until(ended_at),
                redis_memory_peak: redis.memory_peak,
                redis_memory_max: redis.memory_max,
                redis_keys_evicted: redis.evicted.sessions + redis.evicted.bodies,
                redis_queues_evicted: redis.evicted.lines,
                redis_waiting_evicted: redis.evicted.waiting,
                redis_writes_refused: redis.writes_refused,
                database_busy: self.database.busy_until(ended_at),
                database_connections_peak: database.connections_peak,
                database_connections_refused: database.connections_refused,
                database_row_lock_waits: database.row_lock_waits,
                redis_lag,
                database_lag,
                failovers: self.cloud.failovers.clone(),
                cache: Some(cache(self.seats.cached_reads(), redis)),
            }),
            outbound: Some(self.outbound.uses()),
            provider: Some(self.provider.figures()),
        }
    }

    fn front_figures(&self) -> FrontFigures {
        let passed = self.cloud.driver.billing().passed();
        FrontFigures {
            files: self.edge.figures(),
            passed_requests: passed.requests,
            passed_bytes: passed.bytes_out,
            site: self.names.site_figures(),
            // Answers of the model are numbers of locations.
            site_astray: 0,
            load_balancer: *self.front.name_figures(),
            passing: (self.plan.topology.edge.api == ApiWay::Through).then_some(self.edge.passing),
            room: self.room.as_ref().map(|room| *room.figures()),
        }
    }

    fn targets(&self, ended_at: SimTime) -> Vec<TargetLoad> {
        let answered = self.fleet.all().filter(|(_, one)| one.requests > 0);
        answered
            .map(|(instance, one)| TargetLoad {
                instance,
                requests: one.requests,
                in_service: one.in_service(ended_at),
            })
            .collect()
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
