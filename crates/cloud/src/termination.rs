//! Which instance a group that has too many gives up.

use rand::RngExt;

use super::member::Member;
use super::zone_balance::ZoneBalance;
use tiketi_core::rng::Stream;
use tiketi_core::units::SimTime;

const BILLING_HOUR_NANOS: u64 = 3_600_000_000_000;

/// The place in `members` of the instance to give up: in the zone with the most; one that is still pending before all
/// others (an assumption: it serves nobody); then, as AWS's default policy has it, the one closest to its next billing
/// hour, and of several a random one. All have the same launch template, so its age does not decide.
///
/// Whether the application answers does not matter to AWS: a group can give up the only ones that do. Instances that
/// are to even out the zones are spared; there must be another one.
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
    // The fullest zone may hold nothing but spared ones: any other zone gives one up then.
    if candidates.iter().any(is_in_fullest) {
        candidates.retain(is_in_fullest);
    }
    let claim = |place: &usize| {
        let member = &members[*place];
        let billed = now.as_nanos().saturating_sub(member.launched_at.as_nanos());
        (member.is_pending(), billed % BILLING_HOUR_NANOS)
    };
    let strongest = candidates.iter().map(claim).max();
    candidates.retain(|place| Some(claim(place)) == strongest);
    candidates[stream.random_range(0..candidates.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Cause, Phase};
    use tiketi_core::rng::Streams;
    use tiketi_core::units::{InstanceId, ZoneId};

    fn member(number: u32, zone: u8, launched_at_s: u64, phase: Phase) -> Member {
        Member {
            instance: InstanceId(number),
            zone: ZoneId(zone),
            phase,
            cause: Cause::ScaleOut,
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
    fn the_zone_with_most_comes_before_the_billing_hour() {
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
        assert_eq!(chosen(&members, 3_700, 1), 1, "0 has begun a new hour");
    }

    #[test]
    fn a_pending_one_goes_before_one_that_serves() {
        let members = [
            member(0, 0, 0, Phase::Healthy),
            member(1, 0, 500, Phase::Pending(SimTime::from_secs(620))),
        ];
        assert_eq!(chosen(&members, 600, 1), 1);
    }

    #[test]
    fn one_that_is_to_even_out_the_zones_is_spared() {
        let newcomer = Member {
            cause: Cause::Rebalance,
            ..member(1, 0, 590, Phase::Pending(SimTime::from_secs(607)))
        };
        let members = [member(0, 0, 0, Phase::Healthy), newcomer];
        assert_eq!(chosen(&members, 600, 1), 0);
    }

    #[test]
    fn of_equals_chance_decides() {
        let members = [
            member(0, 0, 0, Phase::Healthy),
            member(1, 1, 0, Phase::Healthy),
        ];
        let drawn: std::collections::BTreeSet<u32> =
            (0..50).map(|seed| chosen(&members, 600, seed)).collect();
        assert_eq!(drawn.len(), 2);
    }
}
