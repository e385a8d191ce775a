//! Which instance a group that has too many gives up.

use rand::RngExt;

use super::member::{Member, Phase};
use super::zone_balance::ZoneBalance;
use crate::rng::Stream;

/// The place in `members` of the instance to give up: in the zone with the most, an unhealthy one first, then one that
/// serves nobody yet, then a random one (all have the same launch template and are billed by the second, so AWS's
/// default policy comes down to that).
///
/// Instances that are to even out the zones are spared; there must be another one.
pub(super) fn victim(members: &[Member], balance: &ZoneBalance, stream: &mut Stream) -> usize {
    let candidates: Vec<(usize, &Member)> = members
        .iter()
        .enumerate()
        .filter(|(_, member)| member.is_active() && !member.is_surplus())
        .collect();
    let fullest = balance.fullest();
    let in_fullest: Vec<_> = candidates
        .iter()
        .copied()
        .filter(|(_, member)| fullest.contains(&member.zone))
        .collect();
    // The fullest zone may hold nothing but spared ones: any other zone gives one up.
    let candidates = if in_fullest.is_empty() {
        candidates
    } else {
        in_fullest
    };
    let best = candidates.iter().map(|(_, member)| rank(member)).min();
    let places: Vec<usize> = candidates
        .iter()
        .filter(|(_, member)| Some(rank(member)) == best)
        .map(|(place, _)| *place)
        .collect();
    places[stream.random_range(0..places.len())]
}

const fn rank(member: &Member) -> u8 {
    match member.phase {
        Phase::Unhealthy => 0,
        Phase::Pending(_) => 1,
        Phase::InService | Phase::Healthy => 2,
        Phase::Draining(_) => 3,
    }
}
