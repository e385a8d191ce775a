//! Invariants under random events.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tiketi_cloud::notice::Notice;
use tiketi_cloud::order::{Input, Order};
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_scenario::Plan;
use tiketi_scenario::scaling::HealthType;

use crate::common::{documented_plan, secs};
use crate::drive::{Drive, ZONE_A, long_from, minutes, stepped_plan};

/// All notices and orders of a run with a zone failure.
fn transcript(seed: u64) -> (Vec<Notice>, Vec<(SimTime, Order)>) {
    let mut plan = documented_plan();
    plan.seed = seed;
    plan.scaling.monitor.phase = None;
    plan.scaling.boot = tiketi_scenario::distribution::Distribution::Uniform {
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
fn same_seed_gives_same_orders_and_notices() {
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

    /// The group keeps its size while it can, and terminates every instance once.
    #[test]
    fn group_size_stays_within_its_limits(
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

/// Each instance is launched once, then registered, and terminated at most once.
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
