//! File descriptors: how many processes a load-balancer node needs, and whether this machine can run the scenario at all.

use std::fmt;

use super::edge;
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

/// Size of the sample of buyers' patience.
const PATIENCE_SAMPLE: usize = 1_000;

/// How the run fits into the limit on open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Concurrent sockets that the budget is for.
    pub sockets: u64,
    /// Processes per load-balancer node, so that a single node can carry all sockets.
    pub processes_per_node: u64,
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

/// The instances cannot hold this many sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{sockets} concurrent sockets need {needed} open files in {holder}, but the limit is {limit} \
     (raise it with `ulimit -Hn {needed}`, or use fewer buyers: at most {sockets_max} sockets fit)"
)]
pub struct TooFewFiles {
    /// Expected number of concurrent sockets.
    pub sockets: u64,
    /// The process that needs too many files.
    pub holder: Holder,
    /// Files it needs.
    pub needed: u64,
    /// The hard limit per process.
    pub limit: u64,
    /// Concurrent sockets that fit, over all processes.
    pub sockets_max: u64,
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

    /// Files that `sockets` at once need in one process.
    fn files(self, sockets: u64) -> u64 {
        match self {
            Self::Threads { edge } => sockets + edge + RESERVE,
            Self::Process {
                connections, edge, ..
            } => {
                let shares = (sockets * 100).div_ceil(self.fill_percent());
                let of_instance = shares.div_ceil(self.sharing()) + connections;
                of_instance.max(edge) + RESERVE
            }
        }
    }

    /// Returns the number of concurrent sockets that fit if each process may open `limit` files.
    fn sockets_max(self, limit: u64) -> u64 {
        match self {
            Self::Threads { edge } => limit.saturating_sub(RESERVE + edge),
            Self::Process { edge, .. } if RESERVE + edge > limit => 0,
            Self::Process { connections, .. } => {
                let one = limit.saturating_sub(RESERVE + connections);
                one * self.sharing() * self.fill_percent() / 100
            }
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
    /// Plans for `sockets` concurrent sockets and `limit` open files per process.
    ///
    /// # Errors
    ///
    /// When a process cannot hold its share of the sockets.
    pub fn new(sockets: u64, limit: u64, holder: Holder) -> Result<Self, TooFewFiles> {
        let needed = holder.files(sockets);
        let room_for_relays = limit.saturating_sub(RESERVE) / FILES_PER_RELAY;
        let relays_per_process = room_for_relays * FILL_PERCENT / 100;
        if needed > limit || relays_per_process == 0 {
            return Err(TooFewFiles {
                sockets,
                holder,
                needed: needed.max(RESERVE + 2 * FILES_PER_RELAY),
                limit,
                sockets_max: holder.sockets_max(limit),
            });
        }
        Ok(Self {
            sockets,
            processes_per_node: sockets.div_ceil(relays_per_process).max(1),
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
    let stay = plan.buyers.seat_pick.mean() + plan.buyers.payment.mean();
    let through_per_second = f64::from(plan.waiting_room.active_max) / stay.max(1.0);
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
        Budget::new(sockets, limit, Holder::Threads { edge: 0 })
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
        assert_eq!(threads(17_000, 4_096).map_err(|few| few.limit), Err(4_096));
        assert_eq!(threads(17_000, 1_000_000).unwrap().processes_per_node, 1);
    }

    #[test]
    fn a_run_that_cannot_fit_is_refused_with_the_figures() {
        let refusal = threads(19_500, 20_000).unwrap_err();
        assert_eq!(refusal.sockets_max, 19_400);
        let text = refusal.to_string();
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
        let budget = Budget::new(19_376, 20_000, holder(1)).unwrap();
        assert_eq!(
            budget.processes_per_node, 3,
            "each node can hold all sockets"
        );
        assert!(Budget::new(19_377, 20_000, holder(1)).is_err());
        // One that shares with others is planned less full: 0.9 * 19,376 * 3.
        assert!(Budget::new(52_315, 20_000, holder(3)).is_ok());
        let refusal = Budget::new(60_000, 20_000, holder(3)).unwrap_err();
        assert_eq!(refusal.sockets_max, 52_315);
        let text = refusal.to_string();
        assert!(text.contains("need 22847 open files in one instance process"));
        assert!(text.contains("3 may have to share all sockets"), "{text}");
        assert!(text.contains("at most 52315 sockets fit"), "{text}");
        for sharing in 1..5 {
            let fits = holder(sharing).sockets_max(20_000);
            assert!(holder(sharing).files(fits) <= 20_000, "{sharing} share");
        }
    }

    #[test]
    fn what_the_edge_opens_is_missing_to_the_sockets_beside_it() {
        let edge = edge::files(&plan("[topology.edge]\napi = \"through\"").topology.edge);
        assert_eq!(edge, 4_000, "from the workers, and to the load balancer");
        let room = plan("[topology.edge]\nwaiting_room = \"edge\"");
        assert_eq!(edge::files(&room.topology.edge), 2_000);
        assert_eq!(Holder::threads(&plan("")), Holder::Threads { edge: 0 });
        assert!(Budget::new(15_400, 20_000, Holder::Threads { edge }).is_ok());
        let refusal = Budget::new(15_401, 20_000, Holder::Threads { edge }).unwrap_err();
        assert_eq!(refusal.sockets_max, 15_400);
        let processes = Holder::Process {
            sharing: 2,
            connections: 24,
            edge,
        };
        assert!(Budget::new(15_401, 20_000, processes).is_ok());
        assert!(Budget::new(10, 4_096, processes).is_err(), "the edge alone");
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
