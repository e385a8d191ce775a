//! Validity of the whole tool: each part that stalls, and each CPU that is missing, makes a run inconclusive by name.

use super::*;
use tiketi_buyer::observation::Polls;
use tiketi_cloud::notice::What;
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};
use tiketi_measure::command::{CommandOutcome, CommandRun, Purpose};
use tiketi_measure::ending::{FullCpus, HostFigures, ToolFigures};
use tiketi_measure::example::gate;
use tiketi_measure::stall::{Stall, StallKind, ToolPart};
use tiketi_scenario::objective::{Gate, GateMetric, Statistic};

/// A machine with two CPUs, of which the tool may use both.
fn host() -> HostFigures {
    HostFigures {
        cpus: 2,
        cpus_allowed: 2,
        busy: Some(0.99),
        stolen: Some(0.02),
        quota: None,
        throttled: Some(Duration::ZERO),
    }
}

/// Judges the example with these stalls on this machine.
fn judged_with(stalls: Vec<Stall>, host: HostFigures) -> Verdicts {
    judged(good_plan(), |run| {
        run.ending.generator.tool = Some(ToolFigures {
            stalls,
            host,
            cpus_full: Vec::new(),
        });
    })
}

fn check<'v>(verdicts: &'v Verdicts, name: &str) -> &'v ValidityCheck {
    let mut checks = verdicts.validity.iter();
    let found = checks.find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("no check `{name}`: {:?}", verdicts.validity))
}

/// A stall of a second of real time, 31 s after the start, at speed 5.
fn stall(part: ToolPart, kind: StallKind) -> Stall {
    Stall {
        part,
        kind,
        from: SimTime::from_secs(31),
        lasted: Duration::from_secs(5),
        wall: Duration::from_secs(1),
    }
}

const STALLS: &str = "no part of the tool stalled";

#[test]
fn a_tool_that_always_ran_is_valid_and_the_cpus_are_shown() {
    let verdicts = judged_with(Vec::new(), host());
    assert_eq!(verdicts.exit_code(), 0, "{:?}", verdicts.validity);
    let evidence = &check(&verdicts, STALLS).evidence;
    assert!(evidence.contains("more than 250ms"), "{evidence}");
    let evidence = &check(&verdicts, "CPU affinity").evidence;
    assert!(evidence.starts_with("all 2 CPUs"), "{evidence}");
    let evidence = &check(&verdicts, "CPU quota").evidence;
    assert!(evidence.starts_with("no quota"), "{evidence}");
    let evidence = &check(&verdicts, "CPU steal").evidence;
    assert!(evidence.contains("2%"), "{evidence}");
}

#[test]
fn a_stall_of_any_part_makes_the_run_inconclusive_and_names_it_with_both_times() {
    let parts = [
        (ToolPart::Supervisor, "the supervisor"),
        (ToolPart::Worker(1), "load worker 2"),
        (
            ToolPart::Node(ZoneId(1)),
            "the load-balancer node of zone c",
        ),
        (ToolPart::Instance(InstanceId(3)), "instance i-3"),
        (ToolPart::Edge, "the edge"),
        (ToolPart::Outside, "the payment provider, S3 or a router"),
        (ToolPart::DataTier(DataTierPart::Redis), "Redis"),
        (ToolPart::DataTier(DataTierPart::Database), "the database"),
    ];
    for (part, name) in parts {
        let verdicts = judged_with(vec![stall(part, StallKind::Stopped)], host());
        assert_eq!(verdicts.exit_code(), 91, "{name}");
        let zones = &example::plan().topology.zones;
        let name = name.replace("zone c", &format!("zone {}", zones[1].name));
        let expected =
            format!("{name} stood still for 1s (5s of scenario time, from 31s) (limit 250ms)");
        assert_eq!(check(&verdicts, STALLS).evidence, expected);
    }
}

#[test]
fn each_kind_of_stall_is_told_apart() {
    let kinds = [
        (StallKind::Silent, "did not answer for 1s"),
        (
            StallKind::CoreShared,
            "shared its core, which was full, for 1s",
        ),
        (StallKind::Ended, "ended unexpectedly at 31s"),
    ];
    for (kind, words) in kinds {
        let instance = ToolPart::Instance(InstanceId(0));
        let mut stall = stall(instance, kind);
        if kind == StallKind::Ended {
            (stall.lasted, stall.wall) = (Duration::ZERO, Duration::ZERO);
        }
        let verdicts = judged_with(vec![stall], host());
        assert_eq!(verdicts.exit_code(), 91, "{kind:?}");
        let evidence = &check(&verdicts, STALLS).evidence;
        assert!(evidence.contains(words), "{evidence}");
    }
}

#[test]
fn stalls_within_the_limit_of_the_scenario_are_tolerated() {
    let mut short = stall(ToolPart::Supervisor, StallKind::Stopped);
    short.wall = Duration::from_millis(250);
    assert_eq!(judged_with(vec![short], host()).exit_code(), 0);
    short.wall += Duration::from_millis(1);
    assert_eq!(judged_with(vec![short], host()).exit_code(), 91);
    let verdicts = judged(good_plan(), |run| {
        run.plan.self_check.stall_max = Duration::from_secs(1);
        run.ending.generator.tool = Some(ToolFigures {
            stalls: vec![short],
            host: host(),
            cpus_full: Vec::new(),
        });
    });
    assert_eq!(verdicts.exit_code(), 0);
}

#[test]
fn the_worst_of_many_stalls_come_first_and_the_others_are_counted() {
    let mut stalls: Vec<_> = (0..9)
        .map(|worker| {
            let mut stall = stall(ToolPart::Worker(worker), StallKind::Stopped);
            stall.wall += Duration::from_secs(worker.into());
            stall
        })
        .collect();
    stalls.push(Stall {
        wall: Duration::ZERO,
        lasted: Duration::ZERO,
        ..stall(ToolPart::Instance(InstanceId(2)), StallKind::Ended)
    });
    let verdicts = judged_with(stalls, host());
    let evidence = &check(&verdicts, STALLS).evidence;
    let expected = "instance i-2 ended unexpectedly at 31s; load worker 9 stood still for 9s";
    assert!(evidence.starts_with(expected), "{evidence}");
    assert!(evidence.contains("; 6 more (limit"), "{evidence}");
}

#[test]
fn an_archive_without_a_watch_is_not_judged_by_it() {
    let verdicts = judged(good_plan(), |_| ());
    let names: Vec<_> = verdicts.validity.iter().map(|check| check.name).collect();
    assert!(!names.contains(&STALLS), "{names:?}");
    assert!(!names.contains(&"CPU steal"), "{names:?}");
}

#[test]
fn a_quota_is_shown_and_bounds_the_tool_when_it_is_used_up() {
    let with = |ms| HostFigures {
        quota: Some(0.5),
        throttled: Some(Duration::from_millis(ms)),
        ..host()
    };
    // The example lasts 120 s: 1 % is 1.2 s.
    let enough = judged_with(Vec::new(), with(1_200));
    assert_eq!(enough.exit_code(), 0);
    let used_up = judged_with(Vec::new(), with(3_000));
    assert_eq!(used_up.exit_code(), 91);
    let evidence = &check(&used_up, "CPU quota").evidence;
    assert_eq!(
        evidence,
        "quota of 0.5 CPUs, throttled for 3s of 2m00s (limit 1%)"
    );
}

#[test]
fn affinity_is_shown_and_bounds_the_tool_when_its_cpus_are_full() {
    let with = |busy| HostFigures {
        cpus: 8,
        busy: Some(busy),
        ..host()
    };
    let room = judged_with(Vec::new(), with(0.6));
    assert_eq!(room.exit_code(), 0);
    let full = judged_with(Vec::new(), with(0.97));
    assert_eq!(full.exit_code(), 91);
    let evidence = &check(&full, "CPU affinity").evidence;
    assert_eq!(
        evidence,
        "only 2 of 8 CPUs may be used, 97% busy (limit 90%)"
    );
}

#[test]
fn cpu_steal_makes_the_run_inconclusive() {
    let stolen = HostFigures {
        stolen: Some(0.08),
        ..host()
    };
    let verdicts = judged_with(Vec::new(), stolen);
    assert_eq!(verdicts.exit_code(), 91);
    let evidence = &check(&verdicts, "CPU steal").evidence;
    assert!(evidence.contains("gave 8% of the CPU time"), "{evidence}");
}

const CPUS: &str = "CPUs not full";

/// Judges the example with this gate, on a machine whose CPUs were full from one second to another.
fn judged_full(gates: Vec<Gate>, from: u64, until: u64) -> Verdicts {
    let mut plan = good_plan();
    plan.gates = gates;
    judged(plan, |run| {
        run.ending.generator.tool = Some(ToolFigures {
            stalls: Vec::new(),
            host: host(),
            cpus_full: vec![FullCpus {
                from: SimTime::from_secs(from),
                until: SimTime::from_secs(until),
            }],
        });
    })
}

/// A third of the requests of the example fail after 2 s from 4:00 to 4:30; all others end within 0.1 s.
#[test]
fn full_cpus_make_a_run_inconclusive_if_they_can_be_why_a_gate_failed() {
    let p99 = gate(
        GateMetric::ResponseTime,
        Statistic::Percentile(99.0),
        1e9,
        "p(99) < 1s",
    );
    let errors = gate(GateMetric::Errors, Statistic::Rate, 0.01, "rate < 1%");
    for gate in [p99, errors] {
        let selector = gate.selector();
        let full = judged_full(vec![gate.clone()], 240, 270);
        assert_eq!(full.exit_code(), 91, "{:?}", full.validity);
        let evidence = &check(&full, CPUS).evidence;
        let start = "the CPUs of this machine were full for 30s of scenario time, in which 7";
        assert!(evidence.starts_with(start), "{evidence}");
        assert!(
            evidence.contains(&format!("fail `{selector} ")),
            "{evidence}"
        );
        assert_eq!(full.cause, None, "nothing is known of the system");

        let brief = judged_full(vec![gate], 240, 242);
        assert_eq!(brief.exit_code(), 99, "0.5 % of the requests are too few");
        assert!(check(&brief, CPUS).ok);
    }
}

#[test]
fn a_failure_that_full_cpus_cannot_explain_is_enough_for_the_answer() {
    let slow = gate(
        GateMetric::ResponseTime,
        Statistic::Percentile(99.0),
        1e9,
        "p(99) < 1s",
    );
    let none = gate(
        GateMetric::OversoldSeats,
        Statistic::Count,
        1.0,
        "count == 1",
    );
    let verdicts = judged_full(vec![slow, none], 240, 270);
    assert_eq!(verdicts.exit_code(), 99);
    let evidence = &check(&verdicts, CPUS).evidence;
    assert!(evidence.ends_with("but not what else failed"), "{evidence}");
}

#[test]
fn full_cpus_do_not_excuse_what_late_responses_cannot_cause() {
    let passed = gate(
        GateMetric::ResponseTime,
        Statistic::Percentile(50.0),
        1e9,
        "med < 1s",
    );
    let verdicts = judged_full(vec![passed], 0, 600);
    assert_eq!(verdicts.exit_code(), 0, "late responses pass no gate");
    let evidence = &check(&verdicts, CPUS).evidence;
    assert!(evidence.contains("100% of the requests"), "{evidence}");

    let sold = gate(
        GateMetric::OversoldSeats,
        Statistic::Count,
        1.0,
        "count == 1",
    );
    assert_eq!(judged_full(vec![sold], 0, 600).exit_code(), 99);
}

#[test]
fn a_worker_that_waits_for_its_core_is_as_saturated_as_one_that_fills_it() {
    let judge = |waited| {
        judged(good_plan(), |run| {
            let worker = &mut run.ending.generator.workers[0];
            // 46 % of 120 s.
            worker.cpu = Duration::from_millis(55_200);
            worker.waited = waited;
        })
    };
    assert_eq!(judge(None).exit_code(), 0);
    assert_eq!(judge(Some(Duration::from_secs(12))).exit_code(), 0);
    let full = judge(Some(Duration::from_secs(60)));
    assert_eq!(full.exit_code(), 91);
    let evidence = &check(&full, "load worker CPU").evidence;
    assert!(
        evidence.contains("used 46% of a CPU and waited for one 50% of the time"),
        "{evidence}"
    );
}

#[test]
fn polls_that_were_due_and_not_sent_make_the_run_inconclusive() {
    let judge = |polls| judged(good_plan(), |run| run.tally.polls = polls);
    let good = Polls {
        due: 1_090,
        sent: 990,
        cancelled: 90,
        missed: 10,
    };
    assert_eq!(judge(good).exit_code(), 0);
    let missed = Polls {
        cancelled: 89,
        missed: 11,
        ..good
    };
    let lost = Polls { sent: 989, ..good };
    for polls in [missed, lost] {
        let verdicts = judge(polls);
        assert_eq!(verdicts.exit_code(), 91, "{polls:?}");
        let evidence = &check(&verdicts, "polls sent when due").evidence;
        assert!(evidence.starts_with("1,090 due = "), "{evidence}");
    }
}

/// The example with a fault that a command carried out, which ended like this.
fn judged_with_command(outcome: CommandOutcome) -> Verdicts {
    judged(good_plan(), |run| {
        for notice in &mut run.timeline {
            let (What::FaultStruck { action, name, .. } | What::FaultHealed { action, name, .. }) =
                &mut notice.what
            else {
                continue;
            };
            (*action, *name) = (FaultKind::Exec, Some("kill a pod".to_owned()));
        }
        run.ending.commands = vec![CommandRun {
            action: FaultKind::Exec,
            fault: "kill a pod".to_owned(),
            purpose: Purpose::Start,
            at: SimTime::from_secs(241),
            took: Duration::from_secs(1),
            outcome,
            last_line: None,
            output: None,
        }];
    })
}

#[test]
fn a_command_that_fails_makes_the_run_inconclusive_as_to_its_fault() {
    use crate::recovery::Outcome;
    const COMMANDS: &str = "faults carried out by commands";
    let verdicts = judged_with_command(CommandOutcome::Exited { code: 3 });
    let failed = check(&verdicts, COMMANDS);
    assert!(!failed.ok && failed.evidence.contains("exited with code 3"));
    assert_eq!(verdicts.exit_code(), 91);
    let recovery = &verdicts.recoveries[0];
    assert_eq!(recovery.fault(), "exec \"kill a pod\"");
    let Outcome::CouldNotTell { reason } = &recovery.outcome else {
        panic!("{recovery:?}");
    };
    assert!(
        reason.contains("its command `run` exited with code 3"),
        "{reason}"
    );

    let verdicts = judged_with_command(CommandOutcome::Exited { code: 0 });
    assert!(check(&verdicts, COMMANDS).ok);
    let outcome = &verdicts.recoveries[0].outcome;
    assert!(
        !matches!(outcome, Outcome::CouldNotTell { .. }),
        "{outcome:?}"
    );
}
