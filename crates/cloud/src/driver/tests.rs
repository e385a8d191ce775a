//! The driver with an engine that only notes what it is asked to do.

use std::convert::Infallible;

use tiketi_core::fault::catalog::{Action, Connections, Disruption, Fault};
use tiketi_core::impairment::Peer;
use tiketi_core::units::{DataTierPart, Share};
use tiketi_cost::{LoadSample, Sales};
use tiketi_scenario::{Overrides, load};

use super::*;
use crate::notice::AlarmState;
use crate::order::{Input, Order};
use crate::resolver::NameServerState;

const ZONE_A: ZoneId = ZoneId(0);
const ZONE_B: ZoneId = ZoneId(1);

/// What the engine was asked to do.
#[derive(Clone, Debug, PartialEq)]
enum Call {
    Launch(InstanceId, ZoneId),
    Register(InstanceId),
    Terminate(InstanceId),
    Promote(DataTierPart, ZoneId),
    Kill(Vec<InstanceId>),
    Pause(InstanceId),
    Resume(InstanceId),
    Stress(InstanceId, Share),
    Impair(Impairments),
    Shift(ZoneId, Shift),
    LoseZone(ZoneId, Connections),
    RestoreZone(ZoneId),
    LoseNode(ZoneId),
    EvictNode(ZoneId),
    RestoreNode(ZoneId),
    NameServer(NameServerState),
    Strain(Strain),
    Relieve(Strain),
    Disrupt(Disruption),
    Repair(Disruption),
}

/// Every order and every fault takes effect at once; all instances work all the time.
#[derive(Debug, Default)]
struct Noted {
    calls: Vec<Call>,
    running: BTreeMap<InstanceId, ZoneId>,
    queue: Option<u64>,
}

struct Play {
    driver: Driver,
    engine: Noted,
}

impl Driven for Play {
    type Engine = Noted;

    fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    fn engine(&mut self) -> &mut Noted {
        &mut self.engine
    }
}

impl Engine for Noted {
    type Error = Infallible;

    fn queue_size(&mut self, _now: SimTime) -> Option<u64> {
        self.queue
    }

    fn cpu_times(&mut self, now: SimTime) -> Vec<CpuTime> {
        let busy = now.since_start();
        let running = self.running.keys();
        running
            .map(|&instance| CpuTime { instance, busy })
            .collect()
    }

    fn launch(&mut self, _now: SimTime, launch: Launch) -> Result<(), Infallible> {
        self.running.insert(launch.instance, launch.zone);
        self.calls.push(Call::Launch(launch.instance, launch.zone));
        Ok(())
    }

    fn register(&mut self, _now: SimTime, instance: InstanceId) {
        self.calls.push(Call::Register(instance));
    }

    fn deregister(&mut self, _now: SimTime, _instance: InstanceId, _until: SimTime) -> bool {
        true
    }

    fn terminate(&mut self, _now: SimTime, instance: InstanceId) {
        self.running.remove(&instance);
        self.calls.push(Call::Terminate(instance));
    }

    fn promote(&mut self, _now: SimTime, part: DataTierPart, zone: ZoneId) {
        self.calls.push(Call::Promote(part, zone));
    }

    fn show_levels(&mut self, _now: SimTime) -> ShowLevels {
        ShowLevels {
            waiting: self.queue,
            ..ShowLevels::default()
        }
    }

    fn take_load(&mut self) -> LoadSample {
        LoadSample {
            requests: 7,
            ..LoadSample::default()
        }
    }
}

impl FaultTarget for Noted {
    fn instances_in(&self, zone: ZoneId) -> Vec<InstanceId> {
        let here = self.running.iter().filter(|(_, of)| **of == zone);
        here.map(|(instance, _)| *instance).collect()
    }

    fn answering_in(&self, _now: SimTime, zone: ZoneId) -> Vec<InstanceId> {
        self.instances_in(zone)
    }

    fn kill_instances(&mut self, _now: SimTime, instances: &[InstanceId]) {
        self.running
            .retain(|instance, _| !instances.contains(instance));
        self.calls.push(Call::Kill(instances.to_vec()));
    }

    fn pause_instance(&mut self, _now: SimTime, instance: InstanceId) -> Result<(), Infallible> {
        self.calls.push(Call::Pause(instance));
        Ok(())
    }

    fn resume_instance(&mut self, _now: SimTime, instance: InstanceId) -> Result<(), Infallible> {
        self.calls.push(Call::Resume(instance));
        Ok(())
    }

    fn stress_instance(&mut self, _now: SimTime, instance: InstanceId, load: Share) {
        self.calls.push(Call::Stress(instance, load));
    }

    fn impair(&mut self, _now: SimTime, impairments: &Impairments) {
        self.calls.push(Call::Impair(impairments.clone()));
    }

    fn shift_zone(&mut self, _now: SimTime, zone: ZoneId, shift: Shift) {
        self.calls.push(Call::Shift(zone, shift));
    }

    fn lose_zone(&mut self, _now: SimTime, zone: ZoneId, connections: Connections) {
        self.running.retain(|_, of| *of != zone);
        self.calls.push(Call::LoseZone(zone, connections));
    }

    fn restore_zone(&mut self, _now: SimTime, zone: ZoneId) -> Result<(), Infallible> {
        self.calls.push(Call::RestoreZone(zone));
        Ok(())
    }

    fn lose_node(&mut self, _now: SimTime, zone: ZoneId) {
        self.calls.push(Call::LoseNode(zone));
    }

    fn evict_node(&mut self, zone: ZoneId) {
        self.calls.push(Call::EvictNode(zone));
    }

    fn restore_node(&mut self, _now: SimTime, zone: ZoneId) -> Result<(), Infallible> {
        self.calls.push(Call::RestoreNode(zone));
        Ok(())
    }

    fn set_name_server(&mut self, _now: SimTime, state: NameServerState) {
        self.calls.push(Call::NameServer(state));
    }

    fn strain(&mut self, _now: SimTime, strain: Strain) {
        self.calls.push(Call::Strain(strain));
    }

    fn relieve(&mut self, _now: SimTime, strain: Strain) {
        self.calls.push(Call::Relieve(strain));
    }

    fn disrupt(&mut self, _now: SimTime, disruption: Disruption) {
        self.calls.push(Call::Disrupt(disruption));
    }

    fn repair(&mut self, _now: SimTime, disruption: Disruption) {
        self.calls.push(Call::Repair(disruption));
    }
}

impl Play {
    /// The documented architecture with `faults`, its initial fleet launched.
    fn new(faults: &[(u64, u64, Action)]) -> Self {
        Self::with(faults, |_| {})
    }

    fn with(faults: &[(u64, u64, Action)], change: impl FnOnce(&mut Plan)) -> Self {
        let loaded = load("driver.toml", "preset = \"tiketi\"", &Overrides::default());
        let mut plan = loaded.expect("the preset is a valid scenario");
        let fault = |(at, lasts, action): &(u64, u64, Action)| Fault {
            at: SimTime::from_secs(*at),
            lasts: Duration::from_secs(*lasts),
            action: action.clone(),
        };
        plan.faults = faults.iter().map(fault).collect();
        change(&mut plan);
        let mut play = Self {
            driver: Driver::new(&plan, Scope::Everything),
            engine: Noted {
                queue: Some(0),
                ..Noted::default()
            },
        };
        let Ok(()) = carry_out(&mut play, SimTime::ZERO);
        play.engine.calls.clear();
        play
    }

    /// Does everything that is due until `end`.
    fn run_until(&mut self, end: u64) {
        let end = SimTime::from_secs(end);
        while let Some(due) = self.driver.poll_timeout().filter(|due| *due <= end) {
            let Ok(()) = handle_faults(self, due);
            handle_evictions(self, due);
            let Ok(()) = handle_timeout(self, due);
        }
    }

    fn has(&self, call: &Call) -> bool {
        self.engine.calls.contains(call)
    }

    fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.driver.poll_notice()).collect()
    }
}

fn usage(play: &Play, at: u64) -> tiketi_cost::Usage {
    let loaded = load("driver.toml", "preset = \"tiketi\"", &Overrides::default());
    let plan = loaded.expect("the preset is a valid scenario");
    let sales = Sales {
        buyers: 1,
        tickets: 1,
    };
    let statement = play
        .driver
        .billing
        .statement(&plan, SimTime::from_secs(at), sales);
    statement.expect("its prices are built in").usage
}

#[test]
fn nothing_is_launched_in_a_lost_zone() {
    let lost = Action::AzPowerInterruption {
        zone: ZONE_A,
        connections: Connections::Reset,
    };
    let mut play = Play::new(&[(10, 600, lost)]);
    play.run_until(300);
    assert!(play.has(&Call::LoseZone(ZONE_A, Connections::Reset)));
    let launches = play.engine.calls.iter().filter_map(|call| match call {
        Call::Launch(_, zone) => Some(*zone),
        _ => None,
    });
    let zones: BTreeSet<_> = launches.collect();
    assert_eq!(zones, BTreeSet::from([ZONE_B]));
}

#[test]
fn nothing_is_launched_in_a_zone_without_capacity_until_the_fault_ends() {
    let full = Action::AsgInsufficientInstanceCapacityError { zone: ZONE_A };
    let killed = Action::TerminateInstances {
        zone: ZONE_A,
        count: 9,
    };
    let mut play = Play::new(&[(10, 300, full), (20, 0, killed)]);
    let launches_in_a = |play: &Play| {
        let in_a = |call: &&Call| matches!(call, Call::Launch(_, zone) if *zone == ZONE_A);
        play.engine.calls.iter().filter(in_a).count()
    };
    let before = launches_in_a(&play);
    play.run_until(309);
    assert_eq!(
        launches_in_a(&play),
        before,
        "one exists, and no other is launched"
    );
    assert!(play.engine.running.values().all(|zone| *zone == ZONE_B));
    play.run_until(400);
    assert_eq!(
        launches_in_a(&play),
        before + 1,
        "the group evens out its zones"
    );
}

#[test]
fn instances_that_are_slowed_are_at_full_speed_when_the_fault_ends() {
    let load = Share::try_from(0.8).expect("a share");
    let stress = Action::CpuStress {
        zone: ZONE_A,
        count: 1,
        load,
    };
    let mut play = Play::new(&[(10, 30, stress)]);
    let slowed = play.engine.instances_in(ZONE_A)[0];
    play.run_until(39);
    assert!(play.has(&Call::Stress(slowed, load)));
    assert!(!play.has(&Call::Stress(slowed, Share::NONE)));
    play.run_until(40);
    assert!(play.has(&Call::Stress(slowed, Share::NONE)));
}

#[test]
fn the_engine_hears_of_all_impairments_together_and_of_the_end_of_each() {
    let latency = Action::NetworkLatency {
        zone: ZONE_A,
        peer: Peer::OtherZones,
        delay: Duration::from_millis(40),
        jitter: Duration::ZERO,
    };
    let loss = Action::NetworkPacketLoss {
        zone: ZONE_B,
        peer: Peer::Buyers,
        loss: Share::try_from(0.1).expect("a share"),
    };
    let mut play = Play::new(&[(10, 30, latency.clone()), (20, 10, loss.clone())]);
    play.run_until(100);
    let impaired = |actions: &[&Action]| {
        let mut all = Impairments::default();
        actions
            .iter()
            .filter_map(|one| one.impairment())
            .for_each(|one| all.add(one));
        Call::Impair(all)
    };
    let wanted = [
        impaired(&[&latency]),
        impaired(&[&latency, &loss]),
        impaired(&[&latency]),
        impaired(&[]),
    ];
    let heard = play.engine.calls.iter();
    let heard = heard.filter(|call| matches!(call, Call::Impair(_)));
    assert!(heard.eq(wanted.iter()), "{:?}", play.engine.calls);
}

#[test]
fn an_order_for_a_lost_zone_is_answered_with_its_failure() {
    let mut play = Play::new(&[]);
    play.driver.lost_zones.insert(ZONE_B);
    let (instance, answers_at) = (InstanceId(9), SimTime::ZERO);
    let launch = |zone| Order::Launch {
        instance,
        zone,
        answers_at,
    };
    let Ok(answer) = orders::obey(&mut play, SimTime::ZERO, launch(ZONE_B));
    assert_eq!(answer, Some(Input::LaunchFailed { instance }));
    assert!(play.engine.calls.is_empty());
    let Ok(answer) = orders::obey(&mut play, SimTime::ZERO, launch(ZONE_A));
    assert_eq!(answer, None);
    assert!(play.has(&Call::Launch(instance, ZONE_A)));
}

#[test]
fn a_node_stays_down_until_the_last_fault_that_keeps_it_down_has_ended() {
    let zone = Action::AzPowerInterruption {
        zone: ZONE_A,
        connections: Connections::Silent,
    };
    let node = Action::LoseAlbNode { zone: ZONE_A };
    for faults in [
        [(10, 100, zone.clone()), (20, 200, node.clone())],
        [(10, 100, node), (20, 200, zone)],
    ] {
        let mut play = Play::new(&faults);
        play.run_until(219);
        assert!(!play.has(&Call::RestoreNode(ZONE_A)), "{faults:?}");
        play.run_until(220);
        assert!(play.has(&Call::RestoreNode(ZONE_A)), "{faults:?}");
    }
}

#[test]
fn the_address_of_a_lost_node_leaves_the_record_after_the_health_checks() {
    let node = Action::LoseAlbNode { zone: ZONE_A };
    let mut play = Play::new(&[(10, 600, node)]);
    play.run_until(39);
    assert!(!play.has(&Call::EvictNode(ZONE_A)));
    play.run_until(40);
    assert!(play.has(&Call::EvictNode(ZONE_A)));
}

#[test]
fn a_node_that_is_lost_again_keeps_its_address_for_the_full_time() {
    let node = Action::LoseAlbNode { zone: ZONE_A };
    let mut play = Play::new(&[(10, 10, node.clone()), (25, 600, node)]);
    play.run_until(54);
    assert!(
        !play.has(&Call::EvictNode(ZONE_A)),
        "not 30 s after the first loss"
    );
    play.run_until(55);
    assert!(play.has(&Call::EvictNode(ZONE_A)));
}

#[test]
fn terminated_instances_are_replaced_and_their_fault_never_ends() {
    let terminate = Action::TerminateInstances {
        zone: ZONE_A,
        count: 1,
    };
    let mut play = Play::new(&[(10, 0, terminate)]);
    let first = play.engine.instances_in(ZONE_A)[0];
    play.run_until(10);
    assert_eq!(play.engine.calls[0], Call::Kill(vec![first]));
    assert!(matches!(play.engine.calls[1], Call::Launch(_, ZONE_A)));
    assert_eq!(play.driver.fault_due(), None);
}

#[test]
fn instances_that_were_paused_are_resumed() {
    let pause = Action::PauseInstances {
        zone: ZONE_A,
        count: 1,
    };
    let mut play = Play::new(&[(10, 60, pause)]);
    let first = play.engine.instances_in(ZONE_A)[0];
    play.run_until(30);
    assert!(play.has(&Call::Pause(first)));
    play.run_until(70);
    assert!(play.has(&Call::Resume(first)));
}

#[test]
fn a_lost_primary_is_reported_and_fails_over() {
    let part = DataTierPart::Redis;
    let mut play = Play::new(&[(10, 300, Action::LosePrimary { part })]);
    play.run_until(400);
    assert!(play.has(&Call::Strain(Strain::LosePrimary(part))));
    assert!(play.has(&Call::Relieve(Strain::LosePrimary(part))));
    assert!(play.has(&Call::Promote(part, ZONE_B)));
}

#[test]
fn what_breaks_outside_is_passed_to_the_engine_and_invisible_to_aws() {
    let lost = Action::LoseNatGateway { zone: ZONE_A };
    let route = Action::ReplaceRoute {
        zone: ZONE_A,
        gateway: ZONE_B,
    };
    let mut play = Play::new(&[
        (10, 60, lost),
        (30, 0, route.clone()),
        (40, 5, Action::ProviderDown),
    ]);
    play.run_until(100);
    let calls = play.engine.calls.iter();
    let outside = calls.filter(|call| matches!(call, Call::Disrupt(_) | Call::Repair(_)));
    let gateway = Disruption::NatGateway(ZONE_A);
    let expected = [
        Call::Disrupt(gateway),
        Call::Disrupt(
            route
                .disruption()
                .expect("a route is outside the data tier"),
        ),
        Call::Disrupt(Disruption::ProviderDown),
        Call::Repair(Disruption::ProviderDown),
        Call::Repair(gateway),
    ];
    assert_eq!(outside.cloned().collect::<Vec<_>>(), expected);
    assert_eq!(
        play.engine.calls.len(),
        expected.len(),
        "nothing is ordered"
    );
}

#[test]
fn a_paused_primary_is_invisible_to_aws() {
    let part = DataTierPart::Database;
    let mut play = Play::new(&[(10, 300, Action::PausePrimary { part })]);
    play.run_until(400);
    assert!(play.has(&Call::Strain(Strain::PausePrimary(part))));
    assert!(
        !play
            .engine
            .calls
            .iter()
            .any(|call| matches!(call, Call::Promote(..)))
    );
}

#[test]
fn starts_and_ends_of_faults_are_in_the_timeline() {
    let node = Action::LoseAlbNode { zone: ZONE_A };
    let mut play = Play::new(&[(10, 20, node.clone())]);
    play.run_until(30);
    let notices = play.notices().into_iter();
    let faults: Vec<_> = notices
        .filter(|notice| {
            matches!(
                notice.what,
                What::FaultStruck { .. } | What::FaultHealed { .. }
            )
        })
        .map(|notice| (notice.at.as_secs(), notice.what))
        .collect();
    assert_eq!(
        faults,
        [(10, What::struck(&node)), (30, What::healed(&node))]
    );
}

#[test]
fn instances_are_billed_from_launch_to_end() {
    let terminate = Action::TerminateInstances {
        zone: ZONE_A,
        count: 1,
    };
    let mut play = Play::new(&[(1_800, 0, terminate)]);
    let fleet = play.engine.running.len();
    play.run_until(3_600);
    drop(play.notices());
    // The replacement is billed from the order to launch it, so the hours are those of the whole fleet.
    let hours = usage(&play, 3_600).instance_hours;
    let expected = u32::try_from(fleet).map(f64::from).expect("a small fleet");
    assert!(
        (hours - expected).abs() < 1e-9,
        "{hours} h of {fleet} instances"
    );
}

#[test]
fn each_run_of_the_lambda_is_counted() {
    let mut play = Play::new(&[]);
    play.run_until(600);
    let runs = play.driver.billing().lambda_runs();
    assert_eq!(runs, 10, "one per minute");
    assert_eq!(usage(&play, 600).lambda_runs, runs);
}

#[test]
fn a_run_of_the_lambda_that_cannot_read_redis_is_billed_but_is_no_sample() {
    let mut play = Play::new(&[]);
    play.engine.queue = Some(3);
    play.run_until(300);
    play.engine.queue = None;
    play.run_until(600);
    assert_eq!(play.driver.billing().lambda_runs(), 10);
    assert_eq!(play.driver.queue_samples(), 5);
}

#[test]
fn the_cpu_metric_of_a_saturated_fleet_is_that_of_one_of_its_virtual_cpus() {
    for (class, most) in [
        (InstanceClass::T3Medium, 50.0),
        (InstanceClass::T3Xlarge, 25.0),
        (InstanceClass::T32xlarge, 12.5),
    ] {
        assert_eq!(cpu_datapoint(class, most - 1.0), Some(most), "{class}");
    }
}

/// The datapoint with which a CPU alarm fires while every application thread is busy all the time.
fn cpu_datapoint(class: InstanceClass, above: f64) -> Option<f64> {
    use tiketi_scenario::scaling::{Comparison, Metric};

    let mut name = String::new();
    let mut play = Play::with(&[], |plan| {
        plan.topology.instances.class = class;
        let policy = &mut plan.scaling.policies[0];
        name.clone_from(&policy.name);
        policy.alarm.metric = Metric::CpuUtilization;
        policy.alarm.comparison = Comparison::Above;
        policy.alarm.threshold = above;
    });
    play.run_until(600);
    play.notices()
        .into_iter()
        .find_map(|notice| match notice.what {
            What::Alarm {
                policy,
                state: AlarmState::Alarm,
                datapoint,
            } if policy == name => datapoint,
            _ => None,
        })
}

#[test]
fn gauges_count_instances_by_zone_and_state_and_bill_the_load() {
    let mut play = Play::new(&[]);
    for &instance in &play.engine.running.keys().copied().collect::<Vec<_>>() {
        let healthy = true;
        let Ok(()) = tell(
            &mut play,
            SimTime::ZERO,
            Input::TargetHealth { instance, healthy },
        );
    }
    play.engine.queue = None;
    let gauges = read_gauges(&mut play, SimTime::from_secs(60));
    let healthy = gauges.instances_in(&[InstanceState::Healthy]) as usize;
    assert_eq!(healthy, play.engine.running.len());
    assert_eq!(
        gauges.instances.len(),
        2,
        "one entry per zone, nothing else"
    );
    assert_eq!((gauges.waiting, gauges.cpu), (None, Some(1.0)));
    assert_eq!(usage(&play, 60).requests, Some(7));
}
