//! Which zone gets the next instance, and from which zone one is taken.

use super::member::Member;
use tiketi_core::units::ZoneId;

/// How the group's instances are distributed over zones: a count per zone, `None` while the zone is down.
#[derive(Clone, Debug)]
pub(super) struct ZoneBalance(pub(super) Vec<Option<u32>>);

impl ZoneBalance {
    /// Counts the active members of each zone.
    pub(super) fn new(members: &[Member], is_zone_down: &[bool]) -> Self {
        let mut balance = Self(
            is_zone_down
                .iter()
                .map(|is_down| (!is_down).then_some(0))
                .collect(),
        );
        for member in members.iter().filter(|member| member.is_active()) {
            balance.add(member.zone);
        }
        balance
    }

    /// Returns the zone with the fewest instances among those that are up, the first of several; `None` if all are down.
    ///
    /// A launch in a zone that is down fails for lack of capacity, and the group tries the next zone
    /// ("balanced-best-effort", the default).
    pub(super) fn emptiest(&self) -> Option<ZoneId> {
        self.up()
            .min_by_key(|&(zone, count)| (count, zone))
            .map(|(zone, _)| zone)
    }

    /// Returns all zones that have the most instances.
    pub(super) fn fullest(&self) -> Vec<ZoneId> {
        let most = self.up().map(|(_, count)| count).max();
        self.up()
            .filter(|&(_, count)| Some(count) == most)
            .map(|(zone, _)| zone)
            .collect()
    }

    /// Plans the move of one instance from the fullest to the emptiest zone, and counts it as done. Returns the zone to
    /// launch in; `None` if the zones are balanced.
    pub(super) fn plan_move(&mut self) -> Option<ZoneId> {
        let to = self.emptiest()?;
        let from = *self.fullest().first()?;
        if self.count(from)? < self.count(to)? + 2 {
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

    fn up(&self) -> impl Iterator<Item = (ZoneId, u32)> {
        (0..)
            .map(ZoneId)
            .zip(&self.0)
            .filter_map(|(zone, count)| count.map(|count| (zone, count)))
    }

    fn count(&self, zone: ZoneId) -> Option<u32> {
        self.0.get(zone.index()).copied().flatten()
    }

    fn add(&mut self, zone: ZoneId) {
        if let Some(Some(count)) = self.0.get_mut(zone.index()) {
            *count += 1;
        }
    }

    fn remove(&mut self, zone: ZoneId) {
        if let Some(Some(count)) = self.0.get_mut(zone.index()) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_is_down_gets_no_instance() {
        assert_eq!(ZoneBalance(vec![None, Some(4)]).emptiest(), Some(ZoneId(1)));
        assert_eq!(ZoneBalance(vec![None, None]).emptiest(), None);
    }

    #[test]
    fn moves_stop_when_the_zones_are_balanced() {
        let mut balance = ZoneBalance(vec![Some(0), Some(5)]);
        let moves = std::iter::from_fn(|| balance.plan_move()).count();
        assert_eq!(moves, 2);
        assert_eq!(balance.0, [Some(2), Some(3)]);
    }

    #[test]
    fn all_zones_count_as_fullest_when_balanced() {
        assert_eq!(
            ZoneBalance(vec![Some(2), Some(2)]).fullest(),
            [ZoneId(0), ZoneId(1)]
        );
    }
}
