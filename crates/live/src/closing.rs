//! Assembles what is known at the end of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tiketi_server::{Census, SeatState};
use uuid::Uuid;

use super::error::LiveError;
use super::site::Closed;
use super::worker::Done;
use tiketi_buyer::observation::Stage;
use tiketi_core::units::{DataTierPart, SimTime};
use tiketi_measure::command::CommandRun;
use tiketi_measure::ending::{
    AdmissionFacts, AuditFacts, ChargeFacts, DataTierFigures, Ending, Engine, FinalState,
    FrontFigures, GeneratorCheck, LostOrders, Probe, SystemFigures, ToolFigures,
};
use tiketi_measure::observed::LevelRecord;
use tiketi_measure::tally::Tally;
use tiketi_measure::witness::Testimony;

/// Most lost orders that are listed as evidence.
const EXAMPLES_MAX: usize = 5;

/// What has been collected for the end of the run.
#[derive(Debug)]
pub(super) struct Closing {
    began: String,
    interrupted: bool,
    failure: Option<String>,
    planned: u64,
    done: Vec<Done>,
    probes: Vec<Probe>,
    commands: Vec<CommandRun>,
    observed: Vec<LevelRecord>,
}

impl Closing {
    /// Starts with the time at which the run starts.
    pub(super) fn new(start_at_unix_ns: u64) -> Self {
        let began = jiff::Timestamp::from_nanosecond(i128::from(start_at_unix_ns))
            .map_or_else(|_| "unknown".to_owned(), |began| format!("{began:.0}"));
        Self {
            began,
            interrupted: false,
            failure: None,
            planned: 0,
            done: Vec::new(),
            probes: Vec::new(),
            commands: Vec::new(),
            observed: Vec::new(),
        }
    }

    /// Notes how the commands of faults ended.
    pub(super) fn handle_commands(&mut self, commands: Vec<CommandRun>) {
        self.commands = commands;
    }

    /// Notes what was read of a target, and what was not.
    pub(super) fn handle_observed(&mut self, observed: Vec<LevelRecord>) {
        self.observed = observed;
    }

    /// Notes the attempts to open connections that the network may forbid.
    pub(super) fn handle_probes(&mut self, probes: Vec<Probe>) {
        self.probes = probes;
    }

    /// Notes that the user has interrupted the run.
    pub(super) const fn handle_interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Notes why the run cannot continue. The first error is kept: later ones mostly follow from it.
    pub(super) fn handle_failure(&mut self, error: &LiveError) {
        self.failure.get_or_insert_with(|| error.to_string());
    }

    /// Notes that a worker has planned its buyers.
    pub(super) const fn handle_ready(&mut self, buyers: u64) {
        self.planned += buyers;
    }

    /// Notes the last report of a worker.
    pub(super) fn handle_done(&mut self, done: Done) {
        self.done.push(done);
    }

    /// Returns what the buyers of all workers saw of a target, and forgets it.
    pub(super) fn take_testimony(&mut self) -> Testimony {
        let mut sum = Testimony::default();
        let testimonies = self.done.iter_mut();
        for testimony in testimonies.filter_map(|done| done.testimony.take()) {
            sum.merge(*testimony);
        }
        sum
    }

    /// Returns everything that is known at the end: `ended_at` is in scenario time, `wall` the real time since the start.
    pub(super) fn finish(
        self,
        (ended_at, wall): (SimTime, Duration),
        mut closed: Closed,
        tool: ToolFigures,
        tally: &Tally,
    ) -> Ending {
        let state = match &closed.state {
            Ok(state) => FinalState::Read(self.audit_facts(
                state,
                (closed.charges, closed.admissions),
                tally,
            )),
            Err(error) => FinalState::Unread {
                reason: error.to_string(),
            },
        };
        let statement = closed.statement.take();
        if let (FinalState::Read(facts), Some(data_tier)) = (&state, &mut closed.data_tier) {
            blame_for_lost_orders(data_tier, facts.lost_orders.count);
        }
        Ending {
            engine: Engine::Live,
            began: self.began,
            ended_at,
            interrupted: self.interrupted,
            failure: self.failure,
            wall,
            generator: GeneratorCheck {
                planned: self.planned,
                workers: self.done.iter().map(|done| done.figures).collect(),
                credential_error: self
                    .done
                    .iter()
                    .find_map(|done| done.credential_error.clone()),
                tool: Some(tool),
            },
            state,
            statement,
            target: closed.target.take().map(Box::new),
            probes: self.probes,
            commands: self.commands,
            observed: self.observed,
            system: closed
                .census
                .as_ref()
                .map(|census| system_figures(census, &closed, &self.done)),
        }
    }

    fn audit_facts(
        &self,
        state: &tiketi_server::FinalState,
        (charges, at_edge): (Option<ChargeFacts>, Option<AdmissionFacts>),
        tally: &Tally,
    ) -> AuditFacts {
        let paid: BTreeSet<Uuid> = state.orders.iter().map(|order| order.reservation).collect();
        let acknowledged = self.done.iter().flat_map(|done| &done.paid);
        let lost: Vec<&Uuid> = acknowledged.filter(|id| !paid.contains(id)).collect();
        let words = |id: &&Uuid| format!("reservation {id}");
        let seats_in = |wanted| {
            state
                .seats
                .iter()
                .filter(|seat| seat.state == wanted)
                .count() as u64
        };
        AuditFacts {
            seats_total: state.seats.len() as u64,
            seats_free: seats_in(SeatState::Available),
            seats_held: seats_in(SeatState::Locked),
            seats_sold: seats_in(SeatState::Reserved),
            paid_orders: state.orders.len() as u64,
            seats_paid_twice: seats_paid_twice(state),
            captures: charges.map_or(state.captures.len() as u64, |facts| facts.charges),
            charges,
            acknowledged: tally.reached(Stage::Paid),
            lost_orders: LostOrders {
                count: lost.len() as u64,
                examples: lost.iter().take(EXAMPLES_MAX).map(words).collect(),
            },
            admissions: at_edge.or_else(|| admission_facts(state)),
        }
    }
}

/// Attributes lost orders to a failover. They are only noticed at the end of the run, and the last failover of the database
/// may have lost all of them.
fn blame_for_lost_orders(data_tier: &mut DataTierFigures, lost: u64) {
    let mut failovers = data_tier.failovers.iter_mut().rev();
    if let Some(last) = failovers.find(|failover| failover.part == DataTierPart::Database) {
        last.loss.orders = lost;
    }
}

/// Returns the seats with more than one paid order, by label.
fn seats_paid_twice(state: &tiketi_server::FinalState) -> Vec<(String, u64)> {
    let mut orders: BTreeMap<Uuid, u64> = BTreeMap::new();
    for seat in state.orders.iter().flat_map(|order| &order.seats) {
        *orders.entry(*seat).or_default() += 1;
    }
    let label = |seat: Uuid| {
        let found = state.seats.iter().find(|one| one.seat == seat);
        found.map_or_else(|| seat.to_string(), |one| one.label.clone())
    };
    let twice = orders.into_iter().filter(|(_, orders)| *orders > 1);
    twice.map(|(seat, orders)| (label(seat), orders)).collect()
}

/// Returns the ledger of the waiting room; `None` if Redis is down, so that it is unknown who is waiting.
fn admission_facts(state: &tiketi_server::FinalState) -> Option<AdmissionFacts> {
    let (ledger, doors) = (&state.ledger, state.doors?);
    Some(AdmissionFacts {
        joined: ledger.joined,
        put_back: ledger.resurrected_waiting,
        admitted: ledger.admitted,
        left: ledger.left_waiting + ledger.cleared,
        waiting: doors.waiting,
        admitted_twice: ledger.admitted_twice,
        astray: doors.astray,
    })
}

fn system_figures(census: &Census, closed: &Closed, done: &[Done]) -> SystemFigures {
    let fleet = &closed.fleet;
    SystemFigures {
        // The embedded tier counts for all instances together; with servers, each instance counts its own operations.
        cache_hits: census.cache_hits + fleet.sum(|load| load.tier_use.cache_hits),
        cache_misses: census.cache_misses + fleet.sum(|load| load.tier_use.cache_misses),
        database_queries: census.database_queries
            + fleet.sum(|load| load.tier_use.database_queries),
        redis_operations: census.redis_operations
            + fleet.sum(|load| load.tier_use.redis_operations),
        monitor_runs: Some(closed.monitor_runs),
        pool_timeouts: fleet.sum(|load| load.pool_timeouts),
        pool_waits: fleet.sum(|load| load.pool_waits),
        targets: fleet.targets(),
        stickiness: closed.stickiness,
        strangers_refused: Some(fleet.sum(|load| load.strangers_refused)),
        out_of_files: Some(fleet.sum(|load| load.out_of_files)),
        messages_due: Some(fleet.sum(|load| load.fan_out_messages)),
        edge: closed.edge.map(|edge| with_names(edge, done)),
        data_tier: closed.data_tier.clone(),
        outbound: closed.outbound.clone(),
        provider: closed.provider,
    }
}

/// Adds how the load workers have resolved the names.
fn with_names(mut edge: FrontFigures, done: &[Done]) -> FrontFigures {
    for worker in done {
        edge.site.add(&worker.site);
        edge.site_astray += worker.site_astray;
        edge.load_balancer.add(&worker.load_balancer);
    }
    edge
}
