//! Invariants of every simulated sale: no seat sold twice, no paid order lost, nobody dropped from the queue.

use std::time::Duration;

use tiketi_buyer::observation::Stage;
use tiketi_cloud::notice::{InstanceState, What};
use tiketi_core::units::{DataTierPart, SimTime};
use tiketi_measure::Measurements;
use tiketi_measure::ending::FinalState;
use tiketi_model::{Progress, Unwatched, Watcher, Wish, simulate};
use tiketi_scenario::{self as scenario, Overrides, Plan};
use tiketi_verdict::audit::{Audit, Finding};
use tiketi_verdict::judge;

/// A small sale that loses a zone while people queue, choose seats and pay.
const SALE: &str = r#"
# Does the small sale pass its audits when a zone fails?
name   = "small"
preset = "tiketi"
[clock]
duration = "6m"
warmup   = "5s"
[show]
hold     = "30s"
sections = [{ name = "R", rows = 10, seats_per_row = 12, price = 110_000 }]
[waiting_room]
active_max = 40
[[arrivals]]
shape    = "onsale"
buyers   = 600
opens_at = "10s"
decay    = "40s"
[buyers]
payment = { distribution = "lognormal", median = "10s", sigma = 0.6 }
[topology.instances]
initial = { a = 2, b = 2 }
[scaling]
min = 4
[[faults]]
at     = "1m30s"
action = "az-power-interruption"
zone   = "a"
lasts  = "2m"
[gates]
"errors" = ["rate < 100%"]
"#;

fn plan(seed: u64, changes: &[(&str, &str)]) -> Plan {
    let mut text = SALE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the sale has no `{from}`");
        text = text.replace(from, to);
    }
    let overrides = Overrides {
        seed: Some(seed),
        ..Overrides::default()
    };
    scenario::load("small.toml", &text, &overrides).expect("the scenario is valid")
}

fn play(plan: &Plan) -> Measurements {
    simulate(plan, &mut Unwatched)
}

fn assert_kept(run: &Measurements, seed: u64, kept: impl Fn(Audit) -> bool) {
    let verdicts = judge(run);
    for verdict in verdicts.audits.iter().filter(|verdict| kept(verdict.audit)) {
        let is_held = matches!(verdict.finding, Finding::Held { .. });
        assert!(is_held, "seed {seed}: {verdict:?}");
    }
    for check in &verdicts.validity {
        assert!(check.ok, "seed {seed}: {check:?}");
    }
}

/// The number of buyers who joined the queue and are missing from the ledger.
fn dropped(run: &Measurements) -> u64 {
    let FinalState::Read(facts) = &run.ending.state else {
        panic!("a simulation always has a final state");
    };
    let ledger = facts.admissions.expect("Redis is up at the end");
    (ledger.joined + ledger.put_back) - (ledger.admitted + ledger.left + ledger.waiting)
}

#[test]
fn audits_pass_when_the_primaries_survive() {
    for seed in 0..6 {
        let run = play(&plan(seed, &[("zone   = \"a\"", "zone   = \"b\"")]));
        assert_kept(&run, seed, |_| true);
    }
}

#[test]
fn losing_the_primaries_loses_no_seats_or_orders() {
    let mut lost = 0;
    for seed in 0..12 {
        let run = play(&plan(seed, &[]));
        assert_kept(&run, seed, |audit| audit != Audit::AdmissionsConserved);
        assert!(
            run.tally.reached(Stage::Paid) > 0,
            "seed {seed} sold nothing"
        );
        lost += dropped(&run);
        let [redis, database] = &run.data_tier().expect("the model counts").failovers[..] else {
            panic!("seed {seed}: both primaries were in the zone");
        };
        assert_eq!(
            redis.loss.places,
            dropped(&run),
            "seed {seed}: missing buyers are not those lost by the failover"
        );
        assert_eq!(database.loss.orders, 0, "seed {seed}");
        let failed_for = [redis, database].map(|one| one.writes_failed_for);
        assert_eq!(
            failed_for,
            [Some(Duration::from_secs(30)); 2],
            "seed {seed}"
        );
    }
    // Redis replicates asynchronously: joins in the last tenth of a second are lost, and the audit reports them.
    assert!(lost < 12, "{lost} buyers lost in twelve failovers");
}

#[test]
fn without_replica_the_queue_is_lost_and_the_audit_fails() {
    let changes = [(
        "[topology.instances]",
        "[topology.redis]\nreplica = \"none\"\n[topology.instances]",
    )];
    let run = play(&plan(0, &changes));
    assert!(dropped(&run) > 100, "{} dropped", dropped(&run));
    let failovers = &run.data_tier().expect("the model counts").failovers;
    let places: u64 = failovers.iter().map(|one| one.loss.places).sum();
    assert_eq!(places, dropped(&run));
    let verdicts = judge(&run);
    let admissions = verdicts
        .audits
        .iter()
        .find(|verdict| verdict.audit == Audit::AdmissionsConserved);
    let finding = &admissions.expect("it is always looked at").finding;
    assert!(matches!(finding, Finding::Violated { .. }), "{finding:?}");
    assert_kept(&run, 0, |audit| audit != Audit::AdmissionsConserved);
}

#[test]
fn losing_the_only_nat_gateway_stops_payments() {
    let kept = play(&plan(3, &[("zone   = \"a\"", "zone   = \"b\"")]));
    let cut = [
        ("zone   = \"a\"", "zone   = \"b\""),
        (
            "[topology.instances]",
            "[topology]\nnat_gateways = [\"b\"]\n[topology.instances]",
        ),
    ];
    let cut = play(&plan(3, &cut));
    let paid = |run: &Measurements| run.tally.reached(Stage::Paid);
    assert!(
        paid(&cut) < paid(&kept),
        "{} of {}",
        paid(&cut),
        paid(&kept)
    );
}

#[test]
fn more_instances_never_respond_slower() {
    let p95 = |instances: &str| {
        let calm = [
            ("initial = { a = 2, b = 2 }", instances),
            ("min = 4", "min = 2"),
            ("at     = \"1m30s\"", "at     = \"5m59s\""),
        ];
        let run = play(&plan(5, &calm));
        run.tally.operation(None).response_time.percentile(95.0)
    };
    assert!(p95("initial = { a = 4, b = 4 }") <= p95("initial = { a = 1, b = 1 }"));
}

/// The sale with another fault instead of the zone failure.
fn with_fault(seed: u64, action: &str, keys: &str) -> Plan {
    let fault = "action = \"az-power-interruption\"\nzone   = \"a\"\nlasts  = \"2m\"";
    plan(seed, &[(fault, &format!("action = \"{action}\"\n{keys}"))])
}

fn happened(run: &Measurements, wanted: impl Fn(&What) -> bool) -> usize {
    let notices = run.timeline.iter().map(|notice| &notice.what);
    notices.filter(|what| wanted(what)).count()
}

#[test]
fn lost_primary_fails_over_without_affecting_the_fleet() {
    for (name, part) in [
        ("redis", DataTierPart::Redis),
        ("database", DataTierPart::Database),
    ] {
        let keys = format!("part = \"{name}\"\nlasts = \"2m\"");
        let run = play(&with_fault(2, "lose-primary", &keys));
        let is_loss = |what: &What| matches!(what, What::PrimaryLost { tier, .. } if *tier == part);
        let any_loss = |what: &What| matches!(what, What::PrimaryLost { .. });
        assert_eq!(
            (happened(&run, is_loss), happened(&run, any_loss)),
            (1, 1),
            "{name}"
        );
        assert_eq!(
            happened(&run, is_lost),
            0,
            "{name}: an instance was lost with it"
        );
        assert_eq!(
            happened(&run, |what| matches!(what, What::Promoted { .. })),
            1,
            "{name}"
        );
        assert_kept(&run, 2, |audit| audit != Audit::AdmissionsConserved);
        let recovery = &judge(&run).recoveries[0];
        assert_eq!(recovery.part, Some(part));
        assert_eq!(recovery.zone, None);
        assert_eq!(recovery.healed_at, Some(SimTime::from_secs(210)));
        assert!(
            recovery.longest_stop < Duration::from_secs(60),
            "{recovery:?}"
        );
    }
}

#[test]
fn terminated_instances_are_replaced_and_the_fault_has_no_end() {
    let run = play(&with_fault(
        2,
        "terminate-instances",
        "zone = \"a\"\ncount = 1",
    ));
    assert_eq!(happened(&run, is_lost), 1);
    assert_eq!(
        happened(&run, |what| matches!(what, What::FaultStruck { .. })),
        1
    );
    assert_eq!(
        happened(&run, |what| matches!(what, What::FaultHealed { .. })),
        0
    );
    let is_launch = |what: &What| {
        matches!(
            what,
            What::Instance {
                state: InstanceState::Pending,
                ..
            }
        )
    };
    assert_eq!(happened(&run, is_launch), 1, "one instance replaces it");
    assert_kept(&run, 2, |_| true);
    assert_eq!(judge(&run).recoveries[0].healed_at, None);
    let all = play(&with_fault(
        2,
        "terminate-instances",
        "zone = \"a\"\ncount = 100",
    ));
    assert_eq!(happened(&all, is_lost), 2, "both of the zone, and no more");
}

#[test]
fn lost_alb_node_drops_sockets_but_no_instance() {
    let run = play(&with_fault(
        2,
        "lose-alb-node",
        "zone = \"a\"\nlasts = \"2m\"",
    ));
    assert_eq!(happened(&run, is_lost), 0);
    assert_eq!(
        happened(&run, |what| matches!(what, What::PrimaryLost { .. })),
        0
    );
    let sockets = run.series.sockets();
    // Buyers reconnect within a second or two, so the series only shows a dip.
    let lowest = sockets[88..94].iter().min().expect("the run is longer");
    assert!(
        lowest * 10 < sockets[88] * 9,
        "no sockets were lost: {:?}",
        &sockets[86..96]
    );
    assert_kept(&run, 2, |_| true);
}

fn is_lost(what: &What) -> bool {
    matches!(
        what,
        What::Instance {
            state: InstanceState::Lost,
            ..
        }
    )
}

/// Interrupts the simulation after 60 s.
struct Interrupter;

impl Watcher for Interrupter {
    fn show(&mut self, progress: &Progress) -> Wish {
        if progress.now >= SimTime::from_secs(60) {
            Wish::Stop
        } else {
            Wish::GoOn
        }
    }
}

#[test]
fn interrupted_simulation_reports_what_it_measured() {
    let run = simulate(&plan(1, &[]), &mut Interrupter);
    assert!(run.ending.interrupted);
    assert_eq!(run.ending.ended_at, SimTime::from_secs(60));
    let ended: u64 = run.tally.left.iter().sum();
    assert_eq!(
        ended, run.tally.arrivals.started,
        "a started journey has no end"
    );
}
