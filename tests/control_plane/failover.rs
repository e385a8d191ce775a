//! Failovers of the data tier.

use tiketi_sim::cloud::notice::{DataTierPart, What};
use tiketi_sim::cloud::order::{Input, Order};
use tiketi_sim::units::{SimTime, ZoneId};

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
