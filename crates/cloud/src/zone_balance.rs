//! Which zone gets the next instance, and from which zone one is taken.

use super::member::Member;
use tiketi_core::units::ZoneId;

/// What the group knows of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZoneState {
    /// Instances can be launched there.
    Up,
    /// A launch has failed for lack of capacity. What runs there goes on.
    NoCapacity,
    /// Everything there is lost.
    Down,
}

/// How the group's instances are distributed over zones.
#[derive(Clone, Debug)]
pub(super) struct ZoneBalance {
    zones: Vec<(ZoneState, u32)>,
}

impl ZoneBalance {
    /// Counts the active members of each zone.
    pub(super) fn new(members: &[Member], states: &[ZoneState]) -> Self {
        let zones = states.iter().map(|state| (*state, 0)).collect();
        let mut balance = Self { zones };
        for member in members.iter().filter(|member| member.is_active()) {
            balance.add(member.zone);
        }
        balance
    }

    /// Returns the zone with the fewest instances among those where one can be launched, the first of several; `None` if
    /// there is none.
    ///
    /// After a launch has failed for lack of capacity, the group tries the next zone ("balanced-best-effort", the default).
    pub(super) fn emptiest(&self) -> Option<ZoneId> {
        self.in_states(&[ZoneState::Up])
            .min_by_key(|&(zone, count)| (count, zone))
            .map(|(zone, _)| zone)
    }

    /// Returns all zones that have the most instances.
    pub(super) fn fullest(&self) -> Vec<ZoneId> {
        let running = || self.in_states(&[ZoneState::Up, ZoneState::NoCapacity]);
        let most = running().map(|(_, count)| count).max();
        running()
            .filter(|&(_, count)| Some(count) == most)
            .map(|(zone, _)| zone)
            .collect()
    }

    /// Plans the move of one instance from the fullest to the emptiest zone, and counts it as done. Returns the zone to
    /// launch in; `None` if the zones are balanced.
    pub(super) fn plan_move(&mut self) -> Option<ZoneId> {
        let to = self.emptiest()?;
        let from = *self.fullest().first()?;
        if self.count(from) < self.count(to) + 2 {
            return None;
        }
        self.remove(from);
        self.add(to);
        Some(to)
    }

    /// Counts one instance fewer in the fullest zone.
    pub(super) fn remove_from_fullest(&mut self) {
        if let Some(&zone) = self.fullest().first() {
            self.remove(zone);
        }
    }

    fn in_states(&self, states: &[ZoneState]) -> impl Iterator<Item = (ZoneId, u32)> {
        (0..)
            .map(ZoneId)
            .zip(&self.zones)
            .filter(|(_, (state, _))| states.contains(state))
            .map(|(zone, (_, count))| (zone, *count))
    }

    fn count(&self, zone: ZoneId) -> u32 {
        self.zones.get(zone.index()).map_or(0, |(_, count)| *count)
    }

    fn add(&mut self, zone: ZoneId) {
        if let Some((_, count)) = self.zones.get_mut(zone.index()) {
            *count += 1;
        }
    }

    fn remove(&mut self, zone: ZoneId) {
        if let Some((_, count)) = self.zones.get_mut(zone.index()) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ZoneState::{Down, NoCapacity, Up};
    use super::*;

    fn balance(zones: &[(ZoneState, u32)]) -> ZoneBalance {
        let zones = zones.to_vec();
        ZoneBalance { zones }
    }

    #[test]
    fn a_zone_that_is_down_or_without_capacity_gets_no_instance() {
        let one = |state| balance(&[(state, 0), (Up, 4)]).emptiest();
        assert_eq!(one(Up), Some(ZoneId(0)));
        assert_eq!(one(Down), Some(ZoneId(1)));
        assert_eq!(one(NoCapacity), Some(ZoneId(1)));
        assert_eq!(balance(&[(Down, 0), (NoCapacity, 0)]).emptiest(), None);
    }

    #[test]
    fn instances_are_taken_from_a_zone_without_capacity_too() {
        let full = balance(&[(NoCapacity, 5), (Up, 2), (Down, 9)]);
        assert_eq!(full.fullest(), [ZoneId(0)]);
    }

    #[test]
    fn moves_stop_when_the_zones_are_balanced() {
        let mut balance = balance(&[(Up, 0), (Up, 5)]);
        let moves = std::iter::from_fn(|| balance.plan_move()).count();
        assert_eq!(moves, 2);
        assert_eq!(balance.zones, [(Up, 2), (Up, 3)]);
    }

    #[test]
    fn nothing_moves_to_a_zone_without_capacity() {
        assert_eq!(balance(&[(NoCapacity, 0), (Up, 5)]).plan_move(), None);
    }

    #[test]
    fn all_zones_count_as_fullest_when_balanced() {
        let even = balance(&[(Up, 2), (Up, 2)]);
        assert_eq!(even.fullest(), [ZoneId(0), ZoneId(1)]);
    }
}
