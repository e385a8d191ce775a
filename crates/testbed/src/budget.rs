//! File descriptors: how many processes a load-balancer node needs, and whether this machine can run the scenario at all.
//!
//! What takes files in numbers that grow with the sale: the buyers' sockets, and calls out of the VPC.

use std::fmt;

use super::edge;
use tiketi_core::fault::catalog::{Action, Fault};
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::Plan;
use tiketi_scenario::topology::RoomPlace;

/// File descriptors a process needs besides its sockets: pools of keep-alive connections, health checks, pipes, runtime.
const RESERVE: u64 = 600;
/// File descriptors per WebSocket in a load-balancer process: one to the client, one to the target.
const FILES_PER_RELAY: u64 = 2;
/// Planned fill level, in percent, of a process that shares sockets with others: the kernel distributes connections over
/// the processes of a node at random, and cookies distribute buyers over instances unevenly.
const FILL_PERCENT: u64 = 90;
/// Connections of an instance process to Redis: for commands and for messages, and twice that while they are replaced
/// (assumption).
const REDIS_CONNECTIONS: u64 = 4;

/// Files that a call out of the VPC takes in the supervisor: both ends of the router, and the one at the provider or S3.
const FILES_PER_CALL_OUTSIDE: u64 = 3;
/// Files that it takes where its instance is.
const FILES_PER_CALL_INSIDE: u64 = 1;
/// Calls for each buyer that may be open at the same time while calls get no answer: authorizations, charges and receipts of
/// buyers who pay one after the other.
const CALLS_PER_BUYER: f64 = 3.0;

/// Size of the sample of buyers' patience.
const PATIENCE_SAMPLE: usize = 1_000;

/// How the run fits into the limit on open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What the budget is for.
    pub demand: Demand,
    /// Processes per load-balancer node, so that a single node can carry all sockets.
    pub processes_per_node: u64,
}

/// What is open at the same time when the sale is busiest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Concurrent sockets of buyers.
    pub sockets: u64,
    /// Concurrent calls out of the VPC.
    pub calls: u64,
}

impl Demand {
    /// Estimates the demand of a plan.
    pub fn forecast(plan: &Plan) -> Self {
        Self {
            sockets: sockets_forecast(plan),
            calls: calls_forecast(plan),
        }
    }
}

/// The process that holds the server end of the buyers' sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// One process with all instances as threads.
    Threads {
        /// Files of the edge, which is in the same process.
        edge: u64,
    },
    /// A process with one instance.
    Process {
        /// The smallest number of instances that may have to share all sockets.
        sharing: u64,
        /// Connections of an instance to the data tier.
        connections: u64,
        /// Files of the edge, in a process of its own.
        edge: u64,
    },
}

/// A process cannot hold this many sockets or calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooFewFiles {
    /// A process that holds sockets of buyers.
    #[error(
        "{} concurrent sockets and {} calls out of the VPC need {needed} open files in {holder}, but the limit is {limit} \
         (raise it with `ulimit -Hn {needed}`, or use fewer buyers: at most {sockets_max} sockets fit)",
        demand.sockets,
        demand.calls
    )]
    Sockets {
        /// What is expected to be open at once.
        demand: Demand,
        /// The process that needs too many files.
        holder: Holder,
        /// Files it needs.
        needed: u64,
        /// The hard limit per process.
        limit: u64,
        /// Concurrent sockets that fit, over all processes.
        sockets_max: u64,
    },
    /// The supervisor, which has the far end of each call.
    #[error(
        "{calls} concurrent calls to the payment provider and S3 need {needed} open files in the process that conducts the \
         run, but the limit is {limit} (raise it with `ulimit -Hn {needed}`, or lower `waiting_room.active_max`)"
    )]
    Calls {
        /// Calls that are expected to be open at once.
        calls: u64,
        /// Files it needs.
        needed: u64,
        /// The hard limit per process.
        limit: u64,
    },
}

impl Holder {
    /// Instances as threads of the process that also has the edge.
    pub fn threads(plan: &Plan) -> Self {
        let edge = edge::files(&plan.topology.edge);
        Self::Threads { edge }
    }

    /// Instances as processes: after the loss of a zone, the rest of the smallest fleet must hold all sockets.
    pub fn process(plan: &Plan) -> Self {
        let topology = &plan.topology;
        let begun = topology.instances.initial.iter().sum::<u32>();
        let largest_zone = topology.instances.initial.iter().max().copied();
        let zones = u32::try_from(topology.zones.len()).unwrap_or(u32::MAX);
        let scheduled = plan.scaling.scheduled.iter();
        let smallest = scheduled
            .filter_map(|action| action.min)
            .fold(plan.scaling.min, u32::min);
        // The group keeps its zones balanced, so a lost zone takes an equal share of the fleet. With a single zone, its
        // loss leaves no instance that would have to hold anything.
        let (left_of_begun, left_of_smallest) = match zones {
            0 | 1 => (begun, smallest),
            _ => (
                begun - largest_zone.unwrap_or_default(),
                smallest - smallest.div_ceil(zones),
            ),
        };
        Self::Process {
            sharing: u64::from(left_of_begun.min(left_of_smallest).max(1)),
            connections: u64::from(topology.database.pool_max) + REDIS_CONNECTIONS,
            edge: edge::files(&topology.edge),
        }
    }

    /// Files that this demand needs in one process that holds sockets.
    fn files(self, Demand { sockets, calls }: Demand) -> u64 {
        match self {
            Self::Threads { .. } => sockets + self.files_besides(calls),
            Self::Process { edge, .. } => {
                let shares = (sockets * 100).div_ceil(self.fill_percent());
                let of_instance = shares.div_ceil(self.sharing()) + self.files_besides(calls);
                of_instance.max(edge + RESERVE)
            }
        }
    }

    /// Files that such a process needs for everything but the sockets.
    fn files_besides(self, calls: u64) -> u64 {
        match self {
            Self::Threads { edge } => {
                calls * (FILES_PER_CALL_INSIDE + FILES_PER_CALL_OUTSIDE) + edge + RESERVE
            }
            Self::Process { connections, .. } => {
                let shares = (calls * 100).div_ceil(self.fill_percent());
                let calls = shares.div_ceil(self.sharing());
                calls * FILES_PER_CALL_INSIDE + connections + RESERVE
            }
        }
    }

    /// Returns the number of concurrent sockets that fit beside `calls` if each process may open `limit` files.
    fn sockets_max(self, limit: u64, calls: u64) -> u64 {
        let one = limit.saturating_sub(self.files_besides(calls));
        match self {
            Self::Threads { .. } => one,
            Self::Process { edge, .. } if edge + RESERVE > limit => 0,
            Self::Process { .. } => one * self.sharing() * self.fill_percent() / 100,
        }
    }

    /// Files of the edge, which is in the process that conducts the run.
    const fn edge(self) -> u64 {
        match self {
            Self::Threads { edge } | Self::Process { edge, .. } => edge,
        }
    }

    const fn sharing(self) -> u64 {
        match self {
            Self::Threads { .. } => 1,
            Self::Process { sharing, .. } => sharing,
        }
    }

    /// A single process holds all sockets: nothing is distributed unevenly.
    const fn fill_percent(self) -> u64 {
        if self.sharing() == 1 {
            100
        } else {
            FILL_PERCENT
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads { .. } => write!(f, "the process that runs the instances"),
            Self::Process { sharing: 1, .. } => write!(
                f,
                "one instance process, which may have to hold all sockets alone when a zone is lost"
            ),
            Self::Process { sharing, .. } => write!(
                f,
                "one instance process ({sharing} may have to share all sockets when a zone is lost)"
            ),
        }
    }
}

impl Budget {
    /// Plans for a demand and `limit` open files per process.
    ///
    /// # Errors
    ///
    /// When a process cannot hold its share of the sockets and calls.
    pub fn new(demand: Demand, limit: u64, holder: Holder) -> Result<Self, TooFewFiles> {
        let needed = holder.files(demand);
        let room_for_relays = limit.saturating_sub(RESERVE) / FILES_PER_RELAY;
        let relays_per_process = room_for_relays * FILL_PERCENT / 100;
        if needed > limit || relays_per_process == 0 {
            return Err(TooFewFiles::Sockets {
                demand,
                holder,
                needed: needed.max(RESERVE + 2 * FILES_PER_RELAY),
                limit,
                sockets_max: holder.sockets_max(limit, demand.calls),
            });
        }
        let needed = demand.calls * FILES_PER_CALL_OUTSIDE + holder.edge() + RESERVE;
        if needed > limit {
            let Demand { calls, .. } = demand;
            return Err(TooFewFiles::Calls {
                calls,
                needed,
                limit,
            });
        }
        Ok(Self {
            demand,
            processes_per_node: demand.sockets.div_ceil(relays_per_process).max(1),
        })
    }

    /// Raises the soft limit of this process to the hard limit, and returns it.
    ///
    /// # Errors
    ///
    /// When the limit cannot be read or raised.
    pub fn raise_limit() -> std::io::Result<u64> {
        rlimit::increase_nofile_limit(u64::MAX)
    }
}

/// Estimates how many buyers may be connected at once: all who have arrived, minus those who have lost patience and those
/// who have been admitted and have finished.
///
/// A conservative fluid estimate: it assumes that all who are admitted stay to pay, and have the most patience.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a float to integer cast saturates; a number of buyers is never negative, and far below 2^52"
)]
pub fn sockets_forecast(plan: &Plan) -> u64 {
    let come_by = |second: f64| -> f64 {
        let by = SimTime::from_secs_f64(second);
        plan.arrivals.iter().map(|phase| phase.planned(by)).sum()
    };
    let seconds = plan.clock.duration.as_secs() as usize + 1;
    let still_patient = still_patient(plan, seconds);
    let stay = shopping_time(plan);
    let through_per_second = through_per_second(plan);
    let mut come: Vec<f64> = Vec::with_capacity(seconds);
    let mut gone: f64 = 0.0;
    let mut most: f64 = 0.0;
    for second in 0..=seconds {
        let now = second as f64;
        come.push(come_by(now) - come_by(now - 1.0));
        let here: f64 = come
            .iter()
            .rev()
            .zip(&still_patient)
            .map(|(come, share)| come * share)
            .sum();
        gone = (gone + through_per_second).min(come_by(now - stay));
        most = most.max(here - gone * still_patient[second]);
    }
    let here = most.ceil() as u64;
    match plan.topology.edge.waiting_room {
        RoomPlace::Application => here,
        // Only who has been admitted has a socket. Who was idle for too long and lost the slot may still be there, so twice as
        // many as there are slots (assumption).
        RoomPlace::Edge => here.min(2 * u64::from(plan.waiting_room.active_max)),
    }
}

/// Returns how long a buyer shops on average, in seconds.
fn shopping_time(plan: &Plan) -> f64 {
    plan.buyers.seat_pick.mean() + plan.buyers.payment.mean()
}

/// Returns how many buyers per second get through if all shopping slots are always taken.
fn through_per_second(plan: &Plan) -> f64 {
    f64::from(plan.waiting_room.active_max) / shopping_time(plan).max(1.0)
}

/// Estimates how many calls out of the VPC may be open at once.
///
/// Conservative: every buyer who gets through pays, and each payment takes as long as an instance waits for one answer. If a
/// fault can keep answers away, the other calls of a payment stay open as well, and all of them for all their attempts. There
/// are never more payments than seats.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to integer cast saturates; a number of calls is never negative"
)]
fn calls_forecast(plan: &Plan) -> u64 {
    let attempts = plan.provider.calls();
    let open_for = if plan.faults.iter().any(keeps_answers_away) {
        attempts.longest().as_secs_f64() * CALLS_PER_BUYER
    } else {
        attempts.timeout.as_secs_f64()
    };
    let calls = (through_per_second(plan) * open_for).ceil() as u64;
    calls.min(u64::from(plan.show.seats_total()))
}

/// Whether calls out of the VPC get no answer, or a late one, while a fault lasts.
const fn keeps_answers_away(fault: &Fault) -> bool {
    match fault.action {
        Action::AzPowerInterruption { .. }
        | Action::LoseNatGateway { .. }
        | Action::S3Unavailable
        | Action::ProviderSlow { .. } => true,
        Action::TerminateInstances { .. }
        | Action::PauseInstances { .. }
        | Action::CpuStress { .. }
        | Action::NetworkLatency { .. }
        | Action::NetworkPacketLoss { .. }
        | Action::LoseAlbNode { .. }
        | Action::StartZonalAutoshift { .. }
        | Action::AsgInsufficientInstanceCapacityError { .. }
        | Action::LosePrimary { .. }
        | Action::PausePrimary { .. }
        | Action::DelayReplica { .. }
        | Action::FillRedisMemory { .. }
        | Action::HoldDatabaseConnections { .. }
        | Action::SlowDns { .. }
        | Action::ReplaceRoute { .. }
        | Action::LoseS3Endpoint
        | Action::ProviderDown
        | Action::Exec { .. }
        | Action::Fis { .. } => false,
    }
}

/// Returns the share of buyers who are still waiting after 0, 1, 2 … `seconds`, from a sample of their patience.
#[expect(clippy::cast_precision_loss, reason = "a sample of a thousand")]
fn still_patient(plan: &Plan, seconds: usize) -> Vec<f64> {
    let mut stream = Streams::new(plan.seed).named("sockets-forecast");
    let sample: Vec<u64> = (0..PATIENCE_SAMPLE)
        .map(|_| plan.buyers.patience.sample(&mut stream).as_secs())
        .collect();
    let waiting = |second: u64| {
        sample
            .iter()
            .filter(|patience| **patience >= second)
            .count()
    };
    let seconds = seconds as u64;
    (0..=seconds)
        .map(|second| waiting(second) as f64 / PATIENCE_SAMPLE as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(sockets: u64, limit: u64) -> Result<Budget, TooFewFiles> {
        Budget::new(only_sockets(sockets), limit, Holder::Threads { edge: 0 })
    }

    const fn only_sockets(sockets: u64) -> Demand {
        Demand { sockets, calls: 0 }
    }

    fn plan(text: &str) -> Plan {
        let text = format!("preset = \"tiketi\"\n{text}");
        let loaded = tiketi_scenario::load("test.toml", &text, &Default::default());
        loaded.unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn a_node_is_split_so_that_it_can_carry_everyone_alone() {
        assert_eq!(threads(500, 20_000).unwrap().processes_per_node, 1);
        assert_eq!(threads(8_730, 20_000).unwrap().processes_per_node, 1);
        assert_eq!(threads(17_000, 20_000).unwrap().processes_per_node, 2);
        assert!(threads(17_000, 4_096).is_err());
        assert_eq!(threads(17_000, 1_000_000).unwrap().processes_per_node, 1);
    }

    #[test]
    fn a_run_that_cannot_fit_is_refused_with_the_figures() {
        let refusal = threads(19_500, 20_000).unwrap_err();
        let text = refusal.to_string();
        assert!(text.contains("at most 19400 sockets fit"), "{text}");
        assert!(text.contains("need 20100 open files in the process that runs the instances"));
        assert!(threads(0, 600).is_err());
    }

    #[test]
    fn instance_processes_share_the_sockets_and_are_refused_with_the_figures() {
        let holder = |sharing| Holder::Process {
            sharing,
            connections: 24,
            edge: 0,
        };
        let budget = Budget::new(only_sockets(19_376), 20_000, holder(1)).unwrap();
        assert_eq!(
            budget.processes_per_node, 3,
            "each node can hold all sockets"
        );
        assert!(Budget::new(only_sockets(19_377), 20_000, holder(1)).is_err());
        // One that shares with others is planned less full: 0.9 * 19,376 * 3.
        assert!(Budget::new(only_sockets(52_315), 20_000, holder(3)).is_ok());
        let refusal = Budget::new(only_sockets(60_000), 20_000, holder(3)).unwrap_err();
        let text = refusal.to_string();
        assert!(text.contains("need 22847 open files in one instance process"));
        assert!(text.contains("3 may have to share all sockets"), "{text}");
        assert!(text.contains("at most 52315 sockets fit"), "{text}");
        for sharing in 1..5 {
            for calls in [0, 7, 300] {
                let sockets = holder(sharing).sockets_max(20_000, calls);
                let needed = holder(sharing).files(Demand { sockets, calls });
                assert!(needed <= 20_000, "{sharing} share");
            }
        }
    }

    #[test]
    fn what_the_edge_opens_is_missing_to_the_sockets_beside_it() {
        let edge = edge::files(&plan("[topology.edge]\napi = \"through\"").topology.edge);
        assert_eq!(edge, 4_000, "from the workers, and to the load balancer");
        let room = plan("[topology.edge]\nwaiting_room = \"edge\"");
        assert_eq!(edge::files(&room.topology.edge), 2_000);
        assert_eq!(Holder::threads(&plan("")), Holder::Threads { edge: 0 });
        let threads = Holder::Threads { edge };
        assert!(Budget::new(only_sockets(15_400), 20_000, threads).is_ok());
        let refusal = Budget::new(only_sockets(15_401), 20_000, threads).unwrap_err();
        let text = refusal.to_string();
        assert!(text.contains("at most 15400 sockets fit"), "{text}");
        let processes = Holder::Process {
            sharing: 2,
            connections: 24,
            edge,
        };
        assert!(Budget::new(only_sockets(15_401), 20_000, processes).is_ok());
        let alone = Budget::new(only_sockets(10), 4_096, processes);
        assert!(alone.is_err(), "the edge alone");
    }

    #[test]
    fn buyers_who_wait_at_the_edge_have_no_socket() {
        let crowd = |edge: &str| {
            sockets_forecast(&plan(&format!(
                r#"
                [clock]
                duration = "300s"
                [waiting_room]
                active_max = 100
                [[arrivals]]
                shape = "poisson"
                rate = 10
                from = "0s"
                until = "200s"
                [topology.edge]
                {edge}
                "#
            )))
        };
        assert!(crowd("") > 1_000);
        assert_eq!(crowd("waiting_room = \"edge\""), 200);
    }

    #[test]
    fn the_smallest_fleet_shares_the_sockets_when_its_fullest_zone_is_lost() {
        let arrivals =
            "[[arrivals]]\nshape = \"poisson\"\nrate = 1\nfrom = \"0s\"\nuntil = \"60s\"";
        let sharing = |topology: &str| {
            let plan = plan(&format!("{topology}\n{arrivals}"));
            match Holder::process(&plan) {
                Holder::Process {
                    sharing,
                    connections,
                    ..
                } => {
                    let pool = u64::from(plan.topology.database.pool_max);
                    assert!(connections > pool, "Redis as well");
                    sharing
                }
                Holder::Threads { .. } => panic!("these are processes"),
            }
        };
        let fleet = |min: u32, initial: &str| {
            format!("[topology.instances]\ninitial = {initial}\n[scaling]\nmin = {min}\nmax = 12")
        };
        assert_eq!(sharing(&fleet(2, "\"min\"")), 1);
        assert_eq!(sharing(&fleet(8, "\"min\"")), 4);
        assert_eq!(sharing(&fleet(7, "\"min\"")), 3);
        assert_eq!(sharing(&fleet(4, "{ a = 5, b = 1 }")), 1);
        assert_eq!(sharing(&fleet(0, "{ a = 3, b = 3 }")), 1, "never none");
    }

    #[test]
    fn calls_out_of_the_vpc_take_files_from_the_sockets() {
        let demand = Demand {
            sockets: 19_000,
            calls: 101,
        };
        let refusal = Budget::new(demand, 20_000, Holder::Threads { edge: 0 }).unwrap_err();
        let text = refusal.to_string();
        assert!(
            text.contains("19000 concurrent sockets and 101 calls out of the VPC need 20004"),
            "{text}"
        );
        assert!(text.contains("at most 18996 sockets fit"), "{text}");
        let process = Holder::Process {
            sharing: 1,
            connections: 24,
            edge: 0,
        };
        assert!(Budget::new(demand, 20_000, process).is_ok());
        let one_less = Demand {
            calls: 376,
            ..demand
        };
        assert!(Budget::new(one_less, 20_000, process).is_ok());
        let too_many = Demand {
            calls: 377,
            ..demand
        };
        assert!(Budget::new(too_many, 20_000, process).is_err());
        let far_ends = Demand {
            sockets: 1,
            calls: 6_467,
        };
        let many = Holder::Process {
            sharing: 4,
            connections: 24,
            edge: 0,
        };
        let text = Budget::new(far_ends, 20_000, many).unwrap_err().to_string();
        assert!(
            text.contains("need 20001 open files in the process that conducts"),
            "{text}"
        );
    }

    #[test]
    fn calls_last_longer_when_a_fault_keeps_answers_away() {
        let calls = |more: &str| {
            let text = format!(
                "waiting_room.active_max = 100\n{more}\n[buyers]\nseat_pick = \"10s\"\npayment = \"10s\"\n\
                 [[arrivals]]\nshape = \"poisson\"\nrate = 1\nfrom = \"0s\"\nuntil = \"60s\""
            );
            Demand::forecast(&plan(&text)).calls
        };
        assert_eq!(calls(""), 20, "5 payments a second, for 4 s");
        let fault = "[[faults]]\nat = \"10s\"\nlasts = \"10s\"\naction = ";
        let lost = calls(&format!("{fault}\"lose-nat-gateway\"\nzone = \"a\""));
        assert_eq!(
            lost, 128,
            "authorization, charge and receipt, for 8.5 s each"
        );
        let down = calls(&format!("{fault}\"provider-down\""));
        assert_eq!(down, 20, "it answers at once");
        let few = "[[show.sections]]\nname = \"A\"\nrows = 1\nseats_per_row = 7\nprice = 1_000";
        assert_eq!(calls(few), 7, "one payment per seat");
    }

    #[test]
    fn buyers_who_have_been_let_through_no_longer_count() {
        let plan = |active_max: u32| {
            plan(&format!(
                r#"
                [clock]
                duration = "300s"
                [waiting_room]
                active_max = {active_max}
                [[arrivals]]
                shape = "poisson"
                rate = 10
                from = "0s"
                until = "200s"
                [buyers]
                seat_pick = "10s"
                payment = "10s"
                patience = "10h"
                "#
            ))
        };
        assert_eq!(sockets_forecast(&plan(2_000)), 200, "20 s of arrivals");
        let crowd = sockets_forecast(&plan(100));
        assert!(
            (1_000..1_200).contains(&crowd),
            "5 a second go, {crowd} stay"
        );
    }
}
