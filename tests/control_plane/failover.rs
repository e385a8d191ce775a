//! Failovers of the data tier.

use tiketi_cloud::notice::{DataTierPart, What};
use tiketi_cloud::order::{Input, Order};
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_scenario::data_tier::{DataTier, ExternalServers};
use tiketi_scenario::data_tier::{PostgresUrl, RedisUrl};

use crate::common::documented_plan;
use crate::drive::{Drive, ZONE_A, ZONE_B, minutes};

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
fn redis_and_database_fail_over_and_back() {
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
fn without_replica_promotion_waits_for_the_zone() {
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
fn after_losing_the_replica_the_primary_has_no_failover() {
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

#[test]
fn losing_one_primary_promotes_only_its_replica() {
    let mut drive = Drive::new(&documented_plan(), |_| Some(2_000));
    let part = DataTierPart::Redis;
    drive.tell(100, Input::PrimaryLost { part });
    drive.run_until(minutes(5));
    assert_eq!(promotions(&drive), [(130, part, ZONE_B)]);
    assert_eq!(drive.in_zone(ZONE_A), 1, "no instance was lost");
    // The old primary is still down, so the loss of the new one leaves no member until the old one is restored.
    drive.tell(400, Input::PrimaryLost { part });
    drive.run_until(minutes(10));
    assert_eq!(promotions(&drive).len(), 1);
    drive.tell(700, Input::MemberRestored { part });
    drive.run_until(minutes(20));
    assert_eq!(promotions(&drive)[1..], [(730, part, ZONE_A)]);
}

#[test]
fn restored_primary_takes_over_at_the_next_failover() {
    let mut drive = Drive::new(&documented_plan(), |_| Some(2_000));
    let part = DataTierPart::Database;
    drive.tell(100, Input::PrimaryLost { part });
    drive.tell(200, Input::MemberRestored { part });
    drive.run_until(minutes(5));
    assert_eq!(
        promotions(&drive),
        [(145, part, ZONE_B)],
        "it comes back as a replica"
    );
    drive.tell(400, Input::PrimaryLost { part });
    drive.run_until(minutes(10));
    assert_eq!(promotions(&drive)[1..], [(445, part, ZONE_A)]);
}

#[test]
fn primary_without_replica_is_promoted_when_restored() {
    let mut plan = documented_plan();
    plan.topology.redis.replica = None;
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    let part = DataTierPart::Redis;
    drive.tell(100, Input::PrimaryLost { part });
    drive.run_until(minutes(10));
    assert_eq!(promotions(&drive), []);
    drive.tell(700, Input::MemberRestored { part });
    drive.run_until(minutes(20));
    assert_eq!(promotions(&drive), [(730, part, ZONE_A)]);
}

#[test]
fn restoring_a_zone_does_not_restore_a_separately_lost_primary() {
    let mut plan = documented_plan();
    plan.topology.redis.replica = None;
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    let part = DataTierPart::Redis;
    drive.tell(100, Input::PrimaryLost { part });
    drive.tell(200, Input::ZoneLost { zone: ZONE_A });
    drive.tell(300, Input::ZoneRestored { zone: ZONE_A });
    drive.run_until(minutes(10));
    let of_redis = |drive: &Drive| {
        let promotions = promotions(drive).into_iter();
        promotions
            .filter(|(_, of, _)| *of == part)
            .collect::<Vec<_>>()
    };
    assert_eq!(of_redis(&drive), []);
    drive.tell(700, Input::MemberRestored { part });
    drive.run_until(minutes(20));
    assert_eq!(of_redis(&drive), [(730, part, ZONE_A)]);
}

#[test]
fn existing_servers_are_never_promoted() {
    let mut plan = documented_plan();
    plan.topology.data_tier = DataTier::External(ExternalServers {
        redis: RedisUrl::parse("redis://127.0.0.1").expect("a valid URL"),
        database: PostgresUrl::parse("postgres://u@127.0.0.1/d").expect("a valid URL"),
        prefix: None,
        schema: None,
    });
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    drive.tell(100, Input::ZoneLost { zone: ZONE_A });
    drive.tell(300, Input::ZoneRestored { zone: ZONE_A });
    drive.run_until(minutes(20));
    assert_eq!(promotions(&drive), []);
    let is_lost = |what: &What| matches!(what, What::PrimaryLost { .. });
    assert!(!drive.notices.iter().any(|notice| is_lost(&notice.what)));
}
