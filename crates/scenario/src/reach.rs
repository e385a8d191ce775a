//! The values that a gate's metric can have, and gates that check nothing because every value passes, or none does.

use std::time::Duration;

use super::duration::Written;
use super::objective::{Gate, GateMetric, MetricKind, Relation, nanos};
use super::operation::Operation;

/// Bounds that other tables of the scenario set to the values of metrics; `None` where that table has a problem.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// Length of the run.
    pub(crate) duration: Option<Duration>,
    /// How long a buyer waits for a response.
    pub(crate) call_timeout: Option<Duration>,
    /// Seats of the show.
    pub(crate) seats: Option<u64>,
}

/// Why a gate checks nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Every value of the metric passes. The scenario is rejected.
    AlwaysPasses,
    /// No value of the metric passes. The scenario is rejected.
    NeverPasses,
    /// Only the worst of all values fails: every single request, or every buyer. The author is warned.
    FailsOnlyAtWorst,
    /// No value that this scenario allows fails. The author is warned.
    OutOfReach {
        /// What limits the values: `a request fails after buyers.call_timeout (10s)`.
        limit: String,
        /// Whether all of them pass; otherwise none does.
        passes: bool,
    },
}

/// Returns why the gate checks nothing; `None` if it can both pass and fail.
pub(crate) fn idle(gate: &Gate, limits: &Bounds) -> Option<Idle> {
    // Shares end at 1; lengths of time and counts have no end of their own.
    let end = match gate.metric.kind() {
        MetricKind::Rate => 1.0,
        MetricKind::Trend | MetricKind::Lag | MetricKind::Count => f64::INFINITY,
    };
    match outcome(gate.relation, gate.bound, end) {
        Outcome::Passes => return Some(Idle::AlwaysPasses),
        Outcome::Fails => return Some(Idle::NeverPasses),
        Outcome::Depends => {}
    }
    let is_share = gate.metric.kind() == MetricKind::Rate;
    if is_share && gate.relation == Relation::Less && gate.bound >= 1.0 {
        return Some(Idle::FailsOnlyAtWorst);
    }
    let (end, limit) = limit(gate, limits)?;
    match outcome(gate.relation, gate.bound, end) {
        Outcome::Passes => Some(Idle::OutOfReach {
            limit,
            passes: true,
        }),
        Outcome::Fails => Some(Idle::OutOfReach {
            limit,
            passes: false,
        }),
        Outcome::Depends => None,
    }
}

/// What a condition says about all values from 0 to an end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passes,
    Fails,
    Depends,
}

fn outcome(relation: Relation, bound: f64, end: f64) -> Outcome {
    // Values start at 0, and each relation is monotonic or holds at one point, so the two ends decide.
    let (all, none) = match relation {
        Relation::Less => (end < bound, bound <= 0.0),
        Relation::AtMost => (end <= bound, bound < 0.0),
        Relation::Greater => (bound < 0.0, end <= bound),
        Relation::AtLeast => (bound <= 0.0, end < bound),
        Relation::Equal => (false, bound < 0.0 || bound > end),
    };
    match (all, none) {
        (true, _) => Outcome::Passes,
        (false, true) => Outcome::Fails,
        (false, false) => Outcome::Depends,
    }
}

/// The largest value that the scenario allows, and why; `None` if it sets no limit.
fn limit(gate: &Gate, limits: &Bounds) -> Option<(f64, String)> {
    let of_run = |what: &str| {
        let length = limits.duration?;
        let limit = format!(
            "{what} longer than the run (`clock.duration`, {})",
            Written(length)
        );
        Some((nanos(length), limit))
    };
    match gate.metric {
        // Each stage of opening a socket has a timeout of its own.
        GateMetric::ResponseTime | GateMetric::ServiceTime
            if gate.operation == Some(Operation::SocketConnect) =>
        {
            None
        }
        GateMetric::ResponseTime | GateMetric::ServiceTime => {
            let length = limits.call_timeout?;
            let limit = format!(
                "a buyer gives up on a request after `buyers.call_timeout` ({})",
                Written(length)
            );
            Some((nanos(length), limit))
        }
        GateMetric::WaitingTime => of_run("nobody waits"),
        GateMetric::FanOutDelay => of_run("no message takes"),
        GateMetric::SendLag => of_run("no delay is"),
        GateMetric::RedisLag | GateMetric::DatabaseLag => of_run("no lag is"),
        GateMetric::TicketsSold | GateMetric::DoubleSales => {
            let seats = limits.seats?;
            #[expect(
                clippy::cast_precision_loss,
                reason = "a show has at most a million seats"
            )]
            let end = seats as f64;
            Some((end, format!("the show has {seats} seats")))
        }
        // A recovery that never ends fails every gate, however large its bound.
        GateMetric::RecoveryTime => None,
        GateMetric::Errors
        | GateMetric::Abandoned
        | GateMetric::Calls
        | GateMetric::OversoldSeats
        | GateMetric::LostOrders
        | GateMetric::LostAdmissions
        | GateMetric::LostPlaces
        | GateMetric::LostSessions
        | GateMetric::Shed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{parse_condition, parse_selector};

    const LIMITS: Bounds = Bounds {
        duration: Some(Duration::from_secs(600)),
        call_timeout: Some(Duration::from_secs(10)),
        seats: Some(2_000),
    };

    fn found(selector: &str, condition: &str) -> Option<Idle> {
        let (metric, operation) = parse_selector(selector).expect("a valid selector");
        let (statistic, relation, bound) =
            parse_condition(metric, condition).expect("a valid condition");
        let gate = Gate {
            metric,
            operation,
            statistic,
            relation,
            bound,
            text: condition.to_owned(),
        };
        idle(&gate, &LIMITS)
    }

    #[test]
    fn conditions_that_decide_nothing_are_found() {
        for (selector, condition, expected) in [
            ("errors", "rate <= 100%", Idle::AlwaysPasses),
            ("errors", "rate >= 0", Idle::AlwaysPasses),
            ("lost_orders", "count >= 0", Idle::AlwaysPasses),
            ("response_time", "max >= 0s", Idle::AlwaysPasses),
            ("errors", "rate > 100%", Idle::NeverPasses),
            ("errors", "rate < 0%", Idle::NeverPasses),
            ("oversold_seats", "count < 0", Idle::NeverPasses),
            ("recovery_time", "max < 0s", Idle::NeverPasses),
            ("errors", "rate < 1", Idle::FailsOnlyAtWorst),
            ("abandoned", "rate < 100%", Idle::FailsOnlyAtWorst),
        ] {
            let idle = found(selector, condition);
            assert_eq!(idle, Some(expected), "{selector} {condition}");
        }
    }

    #[test]
    fn bounds_that_the_scenario_puts_out_of_reach_are_found() {
        for (selector, condition, all_pass, limit) in [
            (
                "response_time",
                "p(95) < 11s",
                true,
                "`buyers.call_timeout` (10s)",
            ),
            (
                "service_time{operation:seat_list}",
                "max <= 10s",
                true,
                "call_timeout",
            ),
            ("response_time", "p(99) > 30s", false, "call_timeout"),
            ("waiting_time", "p(50) < 11m", true, "`clock.duration`, 10m"),
            ("redis_lag", "max < 1h", true, "clock.duration"),
            ("tickets_sold", "count <= 2000", true, "2000 seats"),
            ("tickets_sold", "count >= 2001", false, "2000 seats"),
        ] {
            let idle = found(selector, condition);
            let Some(Idle::OutOfReach {
                limit: said,
                passes,
            }) = idle
            else {
                panic!("{selector} {condition}: {idle:?}");
            };
            assert_eq!(passes, all_pass, "{selector} {condition}");
            assert!(said.contains(limit), "{selector} {condition}: {said}");
        }
    }

    #[test]
    fn conditions_that_can_pass_and_fail_are_left_alone() {
        for (selector, condition) in [
            ("errors", "rate < 1%"),
            ("errors", "rate < 99.9%"),
            ("errors", "rate > 0"),
            ("lost_orders", "count == 0"),
            ("tickets_sold", "count > 0"),
            ("tickets_sold", "count == 2000"),
            ("response_time", "p(99) < 9s"),
            ("response_time", "max > 0s"),
            ("response_time{operation:socket_connect}", "p(99) < 20s"),
            // A system that never recovers fails it.
            ("recovery_time", "max < 2h"),
        ] {
            assert_eq!(found(selector, condition), None, "{selector} {condition}");
        }
    }
}
