//! Timelines of the control plane: given samples and losses, the alarms and orders that AWS would give.

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{documented_plan, secs};
use proptest::prelude::*;
use tiketi_sim::cloud::ControlPlane;
use tiketi_sim::cloud::notice::{
    AlarmState, DataTierPart, InstanceState, Notice, SwallowReason, What,
};
use tiketi_sim::cloud::order::{Input, Order};
use tiketi_sim::scenario::Plan;
use tiketi_sim::scenario::scaling::{HealthType, PolicyKind, Step};
use tiketi_sim::units::{InstanceId, SimTime, ZoneId};

const ZONE_A: ZoneId = ZoneId(0);
const ZONE_B: ZoneId = ZoneId(1);

/// A driver in virtual time: carries out every order at once, and lets targets pass their first check when their
/// application answers.
struct Drive {
    plane: ControlPlane,
    notices: Vec<Notice>,
    orders: Vec<(SimTime, Order)>,
    answers_at: Vec<(SimTime, InstanceId)>,
    drains: bool,
    queue: Box<dyn Fn(SimTime) -> Option<u64>>,
}

impl Drive {
    fn new(plan: &Plan, queue: impl Fn(SimTime) -> Option<u64> + 'static) -> Self {
        let mut drive = Self {
            plane: ControlPlane::new(plan),
            notices: Vec::new(),
            orders: Vec::new(),
            answers_at: Vec::new(),
            drains: false,
            queue: Box::new(queue),
        };
        drive.collect(SimTime::ZERO);
        drive
    }

    /// Runs until `end`, with targets that pass their check 30 s after they answer.
    fn run_until(&mut self, end: SimTime) {
        loop {
            let check = self.answers_at.iter().map(|(at, _)| *at).min();
            let Some(next) = self
                .plane
                .poll_timeout()
                .into_iter()
                .chain(check)
                .min()
                .filter(|next| *next <= end)
            else {
                return;
            };
            self.plane.handle_timeout(next);
            let (due, later) = self.answers_at.iter().partition(|(at, _)| *at <= next);
            self.answers_at = later;
            let due: Vec<(SimTime, InstanceId)> = due;
            for (_, instance) in due {
                self.plane.handle(
                    next,
                    Input::TargetHealth {
                        instance,
                        healthy: true,
                    },
                );
            }
            self.collect(next);
        }
    }

    fn tell(&mut self, at: u64, input: Input) {
        let at = SimTime::from_secs(at);
        self.run_until(at);
        self.plane.handle(at, input);
        self.collect(at);
    }

    fn collect(&mut self, now: SimTime) {
        while let Some(order) = self.plane.poll_order() {
            self.orders.push((now, order));
            match order {
                Order::SampleQueue => self.plane.handle(
                    now,
                    Input::QueueSampled {
                        size: (self.queue)(now),
                    },
                ),
                Order::SampleCpu => self.plane.handle(
                    now,
                    Input::CpuSampled {
                        percent: Some(50.0),
                    },
                ),
                Order::Launch {
                    instance,
                    answers_at,
                    ..
                } => self.answers_at.push((answers_at + secs(30), instance)),
                Order::Deregister { instance, .. } if self.drains => {
                    self.plane.handle(now, Input::Drained { instance });
                }
                Order::Terminate { instance } => {
                    self.answers_at.retain(|(_, other)| *other != instance);
                }
                Order::Register { .. }
                | Order::Deregister { .. }
                | Order::PromoteRedis { .. }
                | Order::PromoteDatabase { .. } => {}
            }
        }
        while let Some(notice) = self.plane.poll_notice() {
            self.notices.push(notice);
        }
    }

    /// Instants and new sizes of all resizes.
    fn resizes(&self) -> Vec<(u64, u32)> {
        self.notices
            .iter()
            .filter_map(|notice| match notice.what {
                What::Scaled { to, .. } => Some((notice.at.as_secs(), to)),
                _ => None,
            })
            .collect()
    }

    fn swallowed(&self, wanted: SwallowReason) -> usize {
        self.notices
            .iter()
            .filter(
                |notice| matches!(notice.what, What::Swallowed { reason, .. } if reason == wanted),
            )
            .count()
    }

    fn alarms(&self, name: &str) -> Vec<(u64, AlarmState)> {
        self.notices
            .iter()
            .filter_map(|notice| match &notice.what {
                What::Alarm { policy, state, .. } if policy == name => {
                    Some((notice.at.as_secs(), *state))
                }
                _ => None,
            })
            .collect()
    }

    fn first(&self, wanted: InstanceState, of: u32) -> Option<u64> {
        self.notices
            .iter()
            .find(|notice| {
                matches!(notice.what, What::Instance { instance, state, .. }
                    if instance == InstanceId(of) && state == wanted)
            })
            .map(|notice| notice.at.as_secs())
    }

    fn launches_after(&self, after: u64) -> Vec<ZoneId> {
        self.orders
            .iter()
            .filter_map(|(at, order)| match order {
                Order::Launch { zone, .. } if at.as_secs() >= after && at.as_secs() > 0 => {
                    Some(*zone)
                }
                _ => None,
            })
            .collect()
    }

    fn in_zone(&self, zone: ZoneId) -> usize {
        self.plane
            .fleet()
            .members()
            .filter(|member| member.zone == zone && member.is_active())
            .count()
    }
}

/// A queue that is long from `from` (seconds) on.
fn long_from(from: u64) -> impl Fn(SimTime) -> Option<u64> + 'static {
    move |at| Some(if at.as_secs() >= from { 8_000 } else { 2_000 })
}

fn minutes(count: u64) -> SimTime {
    SimTime::from_secs(count * 60)
}

#[test]
fn initial_instances_are_launched_and_registered_at_the_start() {
    let drive = Drive::new(&documented_plan(), long_from(u64::MAX));
    let zones: Vec<ZoneId> = drive
        .orders
        .iter()
        .filter_map(|(_, order)| match order {
            Order::Launch {
                zone, answers_at, ..
            } => {
                assert_eq!(*answers_at, SimTime::ZERO);
                Some(*zone)
            }
            _ => None,
        })
        .collect();
    assert_eq!(zones, [ZONE_A, ZONE_B]);
    let registered = drive
        .orders
        .iter()
        .filter(|(_, order)| matches!(order, Order::Register { .. }))
        .count();
    assert_eq!(registered, 2);
}

#[test]
fn refires_are_swallowed_until_the_cooldown_after_the_launch_has_passed() {
    let mut drive = Drive::new(&documented_plan(), long_from(125));
    drive.run_until(minutes(12));
    let resizes = drive.resizes();
    let (first, second) = (resizes[0], resizes[1]);
    // The sample at 130 s is the first above 5,000; it is visible at 135 s; the alarm looks once a minute.
    assert!((135..195).contains(&first.0), "{resizes:?}");
    assert_eq!((first.1, second.1), (4, 6));
    // The activity ends when both are in service (17 s), the cooldown 300 s later, the next evaluation within 60 s.
    let gap = second.0 - first.0;
    assert!((317..377).contains(&gap), "{gap} s between two resizes");
    assert_eq!(gap % 60, 0, "the alarm keeps its phase");
    assert_eq!(drive.swallowed(SwallowReason::ActivityInProgress), 0);
    let until_second = drive
        .notices
        .iter()
        .filter(|notice| notice.at.as_secs() < second.0)
        .filter(|notice| {
            matches!(
                notice.what,
                What::Swallowed {
                    reason: SwallowReason::Cooldown,
                    ..
                }
            )
        })
        .count();
    assert_eq!(
        u64::try_from(until_second).unwrap(),
        gap / 60 - 1,
        "every minute in between fired and was swallowed"
    );
}

#[test]
fn in_service_is_not_healthy_and_one_pass_makes_a_new_target_healthy() {
    let mut drive = Drive::new(&documented_plan(), long_from(0));
    drive.run_until(minutes(8));
    let launched = drive.resizes()[0].0;
    assert_eq!(
        drive.first(InstanceState::InService, 2),
        Some(launched + 17)
    );
    // Boot 240 s, then the first passing check of this driver, 30 s later.
    assert_eq!(drive.first(InstanceState::Healthy, 2), Some(launched + 270));
}

#[test]
fn three_of_three_alarms_two_minutes_later_than_one_of_one() {
    let alarm_at = |datapoints: u32| {
        let mut plan = documented_plan();
        plan.scaling.policies.truncate(1);
        plan.scaling.policies[0].alarm.datapoints_to_alarm = datapoints;
        plan.scaling.policies[0].alarm.evaluation_periods = datapoints;
        let mut drive = Drive::new(&plan, long_from(300));
        drive.run_until(minutes(12));
        let alarms = drive.alarms("queue-high");
        alarms
            .iter()
            .find(|(_, state)| *state == AlarmState::Alarm)
            .expect("alarms")
            .0
    };
    assert_eq!(alarm_at(3) - alarm_at(1), 120);
}

#[test]
fn without_samples_the_alarm_lacks_data_and_nothing_is_scaled() {
    let mut drive = Drive::new(&documented_plan(), |at| {
        (at.as_secs() < 300).then_some(2_000)
    });
    drive.run_until(minutes(12));
    assert_eq!(
        drive.alarms("queue-high").last().map(|alarm| alarm.1),
        Some(AlarmState::InsufficientData)
    );
    assert_eq!(drive.resizes(), []);
}

#[test]
fn scale_in_goes_one_at_a_time_and_its_cooldown_starts_after_the_drain() {
    let mut plan = documented_plan();
    plan.topology.instances.initial = vec![2, 2];
    let gap = |drains: bool| {
        let mut drive = Drive::new(&plan, |_| Some(10));
        drive.drains = drains;
        drive.run_until(minutes(40));
        let resizes = drive.resizes();
        let sizes: Vec<u32> = resizes.iter().map(|(_, to)| *to).collect();
        assert_eq!(sizes, [3, 2], "one at a time, and never below the minimum");
        assert_eq!(drive.swallowed(SwallowReason::AtLimit), 1, "announced once");
        resizes[1].0 - resizes[0].0
    };
    // Open sockets hold the drain for the whole deregistration delay.
    assert!((600..660).contains(&gap(false)));
    assert!((300..360).contains(&gap(true)));
}

#[test]
fn a_lost_zone_is_replaced_in_the_other_one_at_once_and_evened_out_when_it_is_back() {
    let mut plan = documented_plan();
    plan.topology.instances.initial = vec![2, 2];
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    drive.tell(200, Input::ZoneLost { zone: ZONE_A });
    let lost = drive
        .notices
        .iter()
        .filter(|notice| {
            matches!(
                notice.what,
                What::Instance {
                    state: InstanceState::Lost,
                    ..
                }
            )
        })
        .count();
    assert_eq!(lost, 2);
    assert_eq!(drive.launches_after(200), [ZONE_B, ZONE_B]);
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (0, 4));

    drive.tell(500, Input::ZoneRestored { zone: ZONE_A });
    assert_eq!(drive.launches_after(500), [ZONE_A, ZONE_A]);
    assert_eq!(
        drive.in_zone(ZONE_B),
        4,
        "launched before anything is ended"
    );
    // Something else happens meanwhile.
    let instance = InstanceId(2);
    let healthy = false;
    drive.tell(516, Input::TargetHealth { instance, healthy });
    assert_eq!(drive.in_zone(ZONE_B), 4);
    drive.run_until(SimTime::from_secs(518));
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (2, 2));
    assert_eq!(
        drive.plane.fleet().count(ZONE_B, InstanceState::Draining),
        2
    );
    assert_eq!(
        drive.resizes(),
        [],
        "nothing of this changes the desired number"
    );
}

#[test]
fn a_driver_that_learns_of_a_loss_late_gets_no_launch_in_the_lost_zone() {
    let mut plan = documented_plan();
    plan.scaling.policies.truncate(1);
    let mut drive = Drive::new(&plan, long_from(0));
    drive.run_until(SimTime::from_secs(15));
    // The alarm falls due, and then the loss is told, before any order is polled.
    drive
        .plane
        .handle(minutes(2), Input::ZoneLost { zone: ZONE_A });
    drive.collect(minutes(2));
    assert_eq!(drive.resizes().len(), 1, "the alarm came first");
    assert_eq!(drive.launches_after(1), [ZONE_B, ZONE_B, ZONE_B]);
}

#[test]
fn scaling_out_while_a_zone_is_down_uses_the_other_one() {
    let mut drive = Drive::new(&documented_plan(), long_from(100));
    drive.tell(50, Input::ZoneLost { zone: ZONE_B });
    drive.run_until(minutes(5));
    assert_eq!(drive.launches_after(50), [ZONE_A, ZONE_A, ZONE_A]);
}

#[test]
fn a_lost_instance_is_replaced_during_the_cooldown_and_leaves_the_target_group_later() {
    let mut drive = Drive::new(&documented_plan(), long_from(0));
    drive.run_until(minutes(3));
    let resized = drive.resizes()[0].0;
    let at = resized + 100;
    drive.tell(
        at,
        Input::InstanceLost {
            instance: InstanceId(0),
        },
    );
    assert_eq!(drive.launches_after(at), [ZONE_A]);
    drive.run_until(SimTime::from_secs(at + 61));
    assert!(drive.orders.contains(&(
        SimTime::from_secs(at + 60),
        Order::Terminate {
            instance: InstanceId(0)
        }
    )));
}

#[test]
fn at_the_maximum_nothing_more_is_launched() {
    let mut plan = documented_plan();
    plan.scaling.max = 3;
    let mut drive = Drive::new(&plan, long_from(0));
    drive.run_until(minutes(20));
    let sizes: Vec<u32> = drive.resizes().iter().map(|(_, to)| *to).collect();
    assert_eq!(sizes, [3], "+2 at 2 of at most 3 adds 1");
    assert_eq!(drive.plane.fleet().active(), 3);
}

/// The documented plan with a step policy: +2 from the threshold, +4 from 10,000 above it.
fn stepped_plan(warmup: Duration) -> Plan {
    let mut plan = documented_plan();
    let step = |from, to, adjust| Step { from, to, adjust };
    plan.scaling.policies[0].kind = PolicyKind::Step {
        steps: vec![
            step(Some(0.0), Some(10_000.0), 2),
            step(Some(10_000.0), None, 4),
        ],
        warmup,
    };
    plan.scaling.policies[1].kind = PolicyKind::Step {
        steps: vec![step(None, Some(0.0), -1)],
        warmup,
    };
    plan
}

#[test]
fn warming_instances_count_for_the_band_that_asked_for_them() {
    let mut drive = Drive::new(&stepped_plan(secs(300)), long_from(0));
    drive.run_until(minutes(12));
    let resizes = drive.resizes();
    assert_eq!((resizes[0].1, resizes[1].1), (4, 6));
    assert!((resizes[1].0 - resizes[0].0) >= 317, "{resizes:?}");
    assert!(drive.swallowed(SwallowReason::WarmingUp) >= 5);
}

#[test]
fn a_larger_band_adds_only_what_the_smaller_one_left_out() {
    let mut drive = Drive::new(&stepped_plan(secs(300)), |at| {
        Some(if at.as_secs() < 120 { 6_000 } else { 20_000 })
    });
    drive.run_until(minutes(5));
    let sizes: Vec<u32> = drive.resizes().iter().map(|(_, to)| *to).collect();
    assert_eq!(sizes, [4, 6], "2 + 2, then 2 + 4, not 4 + 4");
}

#[test]
fn without_warm_up_each_pair_in_service_allows_the_next() {
    let mut drive = Drive::new(&stepped_plan(Duration::ZERO), long_from(0));
    drive.run_until(minutes(8));
    let sizes: Vec<u32> = drive.resizes().iter().map(|(_, to)| *to).collect();
    assert_eq!(sizes, [4, 6, 8, 10]);
}

#[test]
fn step_scale_in_waits_for_the_warm_up_and_then_goes_on_each_minute() {
    let mut drive = Drive::new(&stepped_plan(secs(300)), |at| {
        Some(if at.as_secs() < 120 { 6_000 } else { 10 })
    });
    drive.run_until(minutes(20));
    let resizes = drive.resizes();
    let sizes: Vec<u32> = resizes.iter().map(|(_, to)| *to).collect();
    assert_eq!(sizes, [4, 3, 2]);
    assert!(resizes[1].0 - resizes[0].0 >= 317);
    assert_eq!(resizes[2].0 - resizes[1].0, 60);
}

#[test]
fn unhealthy_instances_are_replaced_one_at_a_time_if_the_group_looks_at_the_load_balancer() {
    let unhealthy = |drive: &mut Drive, at| {
        for instance in [0, 1].map(InstanceId) {
            drive.tell(
                at,
                Input::TargetHealth {
                    instance,
                    healthy: false,
                },
            );
        }
    };
    let mut plan = documented_plan();
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    unhealthy(&mut drive, 400);
    assert_eq!(
        drive.launches_after(0),
        [],
        "by default only the machine's own state counts"
    );

    plan.scaling.health_type = HealthType::Elb;
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    unhealthy(&mut drive, 100);
    assert_eq!(drive.launches_after(0), [], "within the grace period");
    drive.run_until(SimTime::from_secs(301));
    assert_eq!(drive.launches_after(0).len(), 1);
    // The second goes when the first replacement has passed its check: boot 240 s + 30 s.
    drive.run_until(SimTime::from_secs(569));
    assert_eq!(drive.launches_after(0).len(), 1);
    drive.run_until(SimTime::from_secs(571));
    assert_eq!(drive.launches_after(0).len(), 2);
}

fn promotions(drive: &Drive) -> Vec<(u64, DataTierPart, ZoneId)> {
    drive
        .notices
        .iter()
        .filter_map(|notice| match notice.what {
            What::Promoted { tier, zone } => Some((notice.at.as_secs(), tier, zone)),
            _ => None,
        })
        .collect()
}

#[test]
fn redis_and_database_fail_over_after_their_times_and_back_in_the_other_direction() {
    let mut drive = Drive::new(&documented_plan(), |_| Some(2_000));
    drive.tell(100, Input::ZoneLost { zone: ZONE_A });
    drive.tell(300, Input::ZoneRestored { zone: ZONE_A });
    drive.tell(400, Input::ZoneLost { zone: ZONE_B });
    drive.run_until(minutes(10));
    assert_eq!(
        promotions(&drive),
        [
            (130, DataTierPart::Redis, ZONE_B),
            (145, DataTierPart::Database, ZONE_B),
            (430, DataTierPart::Redis, ZONE_A),
            (445, DataTierPart::Database, ZONE_A),
        ]
    );
    let lost = drive
        .notices
        .iter()
        .filter(|notice| matches!(notice.what, What::PrimaryLost { .. }))
        .count();
    assert_eq!(lost, 4);
    assert!(drive.orders.contains(&(
        SimTime::from_secs(130),
        Order::PromoteRedis { zone: ZONE_B }
    )));
    assert!(drive.orders.contains(&(
        SimTime::from_secs(445),
        Order::PromoteDatabase { zone: ZONE_A }
    )));
}

#[test]
fn without_a_replica_nothing_is_promoted_until_the_zone_is_back() {
    let mut plan = documented_plan();
    plan.topology.redis.replica = None;
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    drive.tell(100, Input::ZoneLost { zone: ZONE_A });
    drive.tell(900, Input::ZoneRestored { zone: ZONE_A });
    drive.run_until(minutes(20));
    assert_eq!(
        promotions(&drive),
        [
            (145, DataTierPart::Database, ZONE_B),
            (930, DataTierPart::Redis, ZONE_A),
        ]
    );
}

#[test]
fn the_loss_of_the_replica_alone_promotes_nothing_and_leaves_nothing_to_promote() {
    let mut drive = Drive::new(&documented_plan(), |_| Some(2_000));
    drive.tell(100, Input::ZoneLost { zone: ZONE_B });
    drive.run_until(minutes(5));
    assert_eq!(promotions(&drive), []);
    drive.tell(320, Input::ZoneLost { zone: ZONE_A });
    drive.run_until(minutes(20));
    assert_eq!(promotions(&drive), []);
    drive.tell(1_300, Input::ZoneRestored { zone: ZONE_B });
    drive.run_until(minutes(25));
    assert_eq!(promotions(&drive)[0], (1_330, DataTierPart::Redis, ZONE_B));
}

/// Everything a run with a zone failure says and orders.
fn transcript(seed: u64) -> (Vec<Notice>, Vec<(SimTime, Order)>) {
    let mut plan = documented_plan();
    plan.seed = seed;
    plan.scaling.monitor.phase = None;
    plan.scaling.boot = tiketi_sim::scenario::distribution::Distribution::Uniform {
        from: 180.0,
        to: 300.0,
    };
    let mut drive = Drive::new(&plan, long_from(100));
    drive.tell(360, Input::ZoneLost { zone: ZONE_A });
    drive.tell(600, Input::ZoneRestored { zone: ZONE_A });
    drive.run_until(minutes(20));
    (drive.notices, drive.orders)
}

#[test]
fn the_same_seed_gives_the_same_orders_and_notices_and_another_seed_others() {
    assert_eq!(transcript(7), transcript(7));
    assert_ne!(transcript(7), transcript(8));
}

#[derive(Clone, Debug)]
enum Shock {
    ZoneLost(u8),
    ZoneRestored(u8),
    Killed(u32),
    Health(u32, bool),
    Drained(u32),
    Queue(Option<u64>),
}

fn shock() -> impl Strategy<Value = Shock> {
    prop_oneof![
        (0..3_u8).prop_map(Shock::ZoneLost),
        (0..3_u8).prop_map(Shock::ZoneRestored),
        (0..30_u32).prop_map(Shock::Killed),
        (0..30_u32, any::<bool>()).prop_map(|(instance, healthy)| Shock::Health(instance, healthy)),
        (0..30_u32).prop_map(Shock::Drained),
        proptest::option::of(0..20_000_u64).prop_map(Shock::Queue),
    ]
}

fn random_plan(seed: u64, is_step: bool, is_elb: bool, max: u32) -> Plan {
    let mut plan = if is_step {
        stepped_plan(secs(60))
    } else {
        documented_plan()
    };
    plan.seed = seed;
    plan.scaling.max = max;
    if is_elb {
        plan.scaling.health_type = HealthType::Elb;
    }
    let mut third = plan.topology.zones[0].clone();
    third.name = "c".to_owned();
    plan.topology.zones.push(third);
    plan.topology.instances.initial = vec![1, 1, 0];
    plan
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, the group keeps its size while it can, and ends every instance once.
    #[test]
    fn the_group_never_leaves_its_limits(
        seed in any::<u64>(),
        is_step in any::<bool>(),
        is_elb in any::<bool>(),
        max in 2..14_u32,
        shocks in proptest::collection::vec((1..200_u64, shock()), 1..60),
    ) {
        let plan = random_plan(seed, is_step, is_elb, max);
        let queue = std::rc::Rc::new(std::cell::Cell::new(Some(2_000)));
        let shown = queue.clone();
        let mut drive = Drive::new(&plan, move |_| shown.get());
        let mut now = 0;
        let mut down = BTreeSet::new();
        for (gap, shock) in shocks {
            now += gap;
            match shock {
                Shock::ZoneLost(zone) => {
                    down.insert(zone);
                    drive.tell(now, Input::ZoneLost { zone: ZoneId(zone) });
                }
                Shock::ZoneRestored(zone) => {
                    down.remove(&zone);
                    drive.tell(now, Input::ZoneRestored { zone: ZoneId(zone) });
                }
                Shock::Killed(instance) => {
                    drive.tell(now, Input::InstanceLost { instance: InstanceId(instance) });
                }
                Shock::Health(instance, healthy) => {
                    drive.tell(now, Input::TargetHealth { instance: InstanceId(instance), healthy });
                }
                Shock::Drained(instance) => {
                    drive.tell(now, Input::Drained { instance: InstanceId(instance) });
                }
                Shock::Queue(size) => {
                    queue.set(size);
                    drive.run_until(SimTime::from_secs(now));
                }
            }
            let fleet = drive.plane.fleet();
            prop_assert!((2..=max).contains(&fleet.desired()), "desired {}", fleet.desired());
            let margin = (max / 10).max(1);
            prop_assert!(fleet.active() <= max + margin, "{} active of {max}", fleet.active());
            if down.len() < 3 {
                prop_assert!(fleet.active() >= fleet.desired(), "{} active", fleet.active());
            }
            prop_assert!(
                fleet.members().all(|member| !down.contains(&member.zone.0)),
                "an instance runs in a zone that is down"
            );
        }
        check_orders(&drive)?;
    }
}

/// Each instance is launched once, registered after that, and ended at most once.
fn check_orders(drive: &Drive) -> Result<(), TestCaseError> {
    let (mut launched, mut registered, mut ended) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (_, order) in &drive.orders {
        match order {
            Order::Launch { instance, .. } => prop_assert!(launched.insert(*instance)),
            Order::Register { instance } => {
                prop_assert!(launched.contains(instance) && registered.insert(*instance));
            }
            Order::Deregister { instance, .. } => prop_assert!(registered.contains(instance)),
            Order::Terminate { instance } => {
                prop_assert!(launched.contains(instance) && ended.insert(*instance));
            }
            Order::SampleQueue
            | Order::SampleCpu
            | Order::PromoteRedis { .. }
            | Order::PromoteDatabase { .. } => {}
        }
    }
    Ok(())
}
