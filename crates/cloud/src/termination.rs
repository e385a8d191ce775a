//! Which instance is terminated when the group has too many.

use rand::RngExt;

use super::member::Member;
use super::zone_balance::ZoneBalance;
use tiketi_core::rng::Stream;
use tiketi_core::units::SimTime;

const BILLING_HOUR_NANOS: u64 = 3_600_000_000_000;

/// Returns the index in `members` of the instance to terminate: in the zone with the most instances; pending ones before
/// all others (an assumption: they serve nobody); then, as in AWS's default policy, the one closest to its next billing
/// hour; of several a random one. All have the same launch template, so its age does not matter.
///
/// AWS does not consider whether the application answers: a group can terminate the only instances that do. Instances
/// launched to even out the zones are spared; there must be another one.
pub(super) fn victim(
    members: &[Member],
    balance: &ZoneBalance,
    now: SimTime,
    stream: &mut Stream,
) -> usize {
    let mut candidates: Vec<usize> = (0..members.len())
        .filter(|place| members[*place].is_active() && !members[*place].is_surplus())
        .collect();
    let fullest = balance.fullest();
    let is_in_fullest = |place: &usize| fullest.contains(&members[*place].zone);
    // If the fullest zone has only spared instances, take one from any other zone.
    if candidates.iter().any(is_in_fullest) {
        candidates.retain(is_in_fullest);
    }
    let priority = |place: &usize| {
        let member = &members[*place];
        let billed = now.as_nanos().saturating_sub(member.launched_at.as_nanos());
        (member.is_pending(), billed % BILLING_HOUR_NANOS)
    };
    let highest = candidates.iter().map(priority).max();
    candidates.retain(|place| Some(priority(place)) == highest);
    candidates[stream.random_range(0..candidates.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{LaunchCause, Phase};
    use tiketi_core::rng::Streams;
    use tiketi_core::units::{InstanceId, ZoneId};

    fn member(number: u32, zone: u8, launched_at_s: u64, phase: Phase) -> Member {
        Member {
            instance: InstanceId(number),
            zone: ZoneId(zone),
            phase,
            cause: LaunchCause::ScaleOut,
            launched_at: SimTime::from_secs(launched_at_s),
            in_service_at: None,
            in_activity: false,
        }
    }

    fn chosen(members: &[Member], now_s: u64, seed: u64) -> u32 {
        let balance = ZoneBalance::new(members, &[false, false]);
        let mut stream = Streams::new(seed).named("termination");
        let place = victim(members, &balance, SimTime::from_secs(now_s), &mut stream);
        members[place].instance.0
    }

    #[test]
    fn the_fullest_zone_matters_more_than_the_billing_hour() {
        let members = [
            member(0, 0, 0, Phase::Healthy),
            member(1, 1, 100, Phase::Healthy),
            member(2, 1, 200, Phase::Healthy),
        ];
        assert_eq!(chosen(&members, 600, 1), 1);
    }

    #[test]
    fn the_instance_closest_to_its_next_billing_hour_goes_first() {
        let members = [
            member(0, 0, 0, Phase::Healthy),
            member(1, 1, 1_000, Phase::Healthy),
        ];
        assert_eq!(chosen(&members, 1_800, 1), 0);
        assert_eq!(chosen(&members, 3_700, 1), 1, "0 has started a new hour");
    }

    #[test]
    fn a_pending_instance_is_terminated_before_one_in_service() {
        let members = [
            member(0, 0, 0, Phase::Healthy),
            member(1, 0, 500, Phase::Pending(SimTime::from_secs(620))),
        ];
        assert_eq!(chosen(&members, 600, 1), 1);
    }

    #[test]
    fn an_instance_launched_to_even_out_the_zones_is_spared() {
        let newcomer = Member {
            cause: LaunchCause::Rebalance,
            ..member(1, 0, 590, Phase::Pending(SimTime::from_secs(607)))
        };
        let members = [member(0, 0, 0, Phase::Healthy), newcomer];
        assert_eq!(chosen(&members, 600, 1), 0);
    }

    #[test]
    fn ties_are_broken_at_random() {
        let members = [
            member(0, 0, 0, Phase::Healthy),
            member(1, 1, 0, Phase::Healthy),
        ];
        let drawn: std::collections::BTreeSet<u32> =
            (0..50).map(|seed| chosen(&members, 600, seed)).collect();
        assert_eq!(drawn.len(), 2);
    }
}
