//! The answer to the scenario's question: one plain sentence for somebody who has just been woken up, and what else
//! went wrong.

use tiketi_measure::Measurements;
use tiketi_scenario::objective::{Gate, GateMetric, Relation};
use tiketi_verdict::audit::{Audit, AuditVerdict, Finding};
use tiketi_verdict::figure::Figure;
use tiketi_verdict::slo::{GateResult, GateVerdict};
use tiketi_verdict::{Trouble, Verdicts};

use super::gaps;
use crate::number::Number;
use crate::page::{Headline, Status};
use crate::wording::sentence;

/// How bad a consequence is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    /// A seat was sold to more than one buyer.
    Oversold,
    /// Somebody paid and has no ticket, or was charged wrongly.
    MoneyLost,
    /// Buyers lost their place in the queue.
    PlaceLost,
    /// The system was down, or did not recover.
    Outage,
    /// Requests failed.
    Errors,
    /// Buyers waited too long or gave up.
    Slow,
    /// Anything else.
    Other,
}

/// One thing that went wrong.
#[derive(Debug)]
struct Consequence {
    severity: Severity,
    /// One or two sentences.
    text: String,
}

/// Answers the scenario's question.
pub(super) fn headline(run: &Measurements, verdicts: &Verdicts) -> Headline {
    let consequences = consequences(run, verdicts);
    let consequences = consequences.into_iter().map(|one| one.text);
    let mut sentences = consequences.chain(gaps::sentences(&verdicts.gaps));
    let cause = verdicts.cause.as_ref().map(|cause| cause.sentence.clone());
    let troubles = verdicts.troubles();
    match troubles.first() {
        None if run.ending.target.is_some() => no_defect_seen(verdicts),
        None => all_passed(verdicts),
        Some(Trouble::Interrupted) => Headline {
            status: Status::Unknown,
            answer: format!("Interrupted after {}.", ended_after(run)),
            details: sentences.collect(),
        },
        Some(Trouble::Inconclusive) => Headline {
            status: Status::Unknown,
            answer: format!("Inconclusive: {}.", doubt(run, verdicts)),
            details: sentences.collect(),
        },
        Some(Trouble::AuditViolated | Trouble::GateFailed) => Headline {
            status: Status::Fail,
            answer: format!("No. {}", sentences.next().unwrap_or_default()),
            details: cause.into_iter().chain(sentences).collect(),
        },
        Some(Trouble::NotMeasured) => Headline {
            status: Status::Unknown,
            answer: format!("Inconclusive. {}", sentences.next().unwrap_or_default()),
            details: sentences.collect(),
        },
    }
}

fn ended_after(run: &Measurements) -> String {
    format!(
        "{} of {}",
        Number::duration(run.ending.ended_at.since_start()),
        Number::duration(run.plan.ends_at().since_start())
    )
}

/// The answer where nothing failed. If a check could not run, it is no plain "Yes".
fn all_passed(verdicts: &Verdicts) -> Headline {
    let audits = verdicts.audits.len() as u64;
    let mut reasons: Vec<&str> = verdicts.audits.iter().filter_map(unchecked).collect();
    let unchecked = reasons.len() as u64;
    reasons.dedup();
    let reasons = reasons.join("; ");
    let gates = match verdicts.gates.len() {
        0 => "the scenario has no gates".to_owned(),
        1 => "the gate passed".to_owned(),
        gates => format!("all {gates} gates passed"),
    };
    let (status, answer) = match (unchecked, verdicts.gates.len()) {
        (0, gates @ 2..) => {
            let all = format!("All {gates} gates and all {audits} data-integrity checks passed.");
            (Status::Pass, format!("Yes. {all}"))
        }
        (0, _) => {
            let all = format!("{gates}, and all {audits} data-integrity checks passed");
            (Status::Pass, format!("Yes. {}", sentence(&all)))
        }
        (unchecked, _) if unchecked == audits => (
            Status::Partial,
            format!(
                "Yes, as far as it could be checked: {gates}, but none of the {audits} data-integrity checks could run \
                 ({reasons})."
            ),
        ),
        _ => (
            Status::Partial,
            format!(
                "Yes, as far as it could be checked: {gates}, and {} of {audits} data-integrity checks passed; the others \
                 could not run ({reasons}).",
                audits - unchecked
            ),
        ),
    };
    Headline {
        status,
        answer,
        details: Vec::new(),
    }
}

/// The answer about a target where nothing failed: its buyers see only a part of it.
fn no_defect_seen(verdicts: &Verdicts) -> Headline {
    let audits = verdicts.audits.len();
    let passed = verdicts
        .audits
        .iter()
        .filter(|audit| unchecked(audit).is_none());
    let gates = match verdicts.gates.len() {
        0 => "the scenario has no gates".to_owned(),
        1 => "the gate passed".to_owned(),
        gates => format!("all {gates} gates passed"),
    };
    Headline {
        status: Status::Partial,
        answer: format!(
            "Yes, as far as buyers can see: {gates}, {} of {audits} checks passed, and the others could not run.",
            passed.count()
        ),
        details: Vec::new(),
    }
}

/// Why an audit could not be made; `None` if it was.
fn unchecked(audit: &AuditVerdict) -> Option<&str> {
    match &audit.finding {
        Finding::CouldNotCheck { reason } => Some(reason),
        Finding::Held { .. } | Finding::Violated { .. } => None,
    }
}

/// Why the measurement cannot be trusted.
fn doubt(run: &Measurements, verdicts: &Verdicts) -> String {
    if let Some(reason) = &run.ending.failure {
        return format!("the run stopped after {}: {reason}", ended_after(run));
    }
    let failed = verdicts.validity.iter().filter(|check| !check.ok);
    let failed: Vec<_> = failed
        .map(|check| format!("{} ({})", check.name, check.evidence))
        .collect();
    let checks = if failed.len() == 1 { "check" } else { "checks" };
    format!("validity {checks} failed: {}", failed.join("; "))
}

/// Everything that went wrong, the worst first; a gate about what an audit has already found adds nothing.
fn consequences(run: &Measurements, verdicts: &Verdicts) -> Vec<Consequence> {
    let is_violated = |audit: &&AuditVerdict| matches!(audit.finding, Finding::Violated { .. });
    let violated: Vec<_> = verdicts.audits.iter().filter(is_violated).collect();
    let mut found: Vec<_> = violated
        .iter()
        .map(|verdict| Consequence {
            severity: severity(verdict.audit),
            text: verdict.summary.clone(),
        })
        .collect();
    let gates = run.plan.gates.iter().zip(&verdicts.gates);
    let failed = gates.filter(|(gate, verdict)| {
        let covered = audit_of(gate.metric)
            .is_some_and(|audit| violated.iter().any(|one| one.audit == audit));
        verdict.result == GateResult::Failed && !covered
    });
    found.extend(failed.filter_map(|(gate, verdict)| of_gate(gate, verdict)));
    // The sort is stable: gates of the same severity stay in the order of the scenario.
    found.sort_by_key(|one| one.severity);
    found
}

/// The audit that looks at the same thing as a gate; `None` if none does.
const fn audit_of(metric: GateMetric) -> Option<Audit> {
    match metric {
        GateMetric::OversoldSeats => Some(Audit::NoOversell),
        GateMetric::DoubleSales => Some(Audit::NoDoubleSale),
        GateMetric::LostOrders => Some(Audit::NothingLost),
        GateMetric::LostAdmissions | GateMetric::LostPlaces => Some(Audit::AdmissionsConserved),
        GateMetric::ResponseTime
        | GateMetric::ServiceTime
        | GateMetric::SendLag
        | GateMetric::WaitingTime
        | GateMetric::FanOutDelay
        | GateMetric::Errors
        | GateMetric::Calls
        | GateMetric::RecoveryTime
        | GateMetric::TicketsSold
        | GateMetric::Abandoned
        | GateMetric::RedisLag
        | GateMetric::DatabaseLag
        | GateMetric::LostSessions
        | GateMetric::Shed => None,
    }
}

const fn severity(audit: Audit) -> Severity {
    match audit {
        Audit::NoOversell | Audit::NoDoubleSale => Severity::Oversold,
        Audit::NothingLost
        | Audit::Ledger
        | Audit::SoldSeatsStaySold
        | Audit::PaymentsReportedCorrectly => Severity::MoneyLost,
        Audit::HoldsSucceed | Audit::RefusedHoldsLockNothing => Severity::Outage,
        Audit::AdmissionsConserved
        | Audit::QueueMoves
        | Audit::AdmittedOnce
        | Audit::PositionsImprove
        | Audit::SessionsRestored
        | Audit::ConnectionsLast => Severity::PlaceLost,
    }
}

/// A failed gate in words; `None` for one without a value, which is a gap and not a consequence.
fn of_gate(gate: &Gate, verdict: &GateVerdict) -> Option<Consequence> {
    let shown = verdict.shown.as_deref().unwrap_or_default();
    let (severity, told) = told(gate, verdict.measured?, shown, &verdict.statistic);
    let condition = &verdict.condition;
    Some(Consequence {
        severity,
        text: sentence(&format!("{told} (gate: `{condition}`)")),
    })
}

fn told(gate: &Gate, measured: Figure, value: &str, statistic: &str) -> (Severity, String) {
    let requests = gate.operation.map_or_else(
        || "requests".to_owned(),
        |operation| format!("`{operation}` requests"),
    );
    let is_upper = matches!(gate.relation, Relation::Less | Relation::AtMost);
    let slow = |what: &str| {
        let text = if is_upper {
            format!("{what}: {statistic} was {value}")
        } else {
            format!("{statistic} of `{}` was {value}", gate.selector())
        };
        (Severity::Slow, text)
    };
    let lost = |severity, what: &str| (severity, format!("{value} {what}"));
    match gate.metric {
        GateMetric::ResponseTime => slow(&format!("{requests} were too slow")),
        GateMetric::ServiceTime => slow(&format!("the system was too slow on {requests}")),
        GateMetric::WaitingTime => slow("buyers waited too long in the queue"),
        GateMetric::FanOutDelay => slow("real-time updates arrived too late"),
        GateMetric::SendLag => slow("the load generator sent requests too late"),
        GateMetric::RedisLag => slow("the Redis replica was too far behind"),
        GateMetric::DatabaseLag => slow("the database replica was too far behind"),
        GateMetric::Errors => lost(Severity::Errors, &format!("of {requests} failed")),
        GateMetric::RecoveryTime => (Severity::Outage, recovery(measured, value)),
        GateMetric::TicketsSold => lost(Severity::Other, "tickets were sold"),
        GateMetric::Abandoned => lost(Severity::Slow, "of queued buyers gave up waiting"),
        GateMetric::OversoldSeats => lost(
            Severity::Oversold,
            "more seats were sold or held than the venue has",
        ),
        GateMetric::DoubleSales => lost(Severity::Oversold, "seats were sold more than once"),
        GateMetric::LostOrders => lost(Severity::MoneyLost, "paid orders were lost"),
        GateMetric::LostAdmissions => {
            lost(Severity::PlaceLost, "buyers lost their place in the queue")
        }
        GateMetric::LostPlaces => lost(
            Severity::PlaceLost,
            "places in the queue were lost when Redis failed over",
        ),
        GateMetric::LostSessions => lost(
            Severity::PlaceLost,
            "sessions were lost when Redis failed over",
        ),
        GateMetric::Calls => lost(Severity::Other, &format!("{requests} were sent")),
        GateMetric::Shed => lost(Severity::Other, "arrivals could not be started"),
    }
}

fn recovery(measured: Figure, value: &str) -> String {
    match measured {
        Figure::Never => "the system did not recover before the run ended".to_owned(),
        Figure::Length(_) | Figure::Share(_) | Figure::Count(_) => {
            format!("recovery took {value}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_cloud::notice::DataTierPart;
    use tiketi_measure::ending::{AuditFacts, FinalState};
    use tiketi_measure::example;
    use tiketi_verdict::judge;

    fn answer(run: &Measurements) -> Headline {
        headline(run, &judge(run))
    }

    fn facts(run: &mut Measurements) -> &mut AuditFacts {
        match &mut run.ending.state {
            FinalState::Read(facts) => facts,
            FinalState::Unread { reason } => panic!("{reason}"),
        }
    }

    #[test]
    fn a_failed_gate_is_told_in_plain_words() {
        let headline = answer(&example::run());
        assert_eq!(
            headline.answer,
            "No. 2.54% of requests failed (gate: `rate < 1%`)."
        );
        let [why, slow] = headline.details.as_slice() else {
            panic!("{:?}", headline.details);
        };
        assert!(why.starts_with("Why: no saturated resource explains it"));
        assert_eq!(
            slow,
            "Requests were too slow: p(99) was 2s (gate: `p(99) < 500ms`)."
        );
    }

    #[test]
    fn a_seat_sold_twice_is_worse_than_a_lost_place_which_is_worse_than_errors() {
        let mut run = example::run();
        let facts = facts(&mut run);
        facts
            .admissions
            .as_mut()
            .expect("the example has it")
            .joined += 16;
        facts.seats_paid_twice.push(("R-1-1".to_owned(), 2));
        let headline = answer(&run);
        assert_eq!(headline.answer, "No. 1 seat sold more than once.");
        assert_eq!(
            headline.details[1],
            "16 buyers lost their place in the queue."
        );
        assert!(headline.details[2].starts_with("2.54% of requests failed"));
    }

    #[test]
    fn a_failover_that_lost_places_is_named() {
        use tiketi_core::units::{SimTime, ZoneId};
        use tiketi_measure::ending::{DataTierFigures, FailoverFigures, Loss};
        let mut run = example::run();
        let ledger = &mut facts(&mut run).admissions;
        ledger.as_mut().expect("the example has it").joined += 16;
        let failover = FailoverFigures {
            part: DataTierPart::Redis,
            lost_at: SimTime::from_secs(240),
            lost_zone: ZoneId(0),
            promoted_at: Some(SimTime::from_secs(270)),
            promoted_zone: Some(ZoneId(1)),
            writes_failed_for: None,
            loss: Loss {
                places: 16,
                ..Loss::default()
            },
        };
        let system = run.ending.system.as_mut().expect("the example has one");
        system.data_tier = Some(DataTierFigures {
            failovers: vec![failover],
            ..DataTierFigures::default()
        });
        assert_eq!(
            answer(&run).answer,
            "No. 16 buyers lost their place in the queue when Redis failed over."
        );
    }

    #[test]
    fn an_interrupted_run_answers_nothing() {
        let mut run = example::run();
        run.ending.interrupted = true;
        let headline = answer(&run);
        assert_eq!(headline.status, Status::Unknown);
        assert_eq!(headline.answer, "Interrupted after 10m00s of 10m00s.");
    }

    #[test]
    fn a_run_that_could_not_go_on_says_why() {
        let mut run = example::run();
        run.ending.failure = Some("redis-1 exited".to_owned());
        let headline = answer(&run);
        assert_eq!(
            headline.answer,
            "Inconclusive: the run stopped after 10m00s of 10m00s: redis-1 exited."
        );
    }

    #[test]
    fn a_run_without_trouble_says_what_was_checked() {
        let mut run = example::run();
        run.plan.gates.clear();
        let headline = answer(&run);
        assert_eq!(headline.status, Status::Pass);
        assert_eq!(
            headline.answer,
            "Yes. The scenario has no gates, and all 5 data-integrity checks passed."
        );
    }

    #[test]
    fn a_run_in_which_nobody_buys_is_never_a_yes() {
        let mut run = example::run();
        run.plan.gates.clear();
        run.tally.stages[tiketi_buyer::observation::Stage::Paid as usize] = 0;
        let headline = answer(&run);
        assert_eq!(headline.status, Status::Unknown);
        assert_eq!(
            headline.answer,
            "Inconclusive. None of the 2,000 buyers bought a ticket (500 seats in the show)."
        );
    }

    #[test]
    fn gates_without_a_measurement_are_told_once_per_reason() {
        let mut run = example::run();
        run.plan.gates = ["lost_places", "lost_sessions"]
            .map(|name| {
                let metric = GateMetric::ALL
                    .into_iter()
                    .find(|metric| metric.name() == name);
                example::gate(
                    metric.expect("it is a metric"),
                    tiketi_scenario::objective::Statistic::Count,
                    0.0,
                    "count == 0",
                )
            })
            .to_vec();
        let headline = answer(&run);
        assert_eq!(
            headline.answer,
            "Inconclusive. Not measured: gates `lost_places: count == 0`, `lost_sessions: count == 0` (the losses of a Redis \
             failover were not measured)."
        );
    }

    #[test]
    fn a_target_whose_audits_could_not_run_is_no_plain_yes() {
        let mut run = example::run();
        run.plan.gates.clear();
        run.ending.system = None;
        run.ending.state = FinalState::Unread {
            reason: "no database access to this target".to_owned(),
        };
        let headline = answer(&run);
        assert_eq!(headline.status, Status::Partial);
        assert_eq!(
            headline.answer,
            "Yes, as far as it could be checked: the scenario has no gates, but none of the 5 data-integrity checks could run \
             (no database access to this target)."
        );
    }
}
