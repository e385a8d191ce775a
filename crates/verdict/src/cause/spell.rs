//! When a tier was saturated.

use std::time::Duration;

use serde::Serialize;

use super::load::Reading;
use crate::figure;
use tiketi_core::units::SimTime;

/// Used share from which a tier counts as saturated; an assumption. A queue in front of a server that is 95 % busy is
/// twenty times as long as in front of an idle one (M/M/1).
pub const SATURATED: f64 = 0.95;

/// Time over which the used share is averaged; an assumption. One busy second is no bottleneck.
pub const WINDOW: Duration = Duration::from_secs(10);

/// The same where no tier was saturated for that long; an assumption. The requests of a few seconds can be the slowest percent of a
/// sale.
pub(super) const BURST: Duration = Duration::from_secs(3);

/// A time in which a tier was saturated without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spell {
    /// When it began.
    #[serde(rename = "from_seconds", serialize_with = "figure::at_seconds")]
    pub from: SimTime,
    /// When it ended.
    #[serde(rename = "until_seconds", serialize_with = "figure::at_seconds")]
    pub until: SimTime,
}

impl Spell {
    /// Returns how long it lasted.
    pub fn length(&self) -> Duration {
        self.until.saturating_since(self.from)
    }
}

/// Returns when the tier at `place` of the watched ones was saturated: every time whose mean over some `window` around it is
/// at least [`SATURATED`]. Readings that lack the tier end a spell.
pub(super) fn spells(readings: &[Reading], place: usize, window: Duration) -> Vec<Spell> {
    let mut is_saturated = vec![false; readings.len()];
    for last in 0..readings.len() {
        if let Some(first) = saturated_window(readings, place, (last, window)) {
            is_saturated[first..=last].fill(true);
        }
    }
    let mut spells: Vec<Spell> = Vec::new();
    for (reading, _) in readings.iter().zip(is_saturated).filter(|(_, is)| *is) {
        let until = reading.from + reading.length;
        match spells.last_mut() {
            Some(open) if open.until == reading.from => open.until = until,
            Some(_) | None => spells.push(Spell {
                from: reading.from,
                until,
            }),
        }
    }
    spells
}

/// Returns where the window begins that ends with the reading `last`, if the tier was saturated in it. Without enough readings for a
/// whole window there is none.
fn saturated_window(
    readings: &[Reading],
    place: usize,
    (last, window): (usize, Duration),
) -> Option<usize> {
    let mut length = 0.0;
    let mut used = 0.0;
    for first in (0..=last).rev() {
        let reading = &readings[first];
        length += reading.length.as_secs_f64();
        used += reading.used[place]? * reading.length.as_secs_f64();
        if length >= window.as_secs_f64() {
            return (used >= SATURATED * length).then_some(first);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::load::WATCHED;
    use super::*;

    fn readings(used: &[Option<f64>]) -> Vec<Reading> {
        let second = Duration::from_secs(1);
        let reading = |(at, used): (u64, &Option<f64>)| Reading {
            from: SimTime::from_secs(at),
            length: second,
            used: [*used; WATCHED.len()],
        };
        (0..).zip(used).map(reading).collect()
    }

    fn found(used: &[Option<f64>]) -> Vec<(u64, u64)> {
        let spells = spells(&readings(used), 0, WINDOW).into_iter();
        spells
            .map(|spell| (spell.from.as_secs(), spell.until.as_secs()))
            .collect()
    }

    #[test]
    fn nine_busy_seconds_are_no_saturation_and_ten_are() {
        let mut used = vec![Some(0.2); 40];
        used[20..29].fill(Some(1.0));
        assert_eq!(found(&used), []);
        used[29] = Some(1.0);
        assert_eq!(found(&used), [(20, 30)]);
    }

    #[test]
    fn a_burst_is_found_where_it_is_looked_for() {
        let mut used = vec![Some(0.2); 40];
        used[20..23].fill(Some(1.0));
        let burst = Spell {
            from: SimTime::from_secs(20),
            until: SimTime::from_secs(23),
        };
        assert_eq!(spells(&readings(&used), 0, BURST), [burst]);
        used[22] = Some(0.2);
        assert_eq!(spells(&readings(&used), 0, BURST), []);
    }

    #[test]
    fn a_short_dip_does_not_end_a_spell_and_a_missing_reading_does() {
        let mut used = vec![Some(1.0); 40];
        used[20] = Some(0.6);
        assert_eq!(found(&used), [(0, 40)]);
        used[20] = None;
        assert_eq!(found(&used), [(0, 20), (21, 40)]);
    }

    #[test]
    fn a_run_shorter_than_a_window_has_no_spell() {
        assert_eq!(found(&[Some(1.0); 9]), []);
        assert_eq!(found(&[]), []);
    }
}
