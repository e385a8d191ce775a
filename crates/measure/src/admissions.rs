//! Admissions, by how buyers learned of them. Parts add up exactly.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_buyer::observation::Learned;

/// The admissions of a run or of a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Admissions {
    /// Buyers who had waited, in the order of [`Learned::ALL`].
    pub waited: [WayOfLearning; Learned::ALL.len()],
    /// Buyers who were admitted on entry, without waiting.
    pub at_once: u64,
}

/// Buyers who learned of their admission in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WayOfLearning {
    /// How many admissions.
    pub count: u64,
    /// The sum of the times in the queue.
    pub total: Duration,
}

impl Admissions {
    /// Counts a buyer who had waited.
    pub(super) fn count(&mut self, learned: Learned, waited: Duration) {
        let way = &mut self.waited[learned as usize];
        way.count += 1;
        way.total += waited;
    }

    /// Adds what `other` counted.
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.waited.iter_mut().zip(other.waited) {
            mine.count += theirs.count;
            mine.total += theirs.total;
        }
        self.at_once += other.at_once;
    }

    /// Returns the admissions that were learned of in this way. One without waiting is learned of on entry.
    pub fn of(&self, learned: Learned) -> WayOfLearning {
        let mut way = self.waited[learned as usize];
        if learned == Learned::OnEntry {
            way.count += self.at_once;
        }
        way
    }

    /// Returns all admissions of buyers who had waited.
    pub fn after_waiting(&self) -> u64 {
        self.waited.iter().map(|way| way.count).sum()
    }
}

impl WayOfLearning {
    /// Returns the mean time in the queue in seconds; `None` without admissions.
    #[expect(
        clippy::cast_precision_loss,
        reason = "no run has as many buyers as a double has digits"
    )]
    pub fn mean_seconds(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total.as_secs_f64() / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole_in_any_order() {
        let second = Duration::from_secs(1);
        let mut parts = [Admissions::default(); 3];
        for (number, learned) in (0_u32..).zip([Learned::ALL, Learned::ALL, Learned::ALL].concat())
        {
            parts[number as usize % 3].count(learned, second * number);
        }
        parts[1].at_once = 2;
        let sum = |order: [usize; 3]| {
            let mut sum = Admissions::default();
            for part in order {
                sum.add(&parts[part]);
            }
            sum
        };
        assert_eq!(sum([0, 1, 2]), sum([2, 0, 1]));
        let whole = sum([0, 1, 2]);
        assert_eq!(whole.after_waiting(), 12);
        // Numbers 1, 5 and 9.
        let polls = whole.of(Learned::PollBeforeMessage);
        assert_eq!((polls.count, polls.mean_seconds()), (3, Some(5.0)));
        // Numbers 3, 7 and 11, and two without a wait.
        let entries = whole.of(Learned::OnEntry);
        assert_eq!((entries.count, entries.mean_seconds()), (5, Some(4.2)));
        assert_eq!(Admissions::default().of(Learned::Poll).mean_seconds(), None);
    }
}
