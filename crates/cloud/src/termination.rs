//! Which instance is terminated when the group has too many.

use std::cmp::Reverse;

use rand::RngExt;

use super::member::{Member, Phase};
use super::zone_balance::ZoneBalance;
use tiketi_core::rng::Stream;
use tiketi_core::units::SimTime;

const BILLING_HOUR_NANOS: u64 = 3_600_000_000_000;

/// Returns the index in `members` of the instance to terminate: in the zone with the most instances; lost and pending ones
/// before all others (an assumption: they serve nobody); then, as in AWS's default policy, one with the oldest launch
/// template, and of these the one closest to its next billing hour; of several a random one.
///
/// AWS does not consider whether the application answers: a group can terminate the only instances that do. Instances
/// launched ahead of those they replace are spared. `None` if there is no other one that `may_go`.
pub(super) fn victim(
    members: &[Member],
    may_go: impl Fn(&Member) -> bool,
    balance: &ZoneBalance,
    now: SimTime,
    stream: &mut Stream,
) -> Option<usize> {
    let mut candidates: Vec<usize> = (0..members.len())
        .filter(|place| {
            let member = &members[*place];
            member.is_active() && !member.is_ahead && may_go(member)
        })
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
        let is_idle = member.is_pending() || member.phase == Phase::Lost;
        (
            is_idle,
            Reverse(member.version),
            billed % BILLING_HOUR_NANOS,
        )
    };
    let highest = candidates.iter().map(priority).max()?;
    candidates.retain(|place| priority(place) == highest);
    Some(candidates[stream.random_range(0..candidates.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{LaunchCause, PendingEnd};
    use crate::zone_balance::ZoneState;
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
            version: 0,
            is_ahead: false,
        }
    }

    fn pending_until(until_s: u64) -> Phase {
        Phase::Pending {
            until: SimTime::from_secs(until_s),
            then: PendingEnd::InService,
        }
    }

    fn chosen(members: &[Member], now_s: u64, seed: u64) -> u32 {
        let balance = ZoneBalance::new(members, &[ZoneState::Up; 2]);
        let mut stream = Streams::new(seed).named("termination");
        let now = SimTime::from_secs(now_s);
        let place = victim(members, |_| true, &balance, now, &mut stream);
        members[place.expect("one may go")].instance.0
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
            member(1, 0, 500, pending_until(620)),
        ];
        assert_eq!(chosen(&members, 600, 1), 1);
    }

    #[test]
    fn an_instance_launched_ahead_of_another_is_spared() {
        let newcomer = Member {
            cause: LaunchCause::Rebalance,
            is_ahead: true,
            ..member(1, 0, 590, pending_until(607))
        };
        let members = [member(0, 0, 0, Phase::Healthy), newcomer];
        assert_eq!(chosen(&members, 600, 1), 0);
    }

    #[test]
    fn an_instance_of_the_oldest_version_goes_first() {
        let newer = Member {
            version: 1,
            ..member(0, 0, 0, Phase::Healthy)
        };
        let members = [newer, member(1, 0, 300, Phase::Healthy)];
        assert_eq!(chosen(&members, 600, 1), 1, "0 has the later billing hour");
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
