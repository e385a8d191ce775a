//! Verdicts on replicas and failovers: with measurements, without them, and with bad ones.

use std::time::Duration;

use crate::audit::{Audit, Finding};
use crate::figure::Figure;
use crate::judge;
use crate::slo::GateResult;
use crate::targets::{Reached, TargetVerdict};
use tiketi_cloud::notice::{DataTierPart, What};
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_measure::ending::{DataTierFigures, FailoverFigures, LagFigures, Loss};
use tiketi_measure::{Measurements, example};
use tiketi_scenario::data_tier::DataTier;
use tiketi_scenario::objective::{GateMetric, Statistic};
use tiketi_scenario::topology::{DatabaseKind, Eviction};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn lag(p99: Duration) -> LagFigures {
    LagFigures {
        samples: 400,
        p50: p99 / 2,
        p99,
        max: p99 * 2,
    }
}

fn failover(part: DataTierPart, loss: Loss) -> FailoverFigures {
    FailoverFigures {
        part,
        lost_at: SimTime::from_secs(240),
        lost_zone: ZoneId(0),
        promoted_at: Some(SimTime::from_secs(270)),
        promoted_zone: Some(ZoneId(1)),
        writes_failed_for: Some(millis(31_500)),
        loss,
    }
}

/// Returns what a good run on servers measures when the example loses its zone.
fn figures() -> DataTierFigures {
    let lost_by_redis = Loss {
        places: 3,
        sessions: 2,
        reaches_back: Some(millis(90)),
        ..Loss::default()
    };
    DataTierFigures {
        redis_lag: Some(lag(millis(100))),
        database_lag: Some(lag(millis(40))),
        failovers: vec![
            failover(DataTierPart::Redis, lost_by_redis),
            failover(DataTierPart::Database, Loss::default()),
        ],
        ..DataTierFigures::default()
    }
}

/// Returns the example on servers, with all requests successful.
pub(super) fn run(change: impl FnOnce(&mut Measurements)) -> Measurements {
    let mut plan = example::plan();
    plan.gates
        .retain(|gate| gate.metric == GateMetric::RecoveryTime);
    plan.topology.data_tier = DataTier::Servers;
    let mut run = example::run_with(plan, example::ending());
    let ticks: Vec<_> = run.series.ticks().to_vec();
    run.series = tiketi_measure::series::Series::default();
    for (second, mut tick) in (0..).zip(ticks) {
        tick.calls_ok += std::mem::take(&mut tick.calls_failed);
        run.series.absorb(second, &tick);
    }
    run.ending.system.as_mut().unwrap().data_tier = Some(figures());
    change(&mut run);
    run
}

pub(super) fn of_system(run: &mut Measurements) -> &mut DataTierFigures {
    run.ending
        .system
        .as_mut()
        .unwrap()
        .data_tier
        .as_mut()
        .unwrap()
}

fn target(id: &str, change: impl FnOnce(&mut Measurements)) -> TargetVerdict {
    let verdicts = judge(&run(change));
    let mut targets = verdicts.targets.into_iter();
    targets.find(|target| target.id == id).unwrap()
}

fn assert_target(id: &str, expected: Reached, words: &str, change: impl FnOnce(&mut Measurements)) {
    let target = target(id, change);
    assert_eq!(target.verdict, expected, "{id}: {}", target.measured);
    let measured = &target.measured;
    assert!(
        measured.contains(words),
        "{id}: no `{words}` in: {measured}"
    );
}

fn without_figures(run: &mut Measurements) {
    run.ending.system.as_mut().unwrap().data_tier = None;
}

#[test]
fn the_claim_about_redis_is_met_only_with_lag_and_failover() {
    assert_target("A8", Reached::Met, "p(99) 100ms", |_| ());
    assert_target("A8", Reached::Met, "writes failed for 31.5s", |_| ());
    let lag = "not measured: replication lag";
    assert_target("A8", Reached::PartlyMet, lag, without_figures);
    assert_target("A8", Reached::PartlyMet, lag, |run| {
        of_system(run).redis_lag = Some(LagFigures::default());
    });
}

#[test]
fn the_claim_about_aurora_covers_lag_promotion_and_the_first_write() {
    assert_target("A12", Reached::Met, "writes failed for 31.5s", |_| ());
    assert_target("A12", Reached::Missed, "p(99) 1.1s", |run| {
        of_system(run).database_lag = Some(lag(millis(1_100)));
    });
    assert_target("A12", Reached::Missed, "writes failed for 34s", |run| {
        of_system(run).failovers[1].writes_failed_for = Some(millis(34_000));
    });
    let write = "not measured: the time of the first successful write";
    assert_target("A12", Reached::PartlyMet, write, |run| {
        of_system(run).failovers[1].writes_failed_for = None;
    });
    let lag = "not measured: replication lag, the time of the first successful write";
    assert_target("A12", Reached::PartlyMet, lag, without_figures);
    let no_failover = |run: &mut Measurements| run.timeline.clear();
    assert_target(
        "A12",
        Reached::PartlyMet,
        "not measured: failover",
        no_failover,
    );
    assert_target("A12", Reached::NotExercised, "never lost", |run| {
        run.timeline.clear();
        of_system(run).database_lag = None;
    });
}

#[test]
fn the_claim_about_multi_az_allows_no_loss_and_two_minutes() {
    let rds = |run: &mut Measurements| {
        run.plan.topology.database.kind = DatabaseKind::RdsMultiAz;
        run.plan.topology.database.class = "db.t3.micro".to_owned();
    };
    assert_target("B5", Reached::Met, "0 confirmed orders lost", rds);
    assert_target("B5", Reached::Missed, "1 confirmed order lost", |run| {
        rds(run);
        of_system(run).failovers[1].loss.orders = 1;
    });
    assert_target("B5", Reached::Missed, "writes failed for 2m05s", |run| {
        rds(run);
        of_system(run).failovers[1].writes_failed_for = Some(millis(125_000));
    });
    let in_memory = "simulated by an in-memory store";
    assert_target("B5", Reached::PartlyMet, in_memory, |run| {
        rds(run);
        run.plan.topology.data_tier = DataTier::Embedded;
    });
    let unread = |run: &mut Measurements| {
        rds(run);
        run.ending.state = tiketi_measure::ending::FinalState::Unread {
            reason: "not read".to_owned(),
        };
    };
    assert_target("B5", Reached::NotExercised, "not read", unread);
}

#[test]
fn the_claim_about_redis_losses_needs_a_failover_or_an_eviction() {
    let lost = "lost: 3 places in the queue, 2 sessions, written up to 90ms earlier";
    assert_target("B7", Reached::PartlyMet, lost, |_| ());
    assert_target(
        "B7",
        Reached::NotExercised,
        "no measurements of the data tier",
        without_figures,
    );
    let calm = |run: &mut Measurements| of_system(run).failovers.clear();
    assert_target("B7", Reached::NotExercised, "never ran out of memory", calm);
    assert_target("B7", Reached::PartlyMet, "12 keys evicted", |run| {
        calm(run);
        of_system(run).redis_keys_evicted = 12;
    });
    assert_target("B7", Reached::Missed, "3 places", |run| {
        run.plan.topology.redis.eviction = Eviction::NoEviction;
    });
}

#[test]
fn recovery_time_and_data_loss_are_reported_for_every_failover() {
    assert_target(
        "B14",
        Reached::Met,
        "Redis: writes failed for 31.5s, lost: 3 places",
        |_| (),
    );
    assert_target(
        "B14",
        Reached::Met,
        "database: writes failed for 31.5s, nothing lost",
        |_| (),
    );
    let unknown = "not measured: what Redis lost with its primary";
    assert_target("B14", Reached::PartlyMet, unknown, without_figures);
}

#[test]
fn gates_on_lag_and_losses_have_no_result_if_nothing_was_measured() {
    let gate = |metric, statistic, change: fn(&mut Measurements)| {
        let mut run = run(change);
        let gate = example::gate(metric, statistic, 0.0, "");
        run.plan.gates = vec![gate];
        judge(&run).gates.remove(0)
    };
    let p99 = Statistic::Percentile(99.0);
    for (metric, statistic, expected) in [
        (GateMetric::RedisLag, p99, Figure::Length(millis(100))),
        (
            GateMetric::RedisLag,
            Statistic::Max,
            Figure::Length(millis(200)),
        ),
        (
            GateMetric::DatabaseLag,
            Statistic::Median,
            Figure::Length(millis(20)),
        ),
        (GateMetric::LostPlaces, Statistic::Count, Figure::Count(3)),
        (GateMetric::LostSessions, Statistic::Count, Figure::Count(2)),
    ] {
        let verdict = gate(metric, statistic, |_| ());
        assert_eq!(verdict.measured, Some(expected), "{metric:?}");
        let verdict = gate(metric, statistic, without_figures);
        assert_eq!(
            (verdict.result, verdict.measured),
            (GateResult::NotMeasured, None),
            "{metric:?}"
        );
    }
    // A failover that was not measured may have lost anything, and without a failover nothing could be lost.
    let unseen = |run: &mut Measurements| of_system(run).failovers.clear();
    let verdict = gate(GateMetric::LostPlaces, Statistic::Count, unseen);
    assert_eq!(verdict.measured, None);
    let unpromoted = |run: &mut Measurements| {
        for failover in &mut of_system(run).failovers {
            failover.promoted_at = None;
        }
    };
    let verdict = gate(GateMetric::LostPlaces, Statistic::Count, unpromoted);
    assert_eq!(verdict.measured, None);
    let verdict = gate(GateMetric::LostPlaces, Statistic::Count, |run| {
        of_system(run).failovers.clear();
        run.timeline.clear();
    });
    assert_eq!(verdict.measured, None);
}

#[test]
fn places_lost_in_a_failover_fail_the_audit_and_name_the_cause() {
    let verdicts = judge(&run(|run| {
        let tiketi_measure::ending::FinalState::Read(facts) = &mut run.ending.state else {
            panic!("the example has a final state");
        };
        facts.admissions.as_mut().unwrap().joined += 3;
    }));
    let mut audits = verdicts.audits.into_iter();
    let audit = audits.find(|verdict| verdict.audit == Audit::AdmissionsConserved);
    let audit = audit.unwrap();
    assert_eq!(
        audit.summary,
        "3 buyers lost their place in the queue when Redis failed over."
    );
    let Finding::Violated { evidence } = audit.finding else {
        panic!("three buyers are gone");
    };
    assert!(
        evidence.ends_with("3 places lost with the Redis primary"),
        "{evidence}"
    );
}

#[test]
fn overlapping_faults_are_followed_separately() {
    use tiketi_cloud::notice::Notice;
    use tiketi_core::fault::catalog::Action;
    let at = |second, what| Notice {
        at: SimTime::from_secs(second),
        what,
    };
    let part = DataTierPart::Database;
    let (lost, slow) = (
        Action::LosePrimary { part },
        Action::DelayReplica {
            part: DataTierPart::Redis,
            lag: millis(900),
        },
    );
    let zone = ZoneId(0);
    let verdicts = judge(&run(|run| {
        run.timeline = vec![
            at(240, What::struck(&lost)),
            at(240, What::PrimaryLost { tier: part, zone }),
            at(250, What::struck(&slow)),
            at(
                271,
                What::Promoted {
                    tier: part,
                    zone: ZoneId(1),
                },
            ),
            at(280, What::healed(&lost)),
            at(300, What::healed(&slow)),
        ];
    }));
    let [first, second] = &verdicts.recoveries[..] else {
        panic!("two faults: {:?}", verdicts.recoveries);
    };
    let healed = [first, second].map(|one| one.healed_at.map(SimTime::as_secs));
    assert_eq!(healed, [Some(280), Some(300)]);
    assert_eq!(first.failovers.len(), 1);
    assert_eq!(first.failovers[0].took, Some(millis(31_000)));
    assert_eq!(second.failovers, []);
    assert_eq!(first.fault(), "lose-primary on the database");
    assert_eq!(second.fault(), "delay-replica on Redis");
}

#[test]
fn faults_at_the_same_instant_are_observed_together() {
    use tiketi_cloud::notice::Notice;
    use tiketi_core::fault::catalog::{Action, Connections};
    let at = |second, what| Notice {
        at: SimTime::from_secs(second),
        what,
    };
    let (part, zone) = (DataTierPart::Database, ZoneId(0));
    let power = Action::AzPowerInterruption {
        zone: ZoneId(1),
        connections: Connections::Silent,
    };
    let verdicts = judge(&run(|run| {
        run.timeline = vec![
            at(240, What::struck(&power)),
            at(240, What::struck(&Action::LosePrimary { part })),
            at(240, What::PrimaryLost { tier: part, zone }),
            at(
                271,
                What::Promoted {
                    tier: part,
                    zone: ZoneId(1),
                },
            ),
        ];
        // Nothing works for 40 s.
        let mut ticks: Vec<_> = run.series.ticks().to_vec();
        run.series = tiketi_measure::series::Series::default();
        for (second, tick) in (0..).zip(&mut ticks) {
            if (240..280).contains(&second) {
                tick.calls_failed += std::mem::take(&mut tick.calls_ok);
                tick.calls_failed += std::mem::take(&mut tick.calls_refused);
            }
            run.series.absorb(second, tick);
        }
    }));
    let [power, primary] = &verdicts.recoveries[..] else {
        panic!("two faults: {:?}", verdicts.recoveries);
    };
    for one in [power, primary] {
        let crate::recovery::Outcome::Recovered { after } = one.outcome else {
            panic!("{}: {:?}", one.fault(), one.outcome);
        };
        assert!(
            (40..=46).contains(&after.as_secs()),
            "{}: {after:?}",
            one.fault()
        );
        assert_eq!(one.longest_stop, millis(40_000), "{}", one.fault());
    }
    // The primary was in the other zone, so its loss belongs to the fault that names it.
    assert_eq!((power.failovers.len(), primary.failovers.len()), (0, 1));
}
