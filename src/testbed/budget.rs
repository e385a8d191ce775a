//! Open files: how many processes a load-balancer node needs, and whether the machine can hold the run at all.

use crate::rng::Streams;
use crate::scenario::Plan;
use crate::units::SimTime;

/// Files a process needs beside its sockets: pools of keep-alive connections, health checks, pipes, the runtime.
const RESERVE: u64 = 600;
/// Files a WebSocket costs a load-balancer process: one to the client, one to the target.
const FILES_PER_RELAY: u64 = 2;
/// How full a load-balancer process is planned, in percent: the kernel spreads connections over the processes of a
/// node by chance, not evenly.
const FILL_PERCENT: u64 = 90;

/// Buyers asked for their patience.
const PATIENCE_SAMPLE: usize = 1_000;

/// How the run fits the limit on open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Sockets at once that the budget is for.
    pub sockets: u64,
    /// Processes of each load-balancer node, so that a single node can carry everyone.
    pub processes_per_node: u64,
}

/// The process that holds the instances cannot hold that many sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{sockets} sockets at once need {needed} open files in the process of the instances, and the limit is {limit} \
     (raise it with `ulimit -Hn {needed}`, or run with fewer buyers: at most {sockets_max} sockets fit)"
)]
pub struct TooFewFiles {
    /// Sockets expected at once.
    pub sockets: u64,
    /// Files they need.
    pub needed: u64,
    /// The hard limit of a process.
    pub limit: u64,
    /// Sockets that fit.
    pub sockets_max: u64,
}

impl Budget {
    /// Plans for `sockets` at once, `limit` files a process.
    pub fn new(sockets: u64, limit: u64) -> Result<Self, TooFewFiles> {
        let needed = sockets + RESERVE;
        let room_for_relays = limit.saturating_sub(RESERVE) / FILES_PER_RELAY;
        let relays_per_process = room_for_relays * FILL_PERCENT / 100;
        if needed > limit || relays_per_process == 0 {
            return Err(TooFewFiles {
                sockets,
                needed: needed.max(RESERVE + 2 * FILES_PER_RELAY),
                limit,
                sockets_max: limit.saturating_sub(RESERVE),
            });
        }
        Ok(Self {
            sockets,
            processes_per_node: sockets.div_ceil(relays_per_process).max(1),
        })
    }

    /// Raises the soft limit of this process to the hard one, and returns what it is then.
    pub fn raise_limit() -> std::io::Result<u64> {
        rlimit::increase_nofile_limit(u64::MAX)
    }
}

/// How many buyers may be connected at once: everyone who has come, less those who have lost patience and those whom
/// the waiting room has let through to the end.
///
/// A fluid estimate on the safe side: everyone who is let through stays to pay, and would have been the last to leave.
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
    most.ceil() as u64
}

/// The share of buyers who still wait after 0, 1, 2 … `seconds`, from a sample of their patience.
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

    #[test]
    fn a_node_is_split_so_that_it_can_carry_everyone_alone() {
        assert_eq!(Budget::new(500, 20_000).unwrap().processes_per_node, 1);
        assert_eq!(Budget::new(8_730, 20_000).unwrap().processes_per_node, 1);
        assert_eq!(Budget::new(17_000, 20_000).unwrap().processes_per_node, 2);
        assert_eq!(
            Budget::new(17_000, 4_096).map_err(|few| few.limit),
            Err(4_096)
        );
        assert_eq!(
            Budget::new(17_000, 1_000_000).unwrap().processes_per_node,
            1
        );
    }

    #[test]
    fn a_run_that_cannot_fit_is_refused_with_the_figures() {
        let refusal = Budget::new(19_500, 20_000).unwrap_err();
        assert_eq!(refusal.sockets_max, 19_400);
        assert!(refusal.to_string().contains("need 20100 open files"));
        assert!(Budget::new(0, 600).is_err());
    }

    #[test]
    fn buyers_who_have_been_let_through_no_longer_count() {
        let plan = |active_max: u32| {
            let text = format!(
                r#"
                preset = "tiketi"
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
            );
            let loaded = crate::scenario::load("test.toml", &text, &Default::default());
            loaded.unwrap_or_else(|problems| panic!("{problems:?}"))
        };
        assert_eq!(sockets_forecast(&plan(2_000)), 200, "20 s of arrivals");
        let crowd = sockets_forecast(&plan(100));
        assert!(
            (1_000..1_200).contains(&crowd),
            "5 a second go, {crowd} stay"
        );
    }
}
